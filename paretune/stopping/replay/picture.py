"""What rules cost against the winners that they lose, as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.pictures.marks import Axis, Mark, Picture, Points
from analysis.pictures.marks import Rule as StraightLine
from analysis.text import plural

if TYPE_CHECKING:
    from paretune.stopping.replay.finding import Judged, Stopping


def picture(finding: Stopping) -> Picture:
    """Return the rules by their steps per success and the winners lost in the band that loses most."""
    groups: dict[tuple[str, str], list[Judged | None]] = {
        ("other", "stops"): [one for one in finding.judged if one.rule.below_cut == "stop"],
        ("works", "pauses"): [one for one in finding.judged if one.rule.below_cut == "pause"],
        ("edge", "recommended"): [] if finding.recommended is None else [finding.recommended],
        ("baseline", "no rule"): [None],
    }
    marks: list[Mark] = [
        StraightLine(value=100 * finding.tried.most_lost, along="y", role="target", label="accepted")
    ]
    marks += [_points(ones, role, label) for (role, label), ones in groups.items() if ones]
    trials = sum(map(len, finding.populations))
    return Picture(
        name="stopping",
        title="Steps that a rule saves, and winners that it loses",
        x=Axis(label="steps per success over those without a rule"),
        y=Axis(label="winners lost in the band that loses most", unit="%"),
        marks=marks,
        caption=f"{plural(trials, 'whole curve')} in {plural(finding.orders, 'random order')}. Error bars: "
        "95 % intervals, over configurations.",
    )


def _points(ones: list[Judged | None], role: str, label: str) -> Points:
    rules = [one for one in ones if one is not None]
    if not rules:
        return Points(x=[1.0], y=[0.0], role=role, label=label, tells=["no rule"])
    worst = [max((b for b in one.losses.by_band if b.is_known), key=lambda b: b.value) for one in rules]
    return Points(
        x=[one.losses.ratio for one in rules],
        y=[100 * band.value for band in worst],
        low=[100 * band.low for band in worst],
        high=[100 * band.high for band in worst],
        role=role,
        label=label,
        tells=[str(one.rule) for one in rules],
    )
