"""Parallel coordinates: every configuration as a line over its parameters, each on an axis of its own."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.objectives import accuracy_objective
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Axis, Line, Mark, Note, Picture, Rule
from analysis.pictures.thinning import evenly_chosen
from analysis.rows import PARAMS, SearchRows
from analysis.selection import parameters, plain
from analysis.text import amount
from analysis.wording import metric_text

MOST_LINES = 300
"""Lines in the picture; beyond, the eye sees a surface."""

MOST_AXES = 12

_LETTERS_ACROSS = 96
"""Letters that find room beside one another; labels of values are cut to their share."""

_LARGE = 100_000

_MISSING = -0.14
"""Where lines run through the axis of a parameter that a configuration does not have."""

_SPREAD = 0.03
"""How far lines through the same value are spread, so that it shows how many there are."""

Array = NDArray[np.float64]


def parallel_picture(rows: SearchRows) -> Picture | None:
    """Return the configurations as lines over the parameters that differ; None if fewer than two differ.

    The last axes are the size and the outcome: the success rate of the configuration's seeds whose outcome is
    known, or without a target the best value among its seeds. Of more than :data:`MOST_LINES` configurations
    that many are drawn, evenly over the outcomes.
    """
    if rows.trials.empty:
        return None
    table = parameters(rows)
    differing = [name for name in rows.plan.searched_names if name in table and _is_axis(table[name])]
    if not differing:
        return None
    outcome = _outcome(rows, table.index)
    kinds = _kinds(rows, outcome)
    drawn = evenly_chosen(kinds, MOST_LINES)
    chosen = [*differing[: MOST_AXES - 2], *([PARAMS] if _is_axis(table[PARAMS]) else [])]
    scales = [_scale_of(name, table[name], rows) for name in chosen]
    if outcome.values.notna().any():
        scales.append(outcome.scale)
    columns = [*(table[name] for name in chosen), outcome.values]
    places = np.column_stack(
        [_spread_out(scale.place(column.iloc[drawn])) for scale, column in zip(scales, columns, strict=False)]
    )
    for_each = max(6, _LETTERS_ACROSS // len(scales))
    marks = [*_axis_marks(scales, places, for_each), *_lines(places, kinds.iloc[drawn])]
    return Picture(
        name="configurations",
        title="Configurations",
        x=Axis(
            label="",
            ticks={float(index): scale.name for index, scale in enumerate(scales)},
            limits=(-0.15, len(scales) - 0.15),
        ),
        y=Axis(label="", ticks={}, limits=(_MISSING - 0.08 if _any_missing(places) else -0.08, 1.1)),
        marks=marks,
        caption=_caption(outcome, len(table), len(drawn), len(differing)),
    )


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """An axis: values to heights from 0 to 1, and the heights that are labelled."""

    name: str
    labels: dict[float, str]
    heights: dict[Hashable, float] | None = None
    """By value, of an axis with few values."""
    low: float = 0.0
    high: float = 1.0
    is_log: bool = False
    missing: str = "none"
    """What is said of configurations that have no value."""

    def place(self, column: pd.Series[Any]) -> Array:
        """Return the heights of values; what is missing is NaN."""
        if self.heights is not None:
            return np.asarray(column.map(plain).map(self.heights), dtype=np.float64)
        values = column.to_numpy(dtype=np.float64)
        if self.is_log:
            return np.asarray(np.log(values / self.low) / math.log(self.high / self.low), dtype=float)
        return np.asarray((values - self.low) / (self.high - self.low), dtype=float)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    values: pd.Series[float]
    scale: _Scale
    is_rate: bool = False


def _is_axis(column: pd.Series[Any]) -> bool:
    return column.map(plain).nunique() > 1


def _scale_of(name: str, column: pd.Series[Any], rows: SearchRows) -> _Scale:
    dimension = rows.plan.space.get(name)
    known = column[column.notna()]
    is_number = pd.api.types.is_numeric_dtype(known.infer_objects()) and known.infer_objects().dtype != bool
    if not is_number or known.nunique() <= 6:
        if is_number:
            known = known.astype(float)
        ordered = [plain(value) for value in sorted(known.unique().tolist(), key=_order)]
        step = 1 / max(len(ordered) - 1, 1)
        heights: dict[Hashable, float] = {value: index * step for index, value in enumerate(ordered)}
        return _Scale(
            name=_name(name),
            labels={height: str(value) for value, height in heights.items()},
            heights=heights,
        )
    low, high = float(known.min()), float(known.max())
    is_log = low > 0 and (name == PARAMS or bool(getattr(dimension, "log", False)) or high / low > 30)
    return _Scale(
        name=_name(name),
        labels={0.0: _short(low), 1.0: _short(high)},
        low=low,
        high=high,
        is_log=is_log,
    )


def _name(parameter: str) -> str:
    return "parameters" if parameter == PARAMS else parameter


def _order(value: Any) -> tuple[int, Any]:
    return (0, float(value)) if isinstance(value, int | float) else (1, str(value))


def _outcome(rows: SearchRows, numbers: pd.Index[int]) -> _Outcome:
    """Return the last axis, with a value for each of the configurations."""
    if rows.plan.target is not None:
        trials = with_outcomes(rows)
        known = trials[trials["outcome"] != "unknown"]
        rates = (known["outcome"] == "solved").groupby(known["configuration"]).mean()
        scale = _Scale(name="success rate", labels={0.0: "0 %", 1.0: "100 %"}, missing="unknown")
        return _Outcome(values=rates.reindex(numbers).astype(float), scale=scale, is_rate=True)
    metric, direction = accuracy_objective(rows)
    if metric not in rows.trials.columns:
        return _Outcome(values=pd.Series(np.nan, index=numbers), scale=_Scale(name="", labels={}))
    grouped = rows.trials.groupby("configuration")[metric]
    values = (grouped.max() if direction == "max" else grouped.min()).reindex(numbers).astype(float)
    best, worst = (values.max(), values.min()) if direction == "max" else (values.min(), values.max())
    labels = {0.0: f"{worst:.4g}", 1.0: f"{best:.4g}"}
    # Where all are equal, they are the best.
    low = float(worst) if best != worst else float(best) - 1
    scale = _Scale(name=f"best {metric_text(metric)}", labels=labels, low=low, high=float(best))
    return _Outcome(values=values, scale=scale)


def _kinds(rows: SearchRows, outcome: _Outcome) -> pd.Series[str]:
    """Return what became of every configuration, one of :data:`_KINDS`."""
    values = outcome.values
    if outcome.is_rate:
        diverged = rows.trials["ending"].eq("diverged").groupby(rows.trials["configuration"]).all()
        is_diverged = diverged.reindex(values.index, fill_value=False).to_numpy(dtype=bool)
        kinds = pd.Series("none solved", index=values.index)
        kinds[values > 0] = _SOME
        kinds[values > 0.5] = _MOST
        kinds[values.isna()] = "not known"
        kinds[is_diverged] = "all diverged"
    else:
        heights = pd.Series(outcome.scale.place(values), index=values.index)
        ranks = heights.rank(ascending=False, method="first", na_option="bottom")
        best = heights.notna() & (ranks <= max(1, round(len(ranks) / 10)))
        kinds = pd.Series("others", index=values.index).mask(best, "the best tenth")
    return kinds


_MOST, _SOME = "more than half of the seeds solved", "some seeds solved, at most half"
_KINDS = {
    "not known": "bound",
    "others": "other",
    "none solved": "other",
    "all diverged": "diverged",
    _SOME: "series 5",
    _MOST: "solved",
    "the best tenth": "solved",
}
"""What becomes of configurations, with the role of their lines; the last lie on top."""


def _spread_out(heights: Array) -> Array:
    """Spread lines that meet in one height a little, in the order of their numbers."""
    placed = np.where(np.isnan(heights), _MISSING, heights)
    frame = pd.Series(placed).round(6)
    counts = frame.groupby(frame).transform("size").to_numpy()
    order = frame.groupby(frame).cumcount().to_numpy()
    aside = np.where(counts > 1, (order / np.maximum(counts - 1, 1) - 0.5) * 2 * _SPREAD, 0.0)
    return np.asarray(placed + aside * np.minimum(1.0, counts / 8), dtype=float)


def _any_missing(places: Array) -> bool:
    return bool((places < _MISSING + 2 * _SPREAD).any())


def _axis_marks(scales: Sequence[_Scale], places: Array, longest: int) -> list[Mark]:
    marks: list[Mark] = []
    for index, scale in enumerate(scales):
        marks.append(Rule(value=float(index), along="x", role="bound"))
        labels = {**scale.labels, **({_MISSING: scale.missing} if _any_missing(places[:, index]) else {})}
        marks += [Note(x=float(index), y=height, text=_cut(text, longest)) for height, text in labels.items()]
    return marks


def _short(value: float) -> str:
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(unit, _LARGE):
            return f"{value / unit:.3g}{letter}"
    return amount(value)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _lines(places: Array, kinds: pd.Series[str]) -> list[Mark]:
    marks: list[Mark] = []
    width = places.shape[1]
    for kind, role in _KINDS.items():
        own = places[(kinds == kind).to_numpy()]
        if len(own):
            gap = np.full((len(own), 1), np.nan)
            x = np.tile([*range(width), np.nan], len(own))
            marks.append(Line(x=x.tolist(), y=np.hstack([own, gap]).ravel().tolist(), role=role, label=kind))
    return marks


def _caption(outcome: _Outcome, configurations: int, drawn: int, differing: int) -> str:
    said = f"Each line is a configuration, {configurations:,} in all; each axis runs from the lowest value "
    said += "that was tried to the highest, or lists the values."
    if outcome.is_rate:
        said += " The last axis is the share of its seeds that solved, of those known."
    if drawn < configurations:
        said += f" {drawn} are drawn, evenly over the outcomes."
    if differing > MOST_AXES - 2:
        said += f" {differing - (MOST_AXES - 2)} parameters more are in the table only."
    return said
