"""The expected success rate of a configuration, given a few seeds.

Of many configurations with two seeds each, some solve with both by luck. The smallest of those is lucky: its
true rate is well below one half (the winner's curse; measured in ``benchmarks/truths_cliff.py``). The
expected rate of a configuration lies between the rate of its own seeds and that of configurations of a
similar size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.distributions import log_beta
from analysis.statistics.logistic import Array, coefficients, shares

PRIOR_SEEDS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Weights of nearby sizes, in seeds, relative to a configuration's own seeds: low where configurations of one
size differ much, high where they are similar. The trials determine which."""

FEWEST_CONFIGURATIONS = 4
"""Fewer carry no information on how success depends on size."""

_SUREST = 1e-4
"""Limits of the rate at a size, away from 0 and 1."""


def shrunken_rates(
    params: NDArray[Any],
    solved: NDArray[Any],
    known: NDArray[Any],
    represented: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> Array:
    """Return the expected success rate of each configuration on fresh seeds.

    It is (solved + K · rate at its size) / (known + K): the mean of a beta distribution around the rate at
    that size, which is the one of a logistic regression of all configurations on the logarithm of the size.
    It is averaged over every K of :data:`PRIOR_SEEDS`, weighted by the likelihood of the observed
    outcomes. Success that falls with size is attributed to chance: the rate at a size is then that of all
    trials. Of fewer than four configurations each is judged by its own seeds, (solved + 1) / (known + 2).

    Args:
        params: shape (m,), each configuration's number of parameters, above 0.
        solved: shape (m,), number of solved trials; a fraction where trials are weighted.
        known: shape (m,), number of trials with a known outcome; can be 0.
        represented: the two weighted by how many trials each represents, for the rate at a size; themselves
            if None.

    Returns:
        shape (m,), shares between 0 and 1, and neither 0 nor 1. Of 100,000 configurations in a tenth of a
        second, and without a random draw.
    """
    solved, known = np.asarray(solved, dtype=float), np.asarray(known, dtype=float)
    if not len(solved):
        return np.zeros(0)
    if (known > 0).sum() < FEWEST_CONFIGURATIONS:
        # Laplace's rule: from its own seeds alone.
        return np.asarray((solved + 1) / (known + 2))
    seen = [np.asarray(numbers, dtype=float) for numbers in represented or (solved, known)]
    around = np.clip(_rates_around(np.asarray(params, dtype=float), *seen), _SUREST, 1 - _SUREST)
    strengths = np.array(PRIOR_SEEDS)[:, None]
    a, b = strengths * around, strengths * (1 - around)
    likelihood = (log_beta(a + solved, b + known - solved) - log_beta(a, b)).sum(axis=1)
    weights = np.exp(likelihood - likelihood.max())
    rates: Array = (weights / weights.sum()) @ ((solved + a) / (known + strengths))
    return rates


def _rates_around(params: Array, solved: Array, known: Array) -> Array:
    """Return the average success rate at the size of each configuration."""
    pooled = np.full(len(solved), (solved.sum() + 0.5) / (known.sum() + 1.0))
    sizes, place = np.unique(np.log(params), return_inverse=True)
    # Configurations of one size are equivalent to the regression: it needs only their sums.
    solved_at, known_at = (np.bincount(place, part).astype(float) for part in (solved, known))
    seen = known_at > 0
    if seen.sum() < 2:
        return pooled
    predictors = np.column_stack([np.ones(len(sizes)), sizes - sizes[seen].mean()])
    fitted = coefficients(predictors[seen], solved_at[seen], known_at[seen])
    return shares(predictors @ fitted)[place] if fitted[1] > 0 else pooled
