"""Tables as they are shown: cells as people read them, each with what it is sorted by."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.files.layout import ENDINGS, Column
from analysis.finding import Table
from analysis.text import duration, rounded_percent

MOST_ROWS = 200
"""Rows of a table in a report; the rest is in the rows and in exports."""

MISSING = "-"
TIME = "time"
"""The unit of moments, which are texts."""

_SHORT = 28
_FIGURE = re.compile(r"^(-?\d[\d,]*(?:\.\d+)?) ?%?$")
"""A text that is a number, as others have published it: ``99.69%``."""

_OWN_UNITS = ("s", "share", TIME)
"""Units that cells state themselves."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell; ``order`` is the number it is sorted by, None for texts and for what is missing."""

    text: str
    order: float | None = None

    @property
    def is_short(self) -> bool:
        """Tell whether it stands on one line."""
        return len(self.text) <= _SHORT

    @property
    def key(self) -> str:
        """Return the number it is sorted by as JavaScript reads it; empty without one."""
        return "" if self.order is None else str(self.order).replace("inf", "Infinity")


@dataclass(frozen=True, kw_only=True)
class Header:
    """The head of a column."""

    text: str
    unit: str
    meaning: str
    is_numeric: bool


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A table to be shown, its first rows at most."""

    title: str
    headers: Sequence[Header]
    rows: Sequence[Sequence[Cell]]
    left_out: int

    @property
    def more(self) -> str:
        """Say how many rows are not shown; empty if none."""
        if not self.left_out:
            return ""
        return f"The first {len(self.rows)} rows; {self.left_out:,} more are in the search's folder."


def shown(table: Table) -> Shown:
    """Return a table as it is shown, without columns that have no value in any row."""
    frame = table.frame
    described = {column.name: column for column in table.columns}
    kept = [name for name in frame.columns if _says_something(str(name), frame[name])]
    first = frame[kept].head(MOST_ROWS)
    columns = [described.get(str(name), Column(str(name), "", "")) for name in kept]
    cells = [
        [cell(value, column.unit) for value in first[name].tolist()]
        for name, column in zip(kept, columns, strict=True)
    ]
    return Shown(
        title=table.title,
        headers=[_header(column, _is_numeric(down)) for column, down in zip(columns, cells, strict=True)],
        rows=list(zip(*cells, strict=True)),
        left_out=len(frame) - len(first),
    )


def cell(value: Any, unit: str) -> Cell:
    """Write a value: thousands parted, times and shares in their units, yes and no for truths."""
    if isinstance(value, (list, tuple, dict, np.ndarray)):
        return Cell(text=_listed(value))
    if value is None or value is pd.NaT or value != value:
        return Cell(text=MISSING)
    if isinstance(value, bool | np.bool_):
        return Cell(text="yes" if value else "no")
    if isinstance(value, int | float | np.number):
        return Cell(text=_number(float(value), unit), order=float(value))
    figure = _FIGURE.match(str(value))
    return Cell(text=str(value), order=float(figure[1].replace(",", "")) if figure else None)


def _number(value: float, unit: str) -> str:
    if math.isinf(value):
        return "no bound"
    if unit == "s" and value >= 0:
        return duration(value)
    if unit == "share" and -1 <= value <= 1:
        return rounded_percent(value)
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return ", ".join(
        cell(part, "").text if not isinstance(part, dict) else json.dumps(part) for part in value
    )


def _says_something(name: str, column: pd.Series[Any]) -> bool:
    if column.isna().all() and len(column):
        return False
    # Ways to end that nothing ended in.
    is_count = name in {ending.replace(" ", "_") for ending in ENDINGS} | {"unknown"}
    return not (is_count and len(column) and bool((column == 0).all()))


def _header(column: Column, is_numeric: bool) -> Header:
    unit = "" if column.unit in (*_OWN_UNITS, "1") else column.unit
    text = column.name.replace("_", " ")
    # "params (parameters)" says it twice.
    if text == "params":
        text, unit = "parameters", ""
    if unit.rstrip("s") in text:
        unit = ""
    return Header(text=text, unit=unit, meaning=column.meaning, is_numeric=is_numeric)


def _is_numeric(cells: Sequence[Cell]) -> bool:
    present = [cell for cell in cells if cell.text != MISSING]
    return bool(present) and all(cell.order is not None for cell in present)
