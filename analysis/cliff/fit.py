"""Success against size: a logistic regression on the logarithm of the size, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.cliff.counts import Counts
from analysis.cliff.separation import Separation, separation
from analysis.statistics.estimate import Estimate
from analysis.statistics.logistic import Array, LogisticFit, fit, shares

CONSTANT, SLOPE = np.array([1.0, 0.0]), np.array([0.0, 1.0])

FARTHEST = 4.0
"""A size beyond those tried by more than this factor is not reported: it would depend only on the shape of
the curve."""

RAMP = 2 * math.log(9)
"""The difference in log odds between 10 and 90 %."""


@dataclass(frozen=True, kw_only=True)
class SizeFit:
    """The share of trials that solve, as a function of size."""

    regression: LogisticFit
    """On a constant and the natural logarithm of the size, less ``centre``."""
    centre: float
    configurations: int
    seeds: int
    """Most trials that a configuration has."""
    trials: int
    """Trials with a known outcome."""
    solved: int
    smallest: float
    """The smallest size of a trial with a known outcome, in parameters."""
    largest: float
    separation: Separation | None
    """Where the sizes separate the trials that solved from the others, but for one unit; else None."""
    dispersion: float
    """Variation of outcomes between configurations over that by chance alone. NaN if unknown."""
    likeness: float
    """The correlation of trials of one configuration that such a dispersion means, from 0 to below 1."""
    information: Array
    """Fisher's information on the two coefficients, shape (2, 2)."""

    @property
    def is_one_sided(self) -> bool:
        """Return whether all trials solved, or none."""
        return self.solved in (0, self.trials)

    @property
    def slope(self) -> tuple[float, float, float]:
        """The change in log odds per unit of log size, with its interval."""
        return self.regression.linear(SLOPE)

    @property
    def has_slope(self) -> bool:
        """Return whether the slope's interval is above 0."""
        return not self.is_one_sided and self.slope[1] > 0

    @property
    def rises(self) -> bool:
        """Return whether success significantly rises with size: by its slope, or because a separation of the
        outcomes by size is unlikely by chance."""
        return self.has_slope or (self.separation is not None and self.separation.is_beyond_chance)

    @property
    def span(self) -> float:
        """The logarithm of the largest over the smallest size."""
        return math.log(self.largest / self.smallest)

    def size(self, share: float = 0.5) -> Estimate:
        """Return the size at which a share of trials solves, in parameters.

        Unknown if success does not rise with size, or if the size lies beyond those tried by more
        than :data:`FARTHEST`.
        """
        value, low, high = self.regression.crossing(CONSTANT, SLOPE, share)
        if self.is_one_sided or not self.slope[0] > 0:
            return Estimate(value=math.nan, unit="parameters")
        told, low, high = (_size(log + self.centre) for log in (value, low, high))
        if self.separation is not None:
            low, high = self.separation.widened(low, high, share)
        if told > self.largest * FARTHEST:
            return Estimate(value=math.nan, low=low, unit="parameters")
        if told < self.smallest / FARTHEST:
            return Estimate(value=math.nan, high=high, unit="parameters")
        return Estimate(value=told, low=low, high=high, unit="parameters")

    @property
    def width(self) -> Estimate:
        """The factor between the sizes at which 10 and 90 % of trials solve; not known where success does
        not rise."""
        value, low, high = self.slope
        if self.is_one_sided or value <= 0:
            return Estimate(value=math.nan, low=1.0)
        most = _size(RAMP / low) if low > 0 else math.inf
        least = 1.0 if self.separation is not None or math.isinf(high) else _size(RAMP / high)
        return Estimate(value=_size(RAMP / value), low=least, high=most)

    @property
    def per_doubling(self) -> Estimate:
        """Factor of the odds of success where the size doubles."""
        if self.is_one_sided:
            return Estimate(value=math.nan, low=0.0)
        value, low, high = (2**x if x < 1000 else math.inf for x in self.slope)
        if self.separation is not None:
            high = math.inf
        return Estimate(value=value, low=low, high=high)

    def rates(self, sizes: Array) -> tuple[Array, Array, Array]:
        """Return the share that solves at each of some sizes, with its interval, pointwise."""
        predictors = np.column_stack([np.ones(len(sizes)), np.log(sizes) - self.centre])
        middle = predictors @ self.regression.coefficients
        if self.regression.freedom <= 0:
            return shares(middle), np.zeros(len(sizes)), np.ones(len(sizes))
        variance = np.einsum("mi,ij,mj->m", predictors, self.regression.covariance, predictors)
        reach = self.regression.quantile * np.sqrt(np.maximum(variance, 0.0))
        return shares(middle), shares(middle - reach), shares(middle + reach)


def fit_sizes(counts: Counts) -> SizeFit | None:
    """Fit success against size; None where trials with a known outcome have one size only, or are none."""
    counts = counts.with_known
    if len(np.unique(counts.params)) < 2:
        return None
    logs = np.log(counts.params)
    centre = float(np.average(logs, weights=counts.known))
    x = logs - centre
    regression = fit(np.column_stack([np.ones(len(x)), x]), counts.solved, counts.known, counts.units)
    fitted = shares(regression.coefficients[0] + regression.coefficients[1] * x)
    weights = counts.known * fitted * (1 - fitted)
    dispersion, likeness = _dispersion(fitted, counts)
    return SizeFit(
        regression=regression,
        centre=centre,
        configurations=len(np.unique(counts.configurations)),
        seeds=int((counts.known_trials + counts.unknown_trials).max()),
        trials=int(counts.known_trials.sum()),
        solved=int(counts.solved_trials.sum()),
        smallest=float(counts.params.min()),
        largest=float(counts.params.max()),
        separation=separation(counts),
        dispersion=dispersion,
        likeness=likeness,
        information=np.array([[weights.sum(), weights @ x], [weights @ x, weights @ x**2]]),
    )


def _dispersion(fitted: Array, counts: Counts) -> tuple[float, float]:
    """Return Pearson's chi-squared over its degrees of freedom, and the correlation of trials that explains
    it, from units with two trials and more."""
    units = np.unique(counts.units, return_inverse=True)[1]
    expected, variance = counts.known * fitted, counts.squares * fitted * (1 - fitted)
    beyond, chance, number = (
        np.bincount(units, part) for part in (counts.solved - expected, variance, counts.known_trials)
    )
    several = number > 1
    freedom = int(several.sum()) - 2
    if freedom <= 0:
        return math.nan, 0.0
    dispersion = float((beyond[several] ** 2 / np.maximum(chance[several], 1e-12)).sum() / freedom)
    likeness = (dispersion - 1) / (float(number[several].mean()) - 1)
    return dispersion, min(max(likeness, 0.0), 0.9)


def _size(log: float) -> float:
    """Return the size of a logarithm; infinite where it is out of all bounds."""
    if log == -math.inf:
        return -math.inf
    return math.exp(log) if log < 700 else math.inf
