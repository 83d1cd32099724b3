"""The Kaplan-Meier curve of trials that have reached the target, with configurations as the sample.

``scipy.stats.ecdf`` gives the same curve where every trial counts once and is a configuration of its own; a
test compares the two. But trials of one configuration are alike, which its band does not know, and with a
reserve of early stopping some trials stand for several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, Estimate
from analysis.statistics.intervals import wilson_of_rates

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]

MOST_BLOCKS = 200
"""Beyond so many configurations, they are put together for the jackknife: its error is then below a
twentieth."""

_CELLS = 2_000_000
"""Most values of an intermediate array: curves of the jackknife are made in portions of so many."""

_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The share of trials that have reached the target, against what they have spent."""

    times: Array
    """Shape (m,), where the share rises, in ascending order."""
    reached: Array
    """Shape (m,), the share from there on; before the first it is 0."""
    low: Array
    high: Array
    """Shape (m,), the 95 % band."""
    before: float
    """The upper end of the band before the first rise."""
    until: float
    """The longest that a trial was watched; NaN without trials."""
    censored: Array
    """Where trials ended that might have reached the target later, in ascending order."""
    trials: int
    sample: int
    """Configurations, or trials where there is only one configuration: what the band is about."""
    restricted_mean: Estimate
    """Mean of what is spent until the target is reached, counting no more than ``until``."""

    @property
    def at_end(self) -> Estimate:
        """The share that has reached the target when the longest trial ends."""
        if not self.trials:
            return Estimate(value=math.nan, low=0.0, high=1.0, unit="share")
        ends = (curve[-1] if len(curve) else 0.0 for curve in (self.reached, self.low))
        value, low = map(float, ends)
        high = float(self.high[-1]) if len(self.high) else self.before
        return Estimate(value=value, low=low, high=high, unit="share")

    def quantile(self, share: float, unit: str = "") -> Estimate:
        """Return by when a share of the trials has reached the target, with its interval from the band.

        The value is NaN where they have not when the longest trial ends. The interval goes from where the
        upper end of the band reaches the share to where the lower end does (Brookmeyer and Crowley,
        Biometrics 38, 1982), and is open above where that never happens.
        """
        if not self.trials:
            return Estimate(value=math.nan, low=0.0, unit=unit)
        value = _first(self.times, self.reached, share)
        low = 0.0 if self.before >= share else _first(self.times, self.high, share)
        return Estimate(
            value=value if math.isfinite(value) else math.nan,
            # Where not even the upper end gets there, it is later than all that was watched.
            low=min(low, self.until),
            high=_first(self.times, self.low, share),
            unit=unit,
        )


def kaplan_meier(
    times: Array,
    reached: Flags,
    configurations: Codes,
    *,
    never: Flags | None = None,
    weights: Array | None = None,
    unit: str = "",
) -> Curve:
    """Estimate the share that has reached the target, from trials of which some ended before they could.

    The band is symmetric on the scale of log(-log), as usual, with the variance of a jackknife over
    configurations and Student's t. Where that variance is nothing although something is unknown, as when all
    have reached the target, Wilson's interval for as many trials as there are configurations stands in.

    Args:
        times: shape (n,), what each trial spent until it reached the target or ended; not NaN.
        reached: shape (n,), which of them reached it.
        configurations: shape (n,), the number of each trial's configuration.
        never: shape (n,), which of the others are known never to reach it: they stay at risk for as long as
            the longest trial. The rest is censored where it ended.
        weights: shape (n,), how many trials each stands for; 1 if None. Those of weight 0 are left out.
        unit: the unit of times.
    """
    weights = np.ones(len(times)) if weights is None else weights
    never = np.zeros(len(times), dtype=bool) if never is None else never
    counted = weights > 0
    times, reached, never, weights = times[counted], reached[counted], never[counted], weights[counted]
    if not len(times):
        return _without_trials(unit)
    until = float(times.max())
    times = np.where(never, until, times)
    sample, units = _sample(configurations[counted])
    blocks = _blocks(sample)[units]
    many = int(blocks.max()) + 1
    rises = np.unique(times[reached])
    # A trial is at risk at every rise up to its end, and leaves after the last of those.
    place = np.searchsorted(rises, times, side="right")
    deaths, risk = _counts(np.zeros_like(blocks), 1, place, reached, weights, len(rises))
    survives = _survival(deaths, risk)
    mean = float(_areas(survives, rises, until)[0])
    squares, mean_square = np.zeros(len(rises)), 0.0
    portion = max(1, _CELLS // (len(rises) + 1))
    for begin in range(0, many if many > 1 else 0, portion):
        mine = (blocks >= begin) & (blocks < begin + portion)
        count = min(portion, many - begin)
        left_out = _counts(blocks[mine] - begin, count, place[mine], reached[mine], weights[mine], len(rises))
        without = _survival(deaths - left_out[0], risk - left_out[1])
        squares += ((without - survives) ** 2).sum(axis=0)
        mean_square += float(((_areas(without, rises, until) - mean) ** 2).sum())
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, many - 1)) if many > 1 else math.inf
    factor = (many - 1) / many
    # Where nobody is left who has not reached the target, those who were stopped before have said nothing.
    counts = np.where(survives[0] > 0, sample, len(np.unique(units[reached])))
    low, high = _band(1 - survives[0], np.sqrt(factor * squares), quantile, counts)
    before = _Z**2 / (sample + _Z**2)
    reach = quantile * math.sqrt(factor * mean_square) if many > 1 else math.inf
    return Curve(
        times=rises,
        reached=1 - survives[0],
        low=low,
        # What may already have been reached stays reached.
        high=np.maximum(high, before),
        before=before,
        until=until,
        censored=np.sort(times[~reached & ~never]),
        trials=len(times),
        sample=sample,
        restricted_mean=Estimate(
            value=mean, low=max(mean - reach, 0.0), high=min(mean + reach, until), unit=unit
        ),
    )


