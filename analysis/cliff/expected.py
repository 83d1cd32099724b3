"""The success rate to be expected of a configuration, of which a few seeds have been seen.

Of many configurations with two seeds each, some solve with both by luck. Who takes the smallest of those
takes a lucky one: its true rate is well below one half (the winner's curse; measured in
``benchmarks/truths_cliff.py``). What is to be expected of a configuration lies between what its own seeds did
and what configurations of about its size do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from analysis.logistic import Array, coefficients, shares

PRIOR_SEEDS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""For how many seeds the sizes around a configuration may count, beside its own seeds: for few where
configurations of one size differ much, for many where they are alike. The trials tell which."""

FEWEST_CONFIGURATIONS = 4
"""Fewer tell nothing of how success depends on size."""

_SUREST = 1e-4
"""Nearest to none and to all that the rate at a size may come."""


def shrunken_rates(params: NDArray[Any], solved: NDArray[Any], known: NDArray[Any]) -> Array:
    """Return the success rate to be expected of each configuration, if it were trained with fresh seeds.

    It is (solved + K · rate at its size) / (known + K): the mean of a beta distribution around the rate at
    that size, which is the one of a logistic regression of all configurations on the logarithm of the size.
    It is averaged over every K of :data:`PRIOR_SEEDS`, weighted by how likely each makes the outcomes that
    were seen. Success that falls with size is put down to chance: the rate at a size is then that of all
    trials. Of fewer than four configurations each is judged by its own seeds, (solved + 1) / (known + 2).

    Args:
        params: shape (m,), each configuration's number of parameters, above 0.
        solved: shape (m,), how many of its trials solved; a fraction where trials are weighted.
        known: shape (m,), of how many whose outcome is known; may be 0.

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
    around = np.clip(_rates_around(np.asarray(params, dtype=float), solved, known), _SUREST, 1 - _SUREST)
    strengths = np.array(PRIOR_SEEDS)[:, None]
    a, b = strengths * around, strengths * (1 - around)
    likelihood = (betaln(a + solved, b + known - solved) - betaln(a, b)).sum(axis=1)
    weights = np.exp(likelihood - likelihood.max())
    rates: Array = (weights / weights.sum()) @ ((solved + a) / (known + strengths))
    return rates


def _rates_around(params: Array, solved: Array, known: Array) -> Array:
    """Return the success rate that is usual at the size of each configuration."""
    pooled = np.full(len(solved), (solved.sum() + 0.5) / (known.sum() + 1.0))
    sizes, place = np.unique(np.log(params), return_inverse=True)
    # Configurations of one size are alike to the regression: their sums are all that it needs.
    solved_at, known_at = (np.bincount(place, part).astype(float) for part in (solved, known))
    seen = known_at > 0
    if seen.sum() < 2:
        return pooled
    predictors = np.column_stack([np.ones(len(sizes)), sizes - sizes[seen].mean()])
    fitted = coefficients(predictors[seen], solved_at[seen], known_at[seen])
    return shares(predictors @ fitted)[place] if fitted[1] > 0 else pooled
