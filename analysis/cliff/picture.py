"""The parameter cliff as pictures: success against size, with the fit and its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.cliff.counts import Counts
from analysis.cliff.fit import SizeFit
from analysis.cliff.tables import binned
from analysis.pictures.marks import Axis, Band, Line, Mark, Picture, Points, Rule
from analysis.text import amount, plural

if TYPE_CHECKING:
    from analysis.cliff.finding import Cliff

MOST_DOTS = 40
"""More sizes than this are drawn as bins of sizes."""
MOST_GROUPS = 7
"""Styles of series repeat beyond this many groups; further ones are not drawn."""

_BELOW = -0.06
"""Position of trials with an unknown outcome: below all rates."""
_BAND = (
    "The band is the 95 % interval of the curve at each size, configurations being the unit of resampling."
)


def pictures(cliff: Cliff) -> Sequence[Picture]:
    """Return success against size for all trials, or for each group, and for the best recipes."""
    if not cliff.has_target or not len(cliff.counts):
        return []
    found = [_of_groups(cliff) if cliff.groups else _of_all(cliff)]
    if cliff.best is not None and cliff.best.fit is not None:
        found.append(_of_best(cliff))
    return found


def _of_all(cliff: Cliff) -> Picture:
    marks = [*curve(cliff.fit, "fit", "fit"), *_dots(cliff.counts, "fit"), *_unknown(cliff.counts)]
    marks += _half(cliff.fit)
    number = plural(len(cliff.counts), "configuration")
    caption = f"{_trials(cliff)} of {number}, {_seeds(cliff.counts)}. {_dots_are(cliff.counts)}"
    if cliff.fit is not None and not cliff.fit.is_one_sided:
        caption += f" {_BAND}"
    return _picture("cliff", "Success against size", cliff.counts, marks, caption)


def _of_groups(cliff: Cliff) -> Picture:
    marks: list[Mark] = []
    shown = cliff.groups[:MOST_GROUPS]
    for number, group in enumerate(shown):
        role = f"series {number}"
        line = curve(group.fit, role, group.name)
        # The name of a group without a curve stands by its dots.
        marks += [*line, *_dots(group.counts, role, "" if line else group.name)]
    caption = f"{_trials(cliff)}, {_seeds(cliff.counts)}. {_dots_are(cliff.counts)} {_BAND}"
    if len(shown) < len(cliff.groups):
        caption += f" {len(cliff.groups) - len(shown)} further groups are in the table."
    return _picture("cliff", f"Success against size, by {cliff.by}", cliff.counts, marks, caption)


def _of_best(cliff: Cliff) -> Picture:
    assert cliff.best is not None
    best = cliff.best
    marks = [*curve(best.fit, "fit", "fit"), *_dots(best.counts, "fit"), *_half(best.fit)]
    caption = (
        f"In each bin of sizes, within a factor of {best.factor:g}, all seeds but one choose a configuration "
        f"and the one left out judges it: {plural(int(best.counts.known_trials.sum()), 'trial')} in "
        f"{plural(best.bins, 'bin')}. The band is the 95 % interval, bins being the unit of resampling."
    )
    return _picture("cliff-best", "Success of the best recipe of each size", best.counts, marks, caption)


def _picture(name: str, title: str, counts: Counts, marks: Sequence[Mark], caption: str) -> Picture:
    low, high = float(counts.params.min()), float(counts.params.max())
    return Picture(
        name=name,
        title=title,
        x=Axis(label="size", unit="parameters", scale="log", limits=(low / 1.1, high * 1.1)),
        y=Axis(label="seeds that solve", unit="share", limits=(2 * _BELOW, 1.06)),
        marks=marks,
        caption=caption,
    )


def curve(fit: SizeFit | None, role: str, label: str) -> list[Mark]:
    """Return the fitted curve with its band, over the sizes that were tried; none where all or no trials
    solved."""
    if fit is None or fit.is_one_sided:
        return []
    sizes = np.geomspace(fit.smallest, fit.largest, 80)
    middle, low, high = (part.tolist() for part in fit.rates(sizes))
    x = sizes.tolist()
    return [Band(x=x, low=low, high=high, role=role), Line(x=x, y=middle, role=role, label=label)]


def _dots(counts: Counts, role: str, label: str = "") -> list[Mark]:
    rows = [row for row in binned(counts, MOST_DOTS) if row["known"]]
    if not rows:
        return []
    usual = float(np.mean([row["known"] for row in rows]))
    return [rate_points(rows, role, label, sizes=[min(max(row["known"] / usual, 0.3), 4.0) for row in rows])]


def rate_points(rows: Sequence[Mapping[str, Any]], role: str, label: str, **further: Any) -> Points:
    """Return success rates by size as points.

    Args:
        rows: of :func:`analysis.cliff.tables.rates_by`, each with a trial that has a known outcome.
        role: of the mark.
        label: of the mark.
        further: other fields of the mark.
    """
    return Points(
        x=[(row["size_from"] * row["size_to"]) ** 0.5 for row in rows],
        y=[row["rate"] for row in rows],
        role=role,
        label=label,
        tells=[
            f"{amount(row['size_from'])} to {amount(row['size_to'])} parameters: {row['solved']} of "
            f"{row['known']} solved"
            for row in rows
        ],
        **further,
    )


def _unknown(counts: Counts) -> list[Mark]:
    rows = [row for row in binned(counts, MOST_DOTS) if row["unknown"]]
    if not rows:
        return []
    return [
        Points(
            x=[(row["size_from"] * row["size_to"]) ** 0.5 for row in rows],
            y=[_BELOW] * len(rows),
            role="unknown",
            label=f"not known: {plural(int(counts.unknown_trials.sum()), 'trial')}",
            tells=[f"{amount(row['size_from'])} parameters: {row['unknown']} not known" for row in rows],
        )
    ]


def _half(fit: SizeFit | None) -> list[Mark]:
    half = None if fit is None else fit.size(0.5)
    if fit is None or half is None or not half.is_known or not fit.rises:
        return []
    if not fit.smallest / 1.1 <= half.value <= fit.largest * 1.1:
        return []
    return [Rule(value=half.value, along="x", role="target", label=f"half solve: {amount(half.value)}")]


def _trials(cliff: Cliff) -> str:
    unknown = f", and {cliff.rate.unknown:,} without," if cliff.rate.unknown else ""
    return f"{plural(cliff.rate.known, 'trial')} with a known outcome{unknown}"


def _seeds(counts: Counts) -> str:
    most = int((counts.known_trials + counts.unknown_trials).max())
    return f"{'up to ' if most > 1 else ''}{plural(most, 'seed')} each"


def _dots_are(counts: Counts) -> str:
    of = "of one size" if len(np.unique(counts.params)) <= MOST_DOTS else "of about one size"
    return f"A dot is all trials {of}, its area their number."