def _without_trials(unit: str) -> Curve:
    none = np.zeros(0)
    return Curve(
        times=none,
        reached=none,
        low=none,
        high=none,
        before=1.0,
        until=math.nan,
        censored=none,
        trials=0,
        sample=0,
        restricted_mean=Estimate(value=math.nan, low=0.0, unit=unit),
    )


def _sample(configurations: Codes) -> tuple[int, Codes]:
    """Return the size of the sample, and which of it each trial is: its configuration, or itself if there is
    only one configuration."""
    numbers, unit = np.unique(configurations, return_inverse=True)
    if len(numbers) == 1:
        return len(configurations), np.arange(len(configurations))
    return len(numbers), np.asarray(unit, dtype=np.int64)


def _blocks(sample: int) -> Codes:
    """Deal the sample into blocks for the jackknife, always in the same way."""
    if sample <= MOST_BLOCKS:
        return np.arange(sample)
    return np.random.default_rng(0).permutation(sample) % MOST_BLOCKS


def _counts(
    row: Codes, rows: int, place: Codes, reached: Flags, weights: Array, rises: int
) -> tuple[Array, Array]:
    """Return how many trials reach the target at each rise, and how many are at risk there, for each row."""
    cell = row * (rises + 1) + place
    shape = (rows, rises + 1)
    leaving = np.bincount(cell, weights, minlength=rows * (rises + 1)).reshape(shape)
    hits = np.bincount(cell[reached], weights[reached], minlength=rows * (rises + 1)).reshape(shape)
    risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1]
    return hits[:, 1:].astype(float), risk[:, 1:].astype(float)


def _survival(deaths: Array, risk: Array) -> Array:
    """Return Kaplan and Meier's product; what nobody was at risk of does not change it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(risk > 1e-9, deaths / risk, 0.0)
    return np.asarray(np.clip(1 - hazard, 0.0, 1.0).cumprod(axis=1))


def _areas(survives: Array, rises: Array, until: float) -> Array:
    """Return the areas under curves up to the longest time: restricted means."""
    if not len(rises):
        return np.full(len(survives), until)
    return np.asarray(rises[0] + survives @ np.diff(np.append(rises, until)))


def _band(reached: Array, error: Array, quantile: float, sample: Codes) -> tuple[Array, Array]:
    """Return the ends of the band from the standard error of the share, and of how many it is one."""
    survives = 1 - reached
    inside = (survives > 1e-12) & (reached > 1e-12) & ((error > 1e-12) | ~np.isfinite(quantile))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logarithm = -np.log(survives)
        stretch = np.exp(quantile * error / (survives * logarithm)) if math.isfinite(quantile) else math.inf
        low, high = 1 - np.exp(-logarithm / stretch), 1 - np.exp(-logarithm * stretch)
    # Where the band says nothing, the interval of a share does.
    least, most = wilson_of_rates(reached, np.asarray(sample, dtype=float))
    return np.where(inside, low, least), np.where(inside, high, most)


def _first(times: Array, shares: Array, share: float) -> float:
    """Return the first time at which a curve is at a share or above; infinite if it never is."""
    there = shares >= share - 1e-9
    return float(times[np.argmax(there)]) if there.any() else math.inf
