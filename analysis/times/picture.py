"""Time to target as pictures: who has reached it by when, and what a success costs at each size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.pictures.marks import Axis, Band, Line, Mark, Picture, Points
from analysis.text import amount, between, plural
from analysis.times.sharing import ELAPSED
from analysis.times.survival import Curve

if TYPE_CHECKING:
    from analysis.times.finding import Times
    from analysis.times.measured import Measured

Array = NDArray[Any]

MOST_GROUPS = 7
"""Styles of series repeat beyond this many groups; further ones are not drawn."""

MOST_STEPS = 600
"""Corners of a curve that are drawn."""

_TOLD = ["configuration", "params", "cost", "low", "high", "successes", "trials"]

MOST_DOTS = 400
"""Dots of one kind that are drawn; of more, some, evenly chosen."""


def pictures(times: Times) -> list[Picture]:
    """Return the share that has reached the target, and the cost of a success against size."""
    measured = times.measured
    if measured is None or not measured.curve.trials:
        return []
    found = [_curves(times, measured)]
    drawn = times.by_size[times.by_size["cost"] > 0]
    if len(drawn):
        found.append(_against_size(times, measured, drawn))
    return found


def _curves(times: Times, whole: Measured) -> Picture:
    named = [("fit", "", whole)]
    if times.groups:
        shown = [group for group in times.groups if group.measured[times.cost].curve.trials][:MOST_GROUPS]
        named = [(f"series {i}", g.name, g.measured[times.cost]) for i, g in enumerate(shown)]
    bands: list[Mark] = []
    lines: list[Mark] = []
    ended: list[tuple[float, float]] = []
    for role, label, measured in named:
        curve = measured.curve
        x, share, low, high = _corners(curve)
        bands.append(Band(x=x, low=low, high=high, role=role, steps=True))
        lines.append(Line(x=x, y=share, role=role, label=label, steps=True))
        ended += _censored(curve)
    dots = [
        Points(
            x=[x for x, _ in ended],
            y=[y for _, y in ended],
            role="unknown",
            label="ended without the target",
            tells=[f"watched for {amount(x, whole.unit)}" for x, _ in ended],
        )
    ]
    name = whole.called
    caption = (
        f"{plural(whole.curve.trials, 'trial')} of {plural(whole.configurations, 'configuration')}, "
        f"{whole.successes} solved. Kaplan and Meier's curve with its 95 % band, configurations being the "
        "sample. Hollow dots: trials that ended without the target, at their budget or before it; diverged "
        "ones count as not there to the end."
    )
    if len(times.groups) > len(named):
        caption += f" {len(times.groups) - len(named)} further groups are in the table."
    if times.shared is not None and whole.cost in ELAPSED:
        caption += f" {times.shared[0].upper()}{times.shared[1:]}."
    return Picture(
        name="times",
        title=f"Trials that have reached {times.target}" + (f", by {times.by}" if times.groups else ""),
        x=Axis(
            label=f"{name} spent",
            unit="" if whole.unit == name else whole.unit,
            limits=(0.0, max(group[2].curve.until for group in named) * 1.02 or 1.0),
        ),
        y=Axis(label="reached the target", unit="share", limits=(0.0, 1.03)),
        marks=[*bands, *lines, *(dots if ended else [])],
        caption=caption,
    )


def _corners(curve: Curve) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return the corners of a curve and its band, from 0 to the longest trial."""
    kept = np.unique(np.linspace(0, len(curve.times) - 1, MOST_STEPS).round().astype(int))
    kept = kept if len(curve.times) else np.zeros(0, dtype=int)
    x = [0.0, *curve.times[kept].tolist(), curve.until]
    found = []
    for shares, begin in ((curve.reached, 0.0), (curve.low, 0.0), (curve.high, curve.before)):
        values = [begin, *shares[kept].tolist()]
        found.append([*values, values[-1]])
    return x, found[0], found[1], found[2]


def _censored(curve: Curve) -> list[tuple[float, float]]:
    """Return where trials ended without the target, on the curve."""
    x = _some(np.unique(curve.censored))
    place = np.searchsorted(curve.times, x, side="right")
    y = np.concatenate([[0.0], curve.reached])[place]
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _some(values: Array) -> Array:
    if len(values) <= MOST_DOTS:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, MOST_DOTS).round().astype(int)])


def _against_size(times: Times, measured: Measured, drawn: pd.DataFrame) -> Picture:
    best, others = drawn[drawn["is_best"]], drawn[~drawn["is_best"]]
    if len(others) > MOST_DOTS:
        others = others.iloc[_some(np.arange(len(others)))]
    # An end at 0 lies nowhere on such an axis.
    least = float(drawn["low"].where(drawn["low"] > 0).min()) / 2
    least = min(least, float(drawn["cost"].min()) / 2) if least == least else float(drawn["cost"].min()) / 10
    most = float(drawn["high"].max()) * 1.3
    called = measured.called
    marks: list[Mark] = [
        _dots(part, role, label, measured.unit, least)
        for part, role, label in (
            (others, "other", "beaten by another"),
            (best, "frontier", "beaten by no other"),
        )
        if len(part)
    ]
    if len(best) > 1:
        marks.insert(0, Line(x=best["params"].tolist(), y=best["cost"].tolist(), role="frontier", steps=True))
    caption = (
        f"{plural(len(times.by_size), 'configuration')} with a success, {int(drawn['successes'].sum())} of "
        f"{int(drawn['trials'].sum())} of their trials solved. All that a configuration's trials spent, over "
        "those that succeeded, with its 95 % interval. The same trials chose and judged the frontier."
    )
    if len(others) + len(best) < len(times.by_size):
        caption += f" {len(others) + len(best)} of them are drawn."
    if times.shared is not None and measured.cost in ELAPSED:
        caption += f" {times.shared[0].upper()}{times.shared[1:]}."
    sizes = float(drawn["params"].min()), float(drawn["params"].max())
    return Picture(
        name="times-frontier",
        title="Cost of a success against size",
        x=Axis(label="size", unit="parameters", scale="log", limits=(sizes[0] / 1.1, sizes[1] * 1.1)),
        y=Axis(
            label=f"{called} per success",
            unit="" if measured.unit == called else measured.unit,
            scale="log",
            limits=(least, most),
        ),
        marks=marks,
        caption=caption,
    )


def _dots(part: pd.DataFrame, role: str, label: str, unit: str, least: float) -> Points:
    return Points(
        x=part["params"].tolist(),
        y=part["cost"].tolist(),
        role=role,
        label=label,
        low=part["low"].clip(lower=least).tolist(),
        high=part["high"].tolist(),
        tells=[
            f"configuration {number}: {amount(size, 'parameters')}, {amount(cost, unit)} "
            f"({between(low, high, unit)}), {successes} of {trials} solved"
            for number, size, cost, low, high, successes, trials in part[_TOLD].values.tolist()
        ],
    )
