"""The standard error of a mean over clustered observations.

Losses of the tokens of one document are correlated: a thousand tokens of one document carry less information
than one token from each of a thousand. Documents are independent, so the error is taken over documents.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClusteredMean:
    """A ratio of two sums, such as nats per token, with its standard error over clusters.

    ``standard_error`` is None with a single cluster. ``effective`` is the effective number of clusters of
    equal size; ``effective - 1`` are the degrees of freedom of the error.
    """

    mean: float
    standard_error: float | None
    clusters: int
    effective: float


def clustered_mean(amounts: Array, sizes: Array) -> ClusteredMean:
    """Return the sum of ``amounts`` over the sum of ``sizes``, with the standard error over clusters.

    It is the jackknife error over clusters, from the ratios without each. With clusters of unequal sizes
    it is conservative, where the linearised error would be too small.

    Args:
        amounts: shape (clusters,), such as nats of each document.
        sizes: shape (clusters,), positive in sum, such as its tokens or bytes. A cluster may have the size 0.
    """
    size = float(sizes.sum())
    mean = float(amounts.sum()) / size
    kept = (sizes > 0) | (amounts != 0)
    count = int(kept.sum())
    shares = sizes[kept] / size
    effective = effective_clusters(sizes)
    if count < 2 or shares.max() >= 1:
        return ClusteredMean(mean=mean, standard_error=None, clusters=count, effective=effective)
    moved = (amounts[kept] - mean * sizes[kept]) / size / (1 - shares)
    error = math.sqrt((count - 1) / count * float((moved**2).sum()))
    return ClusteredMean(mean=mean, standard_error=error, clusters=count, effective=effective)


def effective_clusters(sizes: Array) -> float:
    """Return the effective number of clusters of equal size (Kish): one large cluster among a few small ones
    counts as little more than one.
    """
    squares = float((sizes.astype(float) ** 2).sum())
    return float(sizes.sum()) ** 2 / squares if squares else 0.0
