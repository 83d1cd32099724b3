"""Whether groups of trials differ in how soon they reach the target: the log-rank test, by permutation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.times.observed import Observed

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_ARRANGEMENTS = 20_000
"""Up to so many ways of dealing configurations into groups are all gone through."""

DRAWN = 10_000
"""Of more, so many are drawn, always the same."""

MANY = 1_000
"""Beyond so many configurations the distribution over all arrangements is chi-squared for all purposes."""


@dataclass(frozen=True, kw_only=True)
class LogRank:
    """A p-value, and how it came about."""

    p_value: float
    """NaN where there is nothing to compare: fewer than two groups, or nobody reached the target."""
    test: str


def log_rank(observed: Observed, groups: Codes) -> LogRank:
    """Test whether groups reach the target equally soon.

    The numerator of the log-rank test is a sum of scores: for each trial, whether it reached the target less
    the hazard that all trials together had up to its end. Under the hypothesis configurations could as well
    have been in another group, so their scores are dealt out anew (Peto and Peto, Journal of the Royal
    Statistical Society A 135, 1972). Dealing out configurations keeps alike trials together. It takes early
    stopping to treat the groups alike: where one group was stopped more than another, a small p may say that.

    Args:
        observed: trials of all groups.
        groups: shape (n,), the number of each trial's group.
    """
    scores, group, unit = _scores(observed, groups)
    numbers, group = np.unique(group, return_inverse=True)
    if len(numbers) < 2 or not np.any(np.abs(scores) > 1e-12):
        return LogRank(p_value=math.nan, test="log-rank")
    many = len(scores)
    if many > MANY:
        from scipy.stats import chi2

        p_value = float(chi2.sf(_chi_squared(scores, group), len(numbers) - 1))
        return LogRank(p_value=p_value, test=f"log-rank, dealing out {many:,} {unit}")
    from scipy.stats import permutation_test

    is_exact = _arrangements(np.bincount(group)) <= MOST_ARRANGEMENTS
    found = permutation_test(
        [scores[group == number] for number in range(len(numbers))],
        _between,
        permutation_type="independent",
        vectorized=True,
        n_resamples=MOST_ARRANGEMENTS if is_exact else DRAWN,
        batch=1_000,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    how = "exact permutation" if is_exact else f"{DRAWN:,} permutations"
    return LogRank(p_value=float(found.pvalue), test=f"log-rank, {how} of {many:,} {unit}")


def _scores(observed: Observed, groups: Codes) -> tuple[Array, Codes, str]:
    """Return the score and the group of every configuration, or of every trial where each group is one
    configuration."""
    times = np.where(observed.never, observed.times.max(initial=0.0), observed.times)
    rises, place = np.unique(times, return_inverse=True)
    weights = observed.weights
    hits = np.bincount(place, weights * observed.reached, minlength=len(rises))
    risk = np.bincount(place, weights, minlength=len(rises))[::-1].cumsum()[::-1]
    hazard = np.divide(hits, risk, out=np.zeros(len(rises)), where=risk > 0).cumsum()
    scores: Array = weights * (observed.reached - hazard[place])
    pairs, unit = np.unique(np.stack([groups, observed.configurations]), axis=1, return_inverse=True)
    if len(np.unique(pairs[0])) == pairs.shape[1]:
        return scores, groups, "trials"
    return np.bincount(unit.reshape(-1), scores).astype(float), pairs[0], "configurations"


def _between(*groups: Array, axis: int = -1) -> Array:
    """Return how far apart the sums of scores of the groups are."""
    total = sum(group.sum(axis=axis) for group in groups)
    many = sum(group.shape[axis] for group in groups)
    parts = [
        (group.sum(axis=axis) - group.shape[axis] * total / many) ** 2 / group.shape[axis] for group in groups
    ]
    return np.asarray(sum(parts))


def _chi_squared(scores: Array, group: Codes) -> float:
    many = len(scores)
    away = scores - scores.mean()
    sums = np.bincount(group, away)
    between = float((sums**2 / np.bincount(group)).sum())
    return between * (many - 1) / float((away**2).sum())


def _arrangements(sizes: Codes) -> int:
    found, left = 1, int(sizes.sum())
    for size in map(int, sizes):
        found *= math.comb(left, size)
        left -= size
    return found
