"""The non-dominated set of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def non_dominated(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points are not dominated: a dominating point is nowhere worse and somewhere better.

    Points that are equal do not dominate each other; they are in together, or not at all. A point without one
    of its costs (NaN) is not in, and dominates none. An infinite cost is a cost like others.

    Args:
        costs: one row for each point, shape (m, k); smaller is better.

    Returns:
        shape (m,). Sorting does it in O(m log m) for one and two costs; more take O(m · size of the set).
    """
    table = np.asarray(costs, dtype=float)
    known = ~np.isnan(table).any(axis=1)
    kept = np.zeros(len(table), dtype=bool)
    if not known.any():
        return kept
    # Of equal points only one is judged, and its judgement is that of all.
    points, same = np.unique(table[known], axis=0, return_inverse=True)
    judged = _of_two(points) if points.shape[1] <= 2 else _of_many(points)
    kept[known] = judged[same.reshape(-1)]
    return kept


def _of_two(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Judge different points in lexicographic order: each must have less of the last cost than any before."""
    last = points[:, -1] if points.shape[1] == 2 else np.zeros(len(points))
    best_before = np.concatenate([[np.nan], np.minimum.accumulate(last)[:-1]])
    return ~(last >= best_before)


def _of_many(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Judge different points in lexicographic order: what dominates one stands before it."""
    kept = np.zeros(len(points), dtype=bool)
    front = np.empty_like(points)
    size = 0
    for index, point in enumerate(points):
        if not (front[:size] <= point).all(axis=1).any():
            front[size], kept[index], size = point, True, size + 1
    return kept
