"""The cost of a success: total spent, divided by the trials that reached the target. The only definition.

The mean over successful trials is another number, and misleading: where one seed in four learns, every
success includes the cost of three failures. The cost of a success is the expected cost of training seed after
seed, under the search's early-stopping rule, until one succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.rows import SearchRows
from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, Estimate
from analysis.statistics.intervals import NORMAL_QUANTILE, wilson_of_rates

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

COUNTED = ("solved", "finished", "stopped early", "diverged")
"""Endings of trials whose cost is final; others are running, or failed with an error."""

_SINGLE = (0.75, 1.0)
"""How far below and above a single successful trial's cost the mean of such trials is taken to lie, as shares
of it: a quarter of it to twice. One number shows no scatter, and none is not what it has."""


def spent_on_target(rows: SearchRows, trials: pd.DataFrame, cost: str) -> pd.Series[float]:
    """Return the cost of each trial up to the target.

    A trial that solved has spent what it took to the target, whatever it did afterwards. Any other has spent
    all that it used; one that is not over, or failed, is missing.

    Args:
        rows: the search.
        trials: its trials.
        cost: a cost of reaching the target, such as ``cpu_seconds_to_target``.
    """
    assert rows.is_of_target(cost), f"{cost} is not a cost of reaching the target"
    used = rows.metrics[cost]["spent"]
    known = {name: trials[name] if name in trials.columns else np.nan for name in (cost, used)}
    spent = np.where(trials["ending"] == "solved", known[cost], known[used])
    return pd.Series(spent, index=trials.index, dtype=float).where(trials["ending"].isin(COUNTED))


def per_success(
    spent: pd.Series[float],
    solved: pd.Series[bool],
    groups: pd.Series[int],
    configurations: pd.Series[int] | None = None,
) -> pd.DataFrame:
    """Return the cost of a success in each group of trials, with its interval.

    With s successes of n trials, the cost is the mean of the successful ones and, (n - s) / s times, that of
    the others. The interval puts together that of the odds (Wilson's, for the rate) and those of the two
    means (Student's), by the method of variance estimates recovery (Zou and Donner, Statistics in Medicine
    27, 2008; with a correlation, Zou, American Journal of Epidemiology 168, 2008).

    Trials of one configuration are correlated, so in a group of several the configurations are the sample:
    variances are those of sums over configurations, Wilson's n is divided by the design effect, and where
    configurations that learn more often also learn sooner, the correlation is accounted for.

    Args:
        spent: what each trial spent; trials without it are left out.
        solved: which of them reached the target.
        groups: the number of each trial's group.
        configurations: the number of each trial's configuration. If None, or in a group of one
            configuration, trials are the sample: what is meant is that configuration, not others like it.

    Returns:
        a row for each group, indexed by it, with ``cost``, ``low``, ``high``, ``successes`` and ``trials``.
        Without a success the cost is NaN, ``low`` is what the lower end of one success's cost would be,
        ``high`` infinite. Without trials that have spent something known, all three are NaN.
    """
    every, of_trial = np.unique(groups.to_numpy(), return_inverse=True)
    known = spent.notna().to_numpy()
    amounts = np.asarray(spent, dtype=np.float64)[known]
    won = solved.to_numpy(bool)[known]
    group = of_trial[known]
    unit = _units(
        group, None if configurations is None else np.asarray(configurations, dtype=np.int64)[known]
    )
    owner = np.zeros(int(unit.max(initial=-1)) + 1, dtype=np.int64)
    owner[unit] = group
    wins = _Side.of(amounts[won], unit[won], owner, len(every))
    losses = _Side.of(amounts[~won], unit[~won], owner, len(every))
    successes, failures = wins.count, losses.count
    trials = successes + failures
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = successes / trials
        deviation = (wins.per_unit - rate[owner] * (wins.per_unit + losses.per_unit)) / trials[owner]
        least_rate, most_rate = wilson_of_rates(rate, *_sample(rate, deviation, trials, owner))
        odds, most_odds, least_odds = failures / successes, 1 / least_rate - 1, 1 / most_rate - 1
        failure = np.where(failures > 0, losses.mean, 0.0)
        cost = wins.mean + odds * failure
        # Of failures that did not happen, what would they have cost? A success that came late was nearly one.
        failure_guess = np.where(failures > 0, losses.mean, np.stack([wins.mean, wins.most]))
        reach_below, reach_above = wins.reach
        failure_reach = np.where(failures > 1, losses.reach[1], 0.0) * odds
        alike = _correlation(wins.deviation, -deviation, owner, len(every))
        below = _together(reach_below, (odds - least_odds) * failure_guess[0], alike, failure_reach)
        above = _together(reach_above, (most_odds - odds) * failure_guess[1], alike, failure_reach)
        none = successes == 0
        low = np.where(none, least_odds * failure, np.maximum(cost - below, 0.0))
        high = np.where(none, np.inf, cost + above)
    return pd.DataFrame(
        {
            "cost": np.where(none, np.nan, cost),
            "low": np.where(trials > 0, low, np.nan),
            "high": np.where(trials > 0, high, np.nan),
            "successes": successes.astype(int),
            "trials": trials.astype(int),
        },
        index=pd.Index(every, name="group"),
    )


def cost_of_success(
    spent: pd.Series[float],
    solved: pd.Series[bool],
    unit: str = "",
    configurations: pd.Series[int] | None = None,
) -> Estimate:
    """Return the cost of a success in one group of trials; see :func:`per_success`.

    Args:
        unit: the unit of costs.
    """
    table = per_success(spent, solved, pd.Series(0, index=spent.index), configurations)
    if table.empty or not table["trials"].iloc[0]:
        return Estimate(value=float("nan"), unit=unit)
    row = table.iloc[0]
    return Estimate(value=float(row["cost"]), low=float(row["low"]), high=float(row["high"]), unit=unit)


@dataclass(frozen=True, kw_only=True)
class _Side:
    """The successful trials, or the others: of every group, and of every unit of the sample."""

    per_unit: Array
    """Shape (units,), how many trials."""
    count: Array
    """Shape (groups,), how many trials; so are the following."""
    mean: Array
    most: Array
    deviation: Array
    """Shape (units,), what each unit adds to the error of the mean."""
    reach: tuple[Array, Array]
    """How far the interval of the mean goes below and above it; of a mean of nothing, 0."""

    @classmethod
    def of(cls, amounts: Array, unit: Codes, owner: Codes, groups: int) -> _Side:
        per_unit = np.bincount(unit, minlength=len(owner)).astype(float)
        total = np.bincount(unit, amounts, minlength=len(owner))
        count = np.bincount(owner, per_unit, minlength=groups).astype(float)
        most = np.full(groups, -np.inf)
        np.maximum.at(most, owner[unit], amounts)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.bincount(owner, total, minlength=groups) / count
            deviation = np.where(per_unit > 0, (total - mean[owner] * per_unit) / count[owner], 0.0)
            units = np.bincount(owner, per_unit > 0, minlength=groups)
            square = np.bincount(owner, deviation**2, minlength=groups) * units / (units - 1)
            reach = student.ppf((1 + CONFIDENCE) / 2, np.maximum(units - 1, 1)) * np.sqrt(square)
            # Costs are skewed: to the second order, the upper end is that of a log-normal mean.
            upper = reach * (1 + reach / (2 * mean))
        several = units > 1
        single = np.where(units == 1, mean, 0.0)
        return cls(
            per_unit=per_unit,
            count=count,
            mean=mean,
            most=most,
            deviation=deviation,
            reach=(
                np.where(several, reach, _SINGLE[0] * single),
                np.where(several, np.where(mean > 0, upper, reach), _SINGLE[1] * single),
            ),
        )


def _units(group: Codes, configuration: Codes | None) -> Codes:
    """Number the units of the sample: configurations, or trials where a group has one configuration only."""
    trial = np.arange(len(group), dtype=np.int64)
    if configuration is None or not len(group):
        return trial
    _, number = np.unique(configuration, return_inverse=True)
    pairs, unit = np.unique(group * (int(number.max()) + 1) + number, return_inverse=True)
    alone = np.bincount(pairs // (int(number.max()) + 1))[group] == 1
    return np.asarray(np.where(alone, len(pairs) + trial, unit), dtype=np.int64)


def _sample(rate: Array, deviation: Array, trials: Array, owner: Codes) -> tuple[Array, Array]:
    """Return, for each group, of how many independent trials its rate is as sure as, and the quantile of its
    interval."""
    units = np.bincount(owner, minlength=len(rate)).astype(float)
    variance = np.bincount(owner, deviation**2, minlength=len(rate)) * units / (units - 1)
    # Where all did the same, configurations may be as alike within as can be: one trial each counts.
    worth = np.where(variance > 0, rate * (1 - rate) / variance, units)
    quantile = student.ppf((1 + CONFIDENCE) / 2, np.maximum(units - 1, 1))
    # The variance of single trials is that of a coin, and was not estimated.
    single = (units >= trials) | ~(variance > 0)
    return (
        np.where(units >= trials, trials, np.clip(worth, 1.0, np.maximum(trials, 1.0))),
        np.where(single, NORMAL_QUANTILE, quantile),
    )


def _correlation(one: Array, other: Array, owner: Codes, groups: int) -> Array:
    """Return, for each group, the correlation of two errors over its units; of fewer than three, 0."""
    sums = [np.bincount(owner, product, minlength=groups) for product in (one * other, one**2, other**2)]
    units = np.bincount(owner, one != 0, minlength=groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = sums[0] / np.sqrt(sums[1] * sums[2])
    return np.where((units > 2) & np.isfinite(found), found, 0.0)


def _together(one: Array, other: Array, alike: Array, apart: Array) -> Array:
    """Return the reach of a sum whose parts have these reaches; two of them are correlated."""
    return np.sqrt(np.maximum(one**2 + other**2 + 2 * alike * one * other, 0.0) + apart**2)
