"""A comparison as a forest plot of its ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.comparison.differences import Compared
from analysis.comparison.words import label, told
from analysis.pictures.marks import Axis, Mark, Picture, Points, Rule

_ROWS_OF_A_HEIGHT = 14


def forest(searches: Sequence[str], compared: Sequence[Compared]) -> Picture | None:
    """Return a forest plot of the ratios whose intervals end on both sides, None if there are none."""
    shown = [
        one
        for one in compared
        if one.difference.scale == "ratio"
        and one.difference.change.is_bounded
        and one.difference.change.low > 0
    ]
    if not shown:
        return None
    several = len(searches) > 2
    marks: list[Mark] = [Rule(value=1.0, along="x", role="bound")]
    for role, meaning, holds in (
        ("fit", "holds with all comparisons counted", True),
        ("unknown", "not distinguished from chance", False),
    ):
        places = [place for place, one in enumerate(shown) if one.holds is holds]
        changes = [shown[place].difference.change for place in places]
        if places:
            marks.append(
                Points(
                    x=[change.value for change in changes],
                    y=places,
                    low=[change.low for change in changes],
                    high=[change.high for change in changes],
                    errors_along="x",
                    role=role,
                    label=meaning,
                    tells=[told(shown[place]) for place in places],
                )
            )
    ends = [1.0, *(end for one in shown for end in (one.difference.change.low, one.difference.change.high))]
    return Picture(
        name="compare",
        title=f"Against {searches[0]}",
        x=Axis(label="ratio", scale="log", limits=(min(ends) / 1.2, max(ends) * 1.2)),
        y=Axis(
            label="",
            ticks={place: label(one, several=several) for place, one in enumerate(shown)},
            limits=(-0.6, len(shown) - 0.4),
            is_reversed=True,
        ),
        marks=tuple(marks),
        caption=f"{', '.join(searches[1:])} over {searches[0]}. Bars are 95 % intervals, each by "
        "itself; Holm's correction counts all comparisons.",
        lines=max(1, math.ceil(len(shown) / _ROWS_OF_A_HEIGHT)),
    )
