"""The atlas as a picture: success rates with their intervals, and the curve of each series that has one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.atlas.tables import BIN, binned_alike
from analysis.cliff.counts import Counts
from analysis.cliff.picture import MOST_GROUPS, curve, rate_points
from analysis.pictures.marks import Axis, Mark, Picture
from analysis.text import amount, plural

if TYPE_CHECKING:
    from analysis.atlas.finding import Atlas, Series


def picture(atlas: Atlas) -> Picture:
    """Return success against size of all series; beyond seven they are in the table only."""
    shown = [one for one in atlas.series if len(one.cliff.counts)][:MOST_GROUPS]
    # Where nothing is confirmed, there is nothing to tell apart.
    part = " found" if any(len(one.fresh) for one in shown) else ""
    marks = [mark for number, one in enumerate(shown) for mark in _marks(one, f"series {number}", part)]
    low = min(float(one.cliff.counts.params.min()) for one in shown)
    high = max(float(one.cliff.counts.params.max()) for one in shown)
    return Picture(
        name="atlas",
        title="Success against size",
        x=Axis(
            label="size",
            unit="parameters",
            scale="log",
            limits=(_round(low / 1.05, up=False), _round(high * 1.05)),
        ),
        y=Axis(label="seeds that solve", unit="share", limits=(-0.04, 1.04)),
        marks=marks,
        caption=_caption(atlas, shown),
    )


def _marks(one: Series, role: str, part: str) -> list[Mark]:
    half = f": half at {amount(one.cliff.size(0.5).value)}" if one.is_determined else ""
    label = f"{one.name}{half}"
    line = curve(one.cliff.fit, role, label) if one.is_determined else []
    found = _dots(one.found, f"{role}{part}", "" if line else label)
    return [*line, *found, *_dots(one.fresh, role, "" if line or found else label)]


def _dots(counts: Counts, role: str, label: str) -> list[Mark]:
    rows = binned_alike(counts)
    if not rows:
        return []
    low, high = ([row[end] for row in rows] for end in ("rate_low", "rate_high"))
    return [rate_points(rows, role, label, low=low, high=high)]


def _caption(atlas: Atlas, shown: Sequence[Series]) -> str:
    trials = sum(int(one.cliff.counts.known_trials.sum()) for one in shown)
    configurations = sum(len(one.cliff.counts.with_known) for one in shown)
    searches = "a search" if len(atlas.searches) == 1 else f"{len(atlas.searches)} searches"
    parts = [
        f"{plural(trials, 'trial')} of {plural(configurations, 'configuration')} in {searches}.",
        f"A dot is all trials within a factor of {BIN:g} in size, with Wilson's 95 % interval.",
    ]
    if any(len(one.fresh) for one in shown):
        parts.append("Filled: fresh seeds of confirmed configurations; hollow: all other trials.")
    if any(one.is_determined for one in shown):
        parts.append("Bands are 95 % intervals of the curves, configurations being the unit of resampling.")
    if len(shown) < len(atlas.series):
        parts.append(f"{len(atlas.series) - len(shown)} further series are in the table.")
    if atlas.target:
        parts.append(f"Solved: {atlas.target}.")
    return " ".join(parts)


def _round(size: float, *, up: bool = True) -> float:
    """Return the next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size))
    steps = [power * step for step in (1, 2, 5, 10)]
    return min(s for s in steps if s >= size) if up else max(s for s in steps if s <= size)
