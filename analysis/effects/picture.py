"""Pictures of effects: a forest plot of the changes, and dots for the importances."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.effects.changes import Change
from analysis.effects.importances import Importances
from analysis.pictures.marks import Axis, Mark, Picture, Points, Rule
from analysis.text import plural, rounded_percent

MOST_ROWS = 40
_ROWS_OF_A_HEIGHT = 14
_HUNDRED = 100.0


def forest(changes: Sequence[Change], unit: str, name: str, told_of: str) -> Picture | None:
    """Return a forest plot of the changes whose interval ends on both sides, None if there are none.

    Args:
        changes: those that hold first.
        unit: of their effects; a share is shown in points.
        name: what they are effects on.
        told_of: what the effects rest on, for the caption.
    """
    bounded = [change for change in changes if change.effect.is_known and change.effect.is_bounded]
    shown = bounded[:MOST_ROWS]
    if not shown:
        return None
    scale = _HUNDRED if unit == "share" else 1.0
    marks: list[Mark] = [Rule(value=0.0, along="x", role="bound")]
    for role, label, holds in (
        ("fit", "holds with all comparisons counted", True),
        ("unknown", "cannot be distinguished from chance", False),
    ):
        places = [place for place, change in enumerate(shown) if change.holds is holds]
        if places:
            marks.append(_points(shown, places, role, label, scale))
    left_out = f" The {MOST_ROWS} of {len(bounded)} with the smallest p." if len(bounded) > MOST_ROWS else ""
    return Picture(
        name="effects",
        title="What each change does",
        x=Axis(
            label=f"difference in {name.replace('_', ' ')}",
            unit="percentage points" if unit == "share" else unit,
        ),
        y=_names([change.label for change in shown]),
        marks=tuple(marks),
        caption=f"{told_of} Bars are 95 % intervals, each by itself; Holm's correction counts all "
        f"comparisons.{left_out}",
        lines=_lines(len(shown)),
    )


def importance_dots(importances: Importances) -> Picture | None:
    """Return the importances as dots beside their names, None if there are none."""
    if importances.why_none:
        return None
    shown = importances.of[:MOST_ROWS]
    marks: list[Mark] = []
    if math.isfinite(importances.by_chance) and importances.by_chance < 1:
        marks.append(Rule(value=importances.by_chance, along="x", role="bound", label="largest by chance"))
    marks.append(
        Points(
            x=[one.share for one in shown],
            y=list(range(len(shown))),
            role="series 0",
            tells=[f"{one.parameter}: {rounded_percent(one.share)}" for one in shown],
        )
    )
    chance = importances.by_chance
    notes = (
        f" Shuffled results give up to {rounded_percent(min(chance, 1.0))}." if math.isfinite(chance) else ""
    )
    notes += " They describe where the search went." if importances.describes_sampler else ""
    return Picture(
        name="importances",
        title="Importances",
        x=Axis(label="share of the importance of all parameters", limits=(0.0, 1.0)),
        y=_names([one.parameter for one in shown]),
        marks=tuple(marks),
        caption=f"PED-ANOVA: the best {importances.best} of "
        f"{plural(importances.configurations, 'configuration')} by {importances.metric} against all.{notes}",
        lines=_lines(len(shown)),
    )


def _points(shown: Sequence[Change], places: Sequence[int], role: str, label: str, scale: float) -> Points:
    of = [shown[place] for place in places]
    return Points(
        x=[change.effect.value * scale for change in of],
        y=list(places),
        role=role,
        label=label,
        low=[change.effect.low * scale for change in of],
        high=[change.effect.high * scale for change in of],
        errors_along="x",
        tells=[f"{change.label}, p = {change.p_value:.2g}, corrected {change.p_holm:.2g}" for change in of],
    )


def _names(labels: Sequence[str]) -> Axis:
    return Axis(
        label="",
        ticks=dict(enumerate(labels)),
        limits=(-0.6, len(labels) - 0.4),
        is_reversed=True,
    )


def _lines(rows: int) -> int:
    return max(1, math.ceil(rows / _ROWS_OF_A_HEIGHT))
