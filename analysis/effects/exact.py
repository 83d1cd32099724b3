"""Tests and intervals for two sides that were tried in several places each: few trials, exact where possible.

A place is a pair of configurations that differ in one parameter only. Places differ in their rates, so trials
are compared within a place, never across places.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE
from analysis.statistics.intervals import wilson_of_rates

Array = NDArray[np.float64]

MOST_FLIPPED = 16
"""Up to so many differences, every combination of signs is gone through."""

_TIE = 1 + 1e-7


def within_places(first: NDArray[np.int64], second: NDArray[np.int64], trials: NDArray[np.int64]) -> float:
    """Return the two-sided p value of "the two sides are alike in every place".

    Within a place, trials could then as well have been on the other side: the number of successes of the
    second side is hypergeometric, and their sum over places a convolution. With one place this is Fisher's
    exact test. It holds its level whatever the rates of places are, also where both sides share seeds: that
    makes differences smaller than the test expects.

    Args:
        first: shape (places,), successes of the first side.
        second: shape (places,), those of the second.
        trials: shape (places, 2), trials of either side.
    """
    from scipy.stats import hypergeom

    chances = np.ones(1)
    lowest = 0
    for a, b, (first_trials, second_trials) in zip(first, second, trials, strict=True):
        least, most = max(0, a + b - first_trials), min(a + b, second_trials)
        possible = np.arange(least, most + 1)
        chances = np.convolve(
            chances, hypergeom.pmf(possible, first_trials + second_trials, a + b, second_trials)
        )
        lowest += least
    seen = chances[int(second.sum()) - lowest]
    return min(1.0, float(chances[chances <= seen * _TIE].sum()))


def difference_of_rates(first: Array, second: Array, trials: Array) -> tuple[float, float, float]:
    """Return the mean difference of rates over places, second minus first, with its interval.

    Places weigh by what they tell, n1 * n2 / (n1 + n2), as in Mantel and Haenszel's. The interval puts Wilson
    intervals of all rates together by the method of variance estimates recovery (Zou and Donner, Statistics
    in Medicine 27, 2008); with one place it is Newcombe's hybrid (Statistics in Medicine 17, 1998).

    Args:
        first: shape (places,), rates of the first side.
        second: shape (places,), those of the second.
        trials: shape (places, 2), trials of either side, whole or effective.
    """
    weight = trials.prod(axis=1) / trials.sum(axis=1)
    weight = weight / weight.sum()
    value = float(weight @ (second - first))
    (first_low, first_high), (second_low, second_high) = (
        wilson_of_rates(rate, trials[:, side]) for side, rate in enumerate((first, second))
    )
    below = weight**2 @ ((second - second_low) ** 2 + (first_high - first) ** 2)
    above = weight**2 @ ((second_high - second) ** 2 + (first - first_low) ** 2)
    return value, max(-1.0, value - math.sqrt(below)), min(1.0, value + math.sqrt(above))


def difference_of_means(
    first: Array, second: Array, variances: Array, trials: Array
) -> tuple[float, float, float, float]:
    """Return the mean difference over places, its interval and its p value: Welch's t, over all places.

    Args:
        first: shape (places,), means of the first side.
        second: shape (places,), those of the second.
        variances: shape (places, 2), of a single trial on either side.
        trials: shape (places, 2), trials of either side, at least two.
    """
    value = float(np.mean(second - first))
    errors = variances / trials / len(first) ** 2
    total = float(errors.sum())
    if not math.isfinite(total):
        return value, -math.inf, math.inf, math.nan
    if total == 0:
        # Trials that are equal to the last digit say nothing about chance.
        return value, -math.inf, math.inf, math.nan
    freedom = total**2 / float((errors**2 / (trials - 1)).sum())
    return (value, *_by_t(value, math.sqrt(total), freedom))


def over_places(differences: Array) -> tuple[float, float, float, float]:
    """Return the mean of differences, its interval and its p value by Student's t: places are the unit."""
    count = len(differences)
    value = float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    if error == 0:
        # One difference, or equal ones, say nothing about chance.
        return value, -math.inf, math.inf, math.nan
    return (value, *_by_t(value, error, count - 1))


def of_signs(differences: Array) -> float:
    """Return the two-sided p value of "a difference is as likely to have the other sign".

    All combinations of signs are gone through where there are not too many; else it is that of Student's t.
    """
    count = len(differences)
    if count > MOST_FLIPPED:
        p_value = over_places(differences)[3]
        return p_value if p_value == p_value else float(2.0 ** (1 - np.count_nonzero(differences)))
    signs = 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    return float((np.abs(signs @ differences) >= abs(differences.sum()) / _TIE - 1e-12).mean())


def _by_t(value: float, error: float, freedom: float) -> tuple[float, float, float]:
    reach = float(student.ppf((1 + CONFIDENCE) / 2, freedom)) * error
    return value - reach, value + reach, float(2 * student.sf(abs(value) / error, freedom))
