"""Bands of the parameter count: trials of about the same size, which are compared with each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from paretune.plan.binding import BoundPlan
from paretune.plan.summary import sizes_of
from search_spaces.parts.early_stopping import DEFAULT_BANDS


def edges_of(bound: BoundPlan) -> Sequence[float]:
    """Return the sizes between a plan's bands, in parameters, in order; none where all are compared.

    Bands that are not stated lie between the smallest and the largest size that the plan can train, each as
    wide as the others by ratio.
    """
    rule = bound.plan.early_stopping
    if rule is None or rule.within is None:
        return ()
    if isinstance(rule.bands, list):
        return rule.bands
    sizes = sizes_of(bound)
    return edges_between(sizes.smallest, sizes.largest, rule.bands or DEFAULT_BANDS)


def edges_between(smallest: float, largest: float, bands: int) -> list[float]:
    """Return the sizes between so many bands of equal ratio."""
    return [smallest * (largest / smallest) ** (number / bands) for number in range(1, bands)]


def band_of(params: float, edges: Sequence[float]) -> int:
    """Return the number of the band that a size is in, the smallest sizes being in 0."""
    return bisect_right(edges, params)
