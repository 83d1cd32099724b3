"""What a search that has not begun is likely to find of an edge: simulated searches, fitted as real ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cliff.counts import Counts
from analysis.cliff.fit import RAMP, fit_sizes
from analysis.statistics.logistic import shares

SIMULATIONS = 60

USUAL_RAMP = 4.0
"""The factor between the 10 and 90 % sizes that is taken for granted: published edges have 2.6 to 8.8."""

_LIKENESS = 0.1
"""The correlation of a configuration's seeds that is taken for granted."""

PRECISIONS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5, 0.75, 1.0)
LIKELY = 2 / 3


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """How precisely the size at which half of the seeds learn is likely to be found."""

    precision: float
    """Both ends of its interval lie within this share of it."""
    chance: float
    """Share of simulated searches that reach this precision."""
    ramp: float
    """The factor between the sizes at which 10 and 90 % of the seeds learn that was taken for granted."""


def foresee(sizes: Sequence[int], *, configurations: int, seeds: int) -> Foresight | None:
    """Return the finest precision that is likely to be reached, or the coarsest with its chance.

    The edge is taken to lie in the middle of the sizes, on a logarithmic scale.

    Args:
        sizes: parameter counts as the search draws them.
        configurations: how many are trained.
        seeds: trials of each.

    Returns:
        None where sizes are too much alike to hold an edge, or trials too few to fit one.
    """
    logs = np.log(np.array(sizes, dtype=np.float64))
    least, most = float(logs.min()), float(logs.max())
    if most - least < math.log(1.5) or configurations < 3:
        return None
    rng = np.random.default_rng(0)
    found = [
        _precision(
            np.asarray(sizes)[rng.integers(len(sizes), size=configurations)], seeds, (least + most) / 2, rng
        )
        for _ in range(SIMULATIONS)
    ]
    chances = {bound: sum(one <= bound for one in found) / SIMULATIONS for bound in PRECISIONS}
    finest = next((bound for bound in PRECISIONS if chances[bound] >= LIKELY), PRECISIONS[-1])
    return Foresight(precision=finest, chance=chances[finest], ramp=USUAL_RAMP)


def _precision(
    sizes: np.ndarray[tuple[int, ...], np.dtype[np.int64]], seeds: int, edge: float, rng: np.random.Generator
) -> float:
    """Return the relative precision of the 50 % size that one simulated search comes to."""
    slope = RAMP / math.log(USUAL_RAMP)
    expected = shares(slope * (np.log(sizes) - edge))
    strength = 1 / _LIKENESS - 1
    rate = rng.beta(np.maximum(expected * strength, 1e-6), np.maximum((1 - expected) * strength, 1e-6))
    solved = rng.binomial(seeds, rate)
    numbers, known = np.arange(len(sizes)), np.full(len(sizes), seeds)
    fit = fit_sizes(
        Counts(
            configurations=numbers,
            units=numbers,
            params=sizes.astype(np.float64),
            solved=solved.astype(np.float64),
            known=known.astype(np.float64),
            squares=known.astype(np.float64),
            solved_trials=solved.astype(np.int64),
            known_trials=known,
            unknown_trials=0 * known,
        )
    )
    if fit is None or not fit.rises:
        return math.inf
    half = fit.size(0.5)
    if not (half.low > 0 and math.isfinite(half.high)):
        return math.inf
    return max(half.value / half.low, half.high / half.value) - 1
