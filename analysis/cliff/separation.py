"""Sizes that separate the trials that solved from the others: what an edge looks like to few trials.

The steepness of such an edge is not bounded, and the jackknife of its slope is erratic. What can be told
holds for every curve that rises, whatever its shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.cliff.counts import Counts
from analysis.logistic import Array

_CHANCE = 0.025
_RUN = 6
"""So many units beyond the 50 % size do not come out against it: the chance is at most 0.5 ** 6 < 0.025."""


@dataclass(frozen=True, kw_only=True)
class Separation:
    """No trial up to one size solved, and every trial from a larger one did; in parameters."""

    below: float
    """The largest size that did not solve."""
    above: float
    """The smallest size that solved."""
    low: float
    """The 50 % size is hardly below: a run of larger sizes did not solve. Infinite (-) with too few."""
    high: float
    """It is hardly above: a run of smaller sizes solved. Infinite with too few."""
    chance: float
    """That outcomes which have nothing to do with size are separated in this direction by their order."""

    @property
    def is_beyond_chance(self) -> bool:
        """Tell whether chance would hardly have separated them."""
        return self.chance < _CHANCE

    @property
    def factor(self) -> float:
        """The smallest size that solved over the largest that did not."""
        return self.above / self.below

    def widened(self, low: float, high: float) -> tuple[float, float]:
        """Return an interval of the 50 % size that holds all that was not tried, and is not open where a run
        of outcomes bounds it."""
        least, most = (self.low, self.high) if self.is_beyond_chance else (-math.inf, math.inf)
        return (
            min(low if math.isfinite(low) else least, self.below),
            max(high if math.isfinite(high) else most, self.above),
        )


def separation(counts: Counts) -> Separation | None:
    """Return how sizes separate the outcomes; None where they do not, or all trials have one outcome."""
    won, lost = counts.solved_trials > 0, counts.solved_trials < counts.known_trials
    if not won.any() or not lost.any() or counts.params[lost].max() >= counts.params[won].min():
        return None
    units, place = np.unique(counts.units, return_inverse=True)
    largest, smallest = np.zeros(len(units)), np.full(len(units), np.inf)
    np.maximum.at(largest, place[won], counts.params[won])
    np.minimum.at(smallest, place[lost], counts.params[lost])
    solved = np.sort(largest[largest > 0])
    unsolved = np.sort(smallest[np.isfinite(smallest)])[::-1]
    return Separation(
        below=float(counts.params[lost].max()),
        above=float(counts.params[won].min()),
        low=_sixth(unsolved, -math.inf),
        high=_sixth(solved, math.inf),
        chance=math.exp(-_log_ways(len(units), len(solved))),
    )


def _log_ways(units: int, solved: int) -> float:
    """Return the logarithm of the number of ways to choose those that solve."""
    solved = min(solved, units)
    return math.lgamma(units + 1) - math.lgamma(solved + 1) - math.lgamma(units - solved + 1)


def _sixth(sizes: Array, none: float) -> float:
    return float(sizes[_RUN - 1]) if len(sizes) >= _RUN else none
