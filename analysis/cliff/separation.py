"""Sizes that separate solved trials from the others: how an edge appears with few trials.

The steepness of such an edge is unbounded, and the jackknife of its slope is erratic. The bounds here hold
for every rising curve, whatever its shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.cliff.counts import Counts
from analysis.statistics.logistic import Array

_CHANCE = 0.025
_RUN = 6
"""This many units beyond the 50 % size all contradict it with a chance of at most 0.5 ** 6 < 0.025."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """No trial up to one size solved, and every trial from a larger one did; in parameters."""

    below: float
    """The largest size that did not solve."""
    above: float
    """The smallest size that solved."""
    is_whole: bool
    """False if it holds only without one unit, on which alone the steepness rests then. ``below`` and
    ``above`` are those of the others."""
    low: float
    """The 50 % size is hardly below: a run of larger sizes did not solve. Infinite (-) with too few."""
    high: float
    """It is hardly above: a run of smaller sizes solved. Infinite with too few."""
    chance: float
    """That outcomes which have nothing to do with size are separated in this direction by their order."""

    @property
    def is_beyond_chance(self) -> bool:
        """Return whether all are separated, and chance is an unlikely cause."""
        return self.is_whole and self.chance < _CHANCE

    @property
    def factor(self) -> float:
        """The smallest size that solved over the largest that did not."""
        return self.above / self.below

    def widened(self, low: float, high: float, share: float) -> tuple[float, float]:
        """Return an interval of the size at which a share solves, so that it holds all that was not tried,
        and is not open where a run of outcomes bounds the 50 % size."""
        least, most = (self.low, self.high) if self.is_beyond_chance else (-math.inf, math.inf)
        if share == 0.5:
            low, high = (low if math.isfinite(low) else least), (high if math.isfinite(high) else most)
        return min(low, self.below), max(high, self.above)


def separation(counts: Counts) -> Separation | None:
    """Return how sizes separate the outcomes of all units, or of all but one; None where they do not, or all
    trials have one outcome."""
    units, place = np.unique(counts.units, return_inverse=True)
    # Of each unit, the smallest size that solved and the largest that did not.
    won, lost = np.full(len(units), math.inf), np.full(len(units), -math.inf)
    solves, fails = counts.solved_trials > 0, counts.solved_trials < counts.known_trials
    np.minimum.at(won, place[solves], counts.params[solves])
    np.maximum.at(lost, place[fails], counts.params[fails])
    if not solves.any() or not fails.any():
        return None
    for left_out in (None, int(won.argmin()), int(lost.argmax())):
        kept = np.arange(len(units)) != left_out
        below, above = float(lost[kept].max(initial=-math.inf)), float(won[kept].min(initial=math.inf))
        if math.isfinite(below) and math.isfinite(above) and below < above:
            solved, failed = np.sort(won[np.isfinite(won)]), -np.sort(-lost[np.isfinite(lost)])
            return Separation(
                below=below,
                above=above,
                is_whole=left_out is None,
                low=_end_of_run(failed, -math.inf),
                high=_end_of_run(solved, math.inf),
                chance=math.exp(-_log_ways(len(units), len(solved))),
            )
    return None


def _end_of_run(sizes: Array, none: float) -> float:
    return float(sizes[_RUN - 1]) if len(sizes) >= _RUN else none


def _log_ways(units: int, solved: int) -> float:
    """Return the logarithm of the number of ways to choose the units that solve."""
    return math.lgamma(units + 1) - math.lgamma(solved + 1) - math.lgamma(units - solved + 1)
