"""Intervals for shares, and means beside a target."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.distributions import student

NORMAL_QUANTILE = 1.959963984540054
"""The standard normal's, for two-sided 95 % intervals."""

_TAIL = 0.025
"""What an exact 95 % interval leaves out on each side."""


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval for a share: sensible for few trials, and at 0 and 1.

    Args:
        successes: how many succeeded.
        trials: of how many, at least 1.
    """
    assert 0 <= successes <= trials
    low, high = wilson_ends(np.array([successes]), np.array([trials]))
    return float(low[0]), float(high[0])


def wilson_ends(
    successes: NDArray[np.number], trials: NDArray[np.number]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of Wilson's 95 % interval for many shares at a time; of no trials, 0 and 1.

    Args:
        successes: shape (m,), how many succeeded.
        trials: shape (m,), of how many.
    """
    won, count = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    low, high = wilson_of_rates(won / np.maximum(count, 1.0), count)
    return low, np.where(count == 0, 1.0, high)


def wilson_of_rates(
    rates: NDArray[np.float64],
    trials: NDArray[np.float64],
    quantile: NDArray[np.float64] | float = NORMAL_QUANTILE,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of Wilson's interval for rates of whole or effective numbers of trials.

    Args:
        rates: shape (m,), shares.
        trials: shape (m,), of how many; fewer than there were, where trials are alike.
        quantile: of the normal distribution, or of another that the interval is to have.
    """
    square = np.square(quantile)
    middle = (rates * trials + square / 2) / (trials + square)
    reach = quantile / (trials + square) * np.sqrt(trials * rates * (1 - rates) + square / 4)
    # At a rate of 0 or 1 the interval ends there, which rounding would miss.
    low, high = np.where(rates == 0, 0.0, middle - reach), np.where(rates == 1, 1.0, middle + reach)
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def of_the_rest(successes: int, drawn: int, rest: int) -> tuple[int, int]:
    """Return the exact 95 % interval for how many of the rest would succeed, of which some were drawn by lot.

    It inverts both tails of the hypergeometric distribution, as Clopper and Pearson do those of the binomial.
    Only the lot is random: nothing is assumed of those that it was drawn from, such as that they are
    independent.

    Args:
        successes: how many of the drawn succeeded.
        drawn: how many were drawn, each as likely as any other.
        rest: how many were not.
    """
    assert 0 <= successes <= drawn
    whole = drawn + rest
    possible = np.arange(rest + 1)
    # Both tails are monotone in the number of successes of the whole.
    low = bisect_left(possible, True, key=lambda more: _tails(successes, drawn, whole, more)[1] > _TAIL)
    high = bisect_left(possible, True, key=lambda more: _tails(successes, drawn, whole, more)[0] <= _TAIL)
    return low, high - 1


def _tails(successes: int, drawn: int, whole: int, more: int) -> tuple[float, float]:
    """Return how likely so many successes or fewer are among the drawn, and so many or more, if ``more`` of
    the rest succeed."""
    from scipy.special import gammaln

    all_of_them = successes + int(more)
    at = np.arange(max(0, drawn - (whole - all_of_them)), min(drawn, all_of_them) + 1)

    def choose(many: ArrayLike, few: ArrayLike) -> NDArray[np.float64]:
        many, few = np.asarray(many, dtype=float), np.asarray(few, dtype=float)
        chosen: NDArray[np.float64] = gammaln(many + 1) - gammaln(few + 1) - gammaln(many - few + 1)
        return chosen

    chance = np.exp(choose(all_of_them, at) + choose(whole - all_of_them, drawn - at) - choose(whole, drawn))
    return float(chance[at <= successes].sum()), float(chance[at >= successes].sum())


@dataclass(frozen=True, kw_only=True)
class MeanTest:
    """A mean over runs beside the value that it should reach.

    ``standard_error`` and ``p_value`` need two runs; with one they are None. ``p_value`` is that of
    Student's one-sided t test: how often a mean at least this far on the right side of the target
    would come out, if the true mean were just at it.
    """

    runs: int
    mean: float
    standard_error: float | None
    p_value: float | None


def mean_against(values: Sequence[float], target: float, direction: Literal["min", "max"]) -> MeanTest:
    """Test whether the mean of independent runs is at or beyond a target.

    Args:
        values: one for each run, at least one.
        target: what the mean should be at or below (direction "min"), or at or above ("max").
        direction: which way is better.
    """
    mean = fmean(values)
    if len(values) < 2:
        return MeanTest(runs=len(values), mean=mean, standard_error=None, p_value=None)
    error = stdev(values) / len(values) ** 0.5
    if error == 0:
        # Equal runs: the test divides by nothing.
        return MeanTest(runs=len(values), mean=mean, standard_error=0.0, p_value=None)
    beyond = mean - target if direction == "max" else target - mean
    p_value = float(student.sf(beyond / error, len(values) - 1))
    return MeanTest(runs=len(values), mean=mean, standard_error=error, p_value=p_value)
