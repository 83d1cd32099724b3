"""Whether groups of trials differ in how soon they reach the target: the log-rank test, by permutation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.distributions import chi_squared
from analysis.times.observed import Observed

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

MOST_ARRANGEMENTS = 20_000
"""Up to so many ways of dealing configurations into groups are all gone through."""

DRAWN = 10_000
"""Of more, so many are drawn, always the same."""

_BATCH = 1_000

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
    scores = scores - scores.mean() if len(scores) else scores
    if len(numbers) < 2 or not np.any(np.abs(scores) > 1e-12):
        return LogRank(p_value=math.nan, test="log-rank")
    many, sizes = len(scores), np.bincount(group)
    if many > MANY:
        # Mean and variance over all arrangements are known; beyond so many, that is all that matters.
        statistic = float(_apart(group[None], scores, sizes)[0]) * (many - 1) / float(scores @ scores)
        p_value = float(chi_squared.sf(statistic, len(sizes) - 1))
        return LogRank(p_value=p_value, test=f"log-rank, dealing out {many:,} {unit}")
    least = float(_apart(group[None], scores, sizes)[0]) * (1 - 1e-9)
    count = _count(sizes)
    if count <= MOST_ARRANGEMENTS:
        every = np.array(list(_arrangements(sizes)))
        further = int((_apart(every, scores, sizes) >= least).sum())
        return LogRank(p_value=further / count, test=f"log-rank, exact permutation of {many:,} {unit}")
    rng = np.random.default_rng(0)
    further = 0
    for _ in range(DRAWN // _BATCH):
        drawn = rng.permuted(np.broadcast_to(group, (_BATCH, many)), axis=1)
        further += int((_apart(drawn, scores, sizes) >= least).sum())
    # What was seen is one of the arrangements.
    p_value = (further + 1) / (DRAWN + 1)
    return LogRank(p_value=p_value, test=f"log-rank, {DRAWN:,} permutations of {many:,} {unit}")


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


def _apart(groups: Codes, scores: Array, sizes: Codes) -> Array:
    """Return, for each arrangement, how far apart the sums of scores of the groups are.

    Args:
        groups: shape (arrangements, n), the group of each score.
        scores: shape (n,), with a mean of 0.
        sizes: shape (groups,), how many scores each group has.
    """
    sums = np.stack([(groups == number) @ scores for number in range(len(sizes))], axis=1)
    return np.asarray((sums**2 / sizes).sum(axis=1))


def _count(sizes: Codes) -> int:
    """Return in how many ways as many as there are can be dealt into groups of these sizes."""
    found, left = 1, int(sizes.sum())
    for size in map(int, sizes):
        found *= math.comb(left, size)
        left -= size
    return found


def _arrangements(sizes: Codes) -> Iterator[Codes]:
    """Give all of those ways, as the group of each."""
    if len(sizes) == 1:
        yield np.zeros(int(sizes[0]), dtype=np.int64)
        return
    many = int(sizes.sum())
    others = list(_arrangements(sizes[1:]))
    for first in combinations(range(many), int(sizes[0])):
        group = np.zeros(many, dtype=np.int64)
        rest = np.setdiff1d(np.arange(many), first)
        for other in others:
            group[rest] = other + 1
            yield group.copy()
