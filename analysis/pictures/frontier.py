"""The picture of a frontier: a cost across, a quality or another cost up, and what stands where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.pictures.marks import Axis, Line, Mark, Note, Picture, Points, Rule
from analysis.text import amount, plural

if TYPE_CHECKING:
    from analysis.frontier import Frontier
    from analysis.measures import Measure

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NARROW = 1.5
"""Up to such a range a logarithmic axis would have hardly a number on it."""

_LONGEST_BAR = 3.0
"""Bars that reach further beyond all dots than by this factor are cut off."""

_ROLES = (
    ("other", "other configurations"),
    ("frontier", "frontier"),
    ("bounded frontier", "frontier; some seeds diverged or are not known"),
    ("confirmed", "confirmed on fresh seeds"),
)
"""Roles of dots from back to front, with their labels."""


def frontier_picture(front: Frontier) -> Picture:
    """Return the picture of a frontier that has at least one configuration to show."""
    across, up = front.cost, front.quality
    table = pd.concat([part for part in (front.others, front.points) if len(part)], ignore_index=True)
    on = np.arange(len(table)) >= len(front.others)
    x, y = (table[measure.column].to_numpy(dtype=float) for measure in (across, up))
    limits, beyond = _limits(front, table, y, on)
    y_axis = _axis(up, _with_bars(front, table, y) if up.is_cost else y, limits)
    marks: list[Mark] = []
    if front.target is not None and up.kind == "loss":
        marks.append(
            Rule(value=front.target, along="y", role="target", label=f"target {amount(front.target)}")
        )
    if on.any():
        marks.append(Line(x=x[on].tolist(), y=y[on].tolist(), role="frontier", steps=True))
    roles = _roles(front, table, on)
    for role, label in _ROLES:
        shown = (roles == role) & ~beyond
        if shown.any():
            # Bars of everything would hide the frontier.
            marks.append(_dots(front, table[shown], role, label, with_bars=role != "other"))
    if beyond.any():
        edge = y_axis.limits[1] if y_axis.limits is not None else float(y[~beyond].max())
        marks.append(
            Points(
                x=x[beyond].tolist(),
                y=[edge] * int(beyond.sum()),
                role="beyond",
                label=f"{int(beyond.sum())} far above, up to {y[beyond].max():.3g}",
                tells=_tells(table[beyond]),
            )
        )
    marks += _baselines(table, x, y)
    marks += _label(front, table, x, y)
    works = "how small still works" if across.kind == "size" else "how little is enough"
    asked = f"{up.text} against {across.text}" if up.is_cost else works
    return Picture(
        name=f"frontier-{across.name}",
        title=f"{front.search}: {asked}",
        x=_axis(across, x, None),
        y=y_axis,
        marks=marks,
        caption=_caption(front, table),
    )


def _axis(measure: Measure, values: Array, limits: tuple[float, float] | None) -> Axis:
    is_log = limits is None and measure.is_cost and bool((values > 0).all())
    if is_log:
        low, high = float(values.min()), float(values.max())
        if high < _NARROW * low:
            is_log, limits = False, None
        else:
            # A fourteenth of the width on both sides.
            margin = (high / low) ** (1 / 14)
            limits = low / margin, high * margin
    label = "parameters" if measure.kind == "size" else measure.text
    unit = "" if measure.kind == "size" else measure.unit
    return Axis(label=label, unit=unit, scale="log" if is_log else "linear", limits=limits)


def _with_bars(front: Frontier, table: pd.DataFrame, y: Array) -> Array:
    """Return values and the ends of their bars, for the limits of the axis: no bar is to flatten all else."""
    ends = front.quality.ends(table)
    if ends is None:
        return y
    return np.concatenate([y, np.clip(np.concatenate(ends), y.min() / _LONGEST_BAR, y.max() * _LONGEST_BAR)])


def _limits(
    front: Frontier, table: pd.DataFrame, y: Array, on: Mask
) -> tuple[tuple[float, float] | None, Mask]:
    """Return the limits of the quality's axis, and which dots lie beyond them.

    Losses that are far out are marked at the upper edge, so that they do not squeeze all others flat: what
    lies more than three interquartile ranges above the third quartile (Tukey, Exploratory Data Analysis,
    1977). The frontier, the target and named configurations are always shown where they are.
    """
    nothing = np.zeros(len(y), dtype=bool)
    if front.quality.kind in ("rate", "share"):
        return (-0.04, 1.06), nothing
    if front.quality.is_cost:
        return None, nothing
    kept = on | _named(table) | _is_labelled(front, table)
    first, third = np.quantile(y, [0.25, 0.75])
    shown = [*y[kept], *([] if front.target is None else [front.target])]
    beyond = ~kept & (y > max(third + 3 * (third - first), *shown, -np.inf)) if third > first else nothing
    seen = [*y[~beyond], *shown]
    room = 0.16 * (max(seen) - min(seen)) or 0.1 * abs(max(seen)) or 0.1
    return (min(seen) - room, max(seen) + room), beyond


def _roles(front: Frontier, table: pd.DataFrame, on: Mask) -> NDArray[Any]:
    is_bounded = table["unknown"].to_numpy() > 0
    if front.quality.kind == "loss":
        # The mean is over the seeds that did not diverge.
        is_bounded |= table["diverged"].to_numpy() > 0
    roles = np.where(on, np.where(is_bounded, "bounded frontier", "frontier"), "other").astype(object)
    if "confirmed_seeds" in table.columns:
        roles[table["confirmed_seeds"].to_numpy() > 0] = "confirmed"
    return roles


def _dots(front: Frontier, table: pd.DataFrame, role: str, label: str, *, with_bars: bool) -> Points:
    ends = front.quality.ends(table) if with_bars else None
    return Points(
        x=table[front.cost.column].tolist(),
        y=table[front.quality.column].tolist(),
        role=role,
        label=label,
        tells=_tells(table),
        low=None if ends is None else ends[0].tolist(),
        high=None if ends is None else ends[1].tolist(),
    )


def _tells(table: pd.DataFrame) -> list[str]:
    """Say of each configuration its number, size and outcomes."""
    told = []
    columns = ("configuration", "params", "solved", "known", "unknown", "diverged")
    for number, params, solved, known, unknown, diverged in zip(*(table[c] for c in columns), strict=True):
        parts = [
            f"configuration {number}",
            amount(float(params), "parameters"),
            f"{solved} of {known} solved",
        ]
        parts += [f"{diverged} diverged"] if diverged else []
        parts += [f"{unknown} not known"] if unknown else []
        told.append("; ".join(parts))
    return told


def _named(table: pd.DataFrame) -> Mask:
    if "baseline" not in table.columns:
        return np.zeros(len(table), dtype=bool)
    is_named: Mask = table["baseline"].notna().to_numpy(dtype=bool)
    return is_named


def _is_labelled(front: Frontier, table: pd.DataFrame) -> Mask:
    if front.labelled is None:
        return np.zeros(len(table), dtype=bool)
    is_it: Mask = (table["configuration"] == front.labelled["configuration"]).to_numpy(dtype=bool)
    return is_it


def _baselines(table: pd.DataFrame, x: Array, y: Array) -> list[Mark]:
    """Mark named configurations, whether on the frontier or not, each with its name beside it."""
    is_named = _named(table)
    if not is_named.any():
        return []
    places = list(zip(x[is_named], y[is_named], table["baseline"][is_named], strict=True))
    dots = Points(
        x=[float(across) for across, _, _ in places],
        y=[float(up) for _, up, _ in places],
        role="baseline",
        label="baselines",
        tells=[f"{name}: {text}" for (*_, name), text in zip(places, _tells(table[is_named]), strict=True)],
    )
    notes = [
        Note(x=float(across), y=float(up), text=str(name), role="baseline") for across, up, name in places
    ]
    return [dots, *notes]


def _label(front: Frontier, table: pd.DataFrame, x: Array, y: Array) -> list[Mark]:
    """Write what it costs beside the configuration that reaches the target at the least cost."""
    found = np.flatnonzero(_is_labelled(front, table))
    if not len(found):
        return []
    place = int(found[0])
    unit = "parameters" if front.cost.kind == "size" else front.cost.unit
    text = amount(float(x[place]), unit)
    return [Note(x=float(x[place]), y=float(y[place]), text=text, role="frontier")]


def _caption(front: Frontier, table: pd.DataFrame) -> str:
    """Say what the picture rests on, and what its dots and bars are."""
    seeds = int(table["known"].sum())
    told = [f"{plural(len(table), 'configuration')}, {plural(seeds, 'seed')} with a known outcome."]
    kinds = {front.cost.kind, front.quality.kind}
    if "rate" in kinds:
        told.append(
            "Dots: the success rate to be expected, from a configuration's own seeds and the sizes around "
            "it; bars: 95 % interval of its own seeds alone, or of its fresh ones."
        )
    if "cost of a success" in kinds:
        bars = "; bars: 95 % interval" if front.quality.kind == "cost of a success" else ""
        told.append(f"Per success: all that a configuration's trials spent, over those that solved{bars}.")
    if "loss" in kinds:
        told.append("A loss is the mean over seeds that were trained to their end.")
    if str(front.left_out):
        told.append(str(front.left_out))
    return " ".join(told)
