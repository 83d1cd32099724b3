"""A confirmation as a picture: for each configuration, what was found and what was confirmed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from analysis.pictures.marks import Axis, Line, Mark, Picture, Points, Rule
from analysis.statistics.estimate import Estimate
from analysis.text import plural
from analysis.wording import metric_text

if TYPE_CHECKING:
    from analysis.confirmation.finding import Confirmation

_ROWS_OF_USUAL_HEIGHT = 14
_BESIDE = 0.2
"""How far above its configuration's line the mark of held-out data is drawn."""


def picture_of(found: Confirmation) -> Picture:
    """Return found and confirmed rates, or means, with a line for each configuration, smallest below."""
    places = [float(place) for place in range(len(found.points))]
    if found.by_rate:
        before = [point.found.without_unknown for point in found.points]
        after = [point.fresh.without_unknown for point in found.points]
        axis = Axis(label="success rate", unit="share", limits=(-0.03, 1.03))
    else:
        before = [point.found_mean for point in found.points]
        after = [point.fresh_mean for point in found.points]
        axis = Axis(label=metric_text(found.metric), unit=found.unit)
    marks: list[Mark] = []
    if found.bound is not None and not found.by_rate:
        marks.append(Rule(value=found.bound, along="x", role="target", label="target"))
    marks += [
        Line(x=[one.value, other.value], y=[place, place], role="other")
        for place, one, other in zip(places, before, after, strict=True)
        if one.is_known and other.is_known
    ]
    marks += _points(before, places, "found", "found in the search")
    marks += _points(after, places, "confirmed", "fresh seeds, 95 % interval", with_ends=True)
    if not found.by_rate:
        marks += _held_out(found, places)
    named = zip(places, found.points, strict=True)
    return Picture(
        name="confirmed",
        title="Found in the search, and confirmed on fresh seeds",
        x=axis,
        y=Axis(
            label="configuration (parameters)",
            ticks={place: f"{point.configuration} ({point.params:,})" for place, point in named},
            limits=(-0.6, len(places) - 0.4),
        ),
        marks=marks,
        caption=_caption(found),
        lines=max(1, -(-len(places) // _ROWS_OF_USUAL_HEIGHT)),
    )


def _caption(found: Confirmation) -> str:
    seeds = [point.fresh.trials for point in found.points]
    each = f"{min(seeds)}" if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
    return (
        f"{plural(len(seeds), 'configuration')} with {each} fresh seeds each, at full budget, trained one at "
        "a time. No seed that chose a configuration confirms it."
    )


def _held_out(found: Confirmation, places: Sequence[float]) -> list[Mark]:
    """Return the marks of held-out data, where they are in the metric of the axis."""
    evaluated = [
        (point.held_out.estimate, place + _BESIDE)
        for point, place in zip(found.points, places, strict=True)
        if point.held_out is not None and point.held_out.metric == found.metric
    ]
    estimates, beside = [estimate for estimate, _ in evaluated], [place for _, place in evaluated]
    return _points(estimates, beside, "held out", "held-out data, 95 % interval", with_ends=True)


def _points(
    found: Sequence[Estimate], places: Sequence[float], role: str, label: str, *, with_ends: bool = False
) -> list[Mark]:
    """Return dots, those with a bounded interval apart: of a mark all have bars, or none."""
    known = [(estimate, place) for estimate, place in zip(found, places, strict=True) if estimate.is_known]
    marks: list[Mark] = []
    for has_ends in (True, False):
        part = [(one, place) for one, place in known if (with_ends and one.is_bounded) == has_ends]
        if part:
            marks.append(
                Points(
                    x=[one.value for one, _ in part],
                    y=[place for _, place in part],
                    role=role,
                    label=label if not any(isinstance(m, Points) for m in marks) else "",
                    tells=[str(one) for one, _ in part],
                    low=[one.low for one, _ in part] if has_ends else None,
                    high=[one.high for one, _ in part] if has_ends else None,
                    errors_along="x",
                )
            )
    return marks
