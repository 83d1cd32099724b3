"""A sequential test: do more than half of a configuration's seeds reach the target?

It is Wald's probability ratio test of a rate of 70 % against one of 30 %, seed by seed: a seed that solves
multiplies the ratio by 7/3, one that does not divides it by as much. So the test is a walk, one step up or
down for each seed, that ends a few steps above or below where it began: by ``lead`` of
:class:`search_spaces.parts.search.RacingSeeds`. At rates outside of 30 to 70 % it errs at most as often as
was stated; between, where either answer is taken, it takes longest.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import numpy as np


class Verdict(StrEnum):
    """What a test has found."""

    OPEN = "open"
    MORE = "more than half"
    LESS = "less than half"


def verdict(solved: Iterable[bool], lead: int) -> Verdict:
    """Return what seeds decide, in their order: the first decision counts.

    Args:
        solved: whether each solved.
        lead: by how many one kind must be ahead of the other.
    """
    ahead = 0
    for has_solved in solved:
        ahead += 1 if has_solved else -1
        if abs(ahead) >= lead:
            return Verdict.MORE if ahead > 0 else Verdict.LESS
    return Verdict.OPEN


def chances(rate: float, lead: int, most: int) -> tuple[float, float, float]:
    """Return the chances of "more than half" and "less than half", and the expected number of seeds.

    What remains to 1 is the chance that ``most`` seeds do not decide.

    Args:
        rate: the true success rate.
        lead: as in :func:`verdict`.
        most: seeds of a configuration at most.
    """
    walk = np.zeros(2 * lead + 1)
    walk[lead] = 1.0
    seeds = 0.0
    for _ in range(most):
        inside = walk[1:-1]
        seeds += float(inside.sum())
        after = np.zeros_like(walk)
        after[[0, -1]] = walk[[0, -1]]
        after[2:] += rate * inside
        after[:-2] += (1 - rate) * inside
        walk = after
    return float(walk[-1]), float(walk[0]), seeds
