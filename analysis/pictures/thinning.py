"""Fewer marks where there are too many to be told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd


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


def _evenly(length: int, count: int) -> list[int]:
    places: list[int] = np.linspace(0, length - 1, count).round().astype(int).tolist()
    return places
