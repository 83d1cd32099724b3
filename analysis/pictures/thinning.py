"""Fewer marks where there are too many to distinguish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.pictures.marks import Mark, Points

_LEAST_DOTS = 100
"""Dots that the rarest kind keeps, so that thinning out never hides a kind altogether."""


def evenly_chosen(kinds: pd.Series[str], most: int) -> list[int]:
    """Return places of at most ``most`` rows: as evenly as there are of each kind, and evenly within a kind.

    Args:
        kinds: the kind of every row; rows of a kind are chosen evenly in the order in which they stand.
        most: how many rows to keep.
    """
    found = kinds.groupby(kinds).indices.values()
    groups = sorted((np.asarray(places) for places in found), key=len)
    room = most
    kept: list[int] = []
    for index, places in enumerate(groups):
        # What a small group leaves is there for the larger ones after it.
        count = min(len(places), room // (len(groups) - index))
        room -= count
        kept += places[_evenly(len(places), count)].tolist()
    return sorted(kept)


def thin(values: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most ``most`` rows of a frame, evenly, the first and the last among them."""
    return values if len(values) <= most else values.iloc[_evenly(len(values), most)]


def thin_dots(marks: Sequence[Mark], most: int) -> tuple[list[Mark], str]:
    """Return marks with about ``most`` dots, chosen at random with a fixed seed, and what to say of it.

    Of few dots all are kept, and nothing is said.
    """
    dots = sum(len(mark.x) for mark in marks if isinstance(mark, Points))
    if dots <= most:
        return list(marks), ""
    rng = np.random.default_rng(0)
    kept: list[Mark] = []
    for mark in marks:
        if isinstance(mark, Points) and (all_of := len(mark.x)) > _LEAST_DOTS:
            count = max(_LEAST_DOTS, round(all_of * most / dots))
            chosen = np.sort(rng.choice(all_of, count, replace=False)).tolist()
            kept.append(_choose(mark, chosen))
        else:
            kept.append(mark)
    left = sum(len(mark.x) for mark in kept if isinstance(mark, Points))
    return kept, f"Of {dots:,} dots, {left:,} are drawn, chosen at random."


def _choose(mark: Points, chosen: Sequence[int]) -> Points:
    def of(values: Sequence[Any] | None) -> Any:
        return None if values is None else [values[index] for index in chosen]

    return replace(
        mark,
        x=of(mark.x),
        y=of(mark.y),
        tells=of(mark.tells) if len(mark.tells) else (),
        low=of(mark.low),
        high=of(mark.high),
        sizes=of(mark.sizes),
    )


def _evenly(length: int, count: int) -> list[int]:
    places: list[int] = np.linspace(0, length - 1, count).round().astype(int).tolist()
    return places
