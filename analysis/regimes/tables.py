"""The regimes as tables: per size with the edges of the band, and per size and rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.regimes.classify import REGIMES
from analysis.rows import PARAMS
from analysis.statistics.estimate import UNKNOWN, Estimate

if TYPE_CHECKING:
    from analysis.regimes.finding import Regimes

MOST_RATES = 12
"""More rates than these are put together, evenly in the logarithm."""

_COUNTS = {name: name.replace(" ", "_") for name in REGIMES}


def by_size(finding: Regimes) -> Table:
    """Return a row per size, or per group of sizes where many were tried: counts, edges, best rate."""
    frame, factor = finding.points.with_groups()
    counts = _counted(frame, ["group"])
    spans = frame.groupby("group")["size"].agg(["min", "max"]).reset_index(drop=True)
    table = counts.rename(columns={"group": "size"})
    if factor > 1:
        table.insert(1, "size_from", spans["min"])
        table.insert(2, "size_to", spans["max"])
    for name, told in (
        ("lower", lambda size: finding.edge("lower", size)),
        ("best", finding.rate_for),
        ("upper", lambda size: finding.edge("upper", size)),
    ):
        found: list[Estimate] = [
            told(float(size)) if finding.has_band(float(size)) else UNKNOWN for size in table["size"]
        ]
        table[name] = [estimate.value for estimate in found]
        for end in ("low", "high"):
            table[f"{name}_{end}"] = [_finite(getattr(estimate, end)) for estimate in found]
    rounded = "" if factor == 1 else f"; sizes within a factor of {factor:.3g} stand together"
    table = _whole(table, ["size", "size_from", "size_to"]).dropna(axis="columns", how="all")
    columns = [column for column in _columns(finding) if column.name in table.columns]
    return Table(title=f"Regimes by size{rounded}", frame=table, columns=columns)


def by_size_and_rate(finding: Regimes) -> Table:
    """Return a row per size and rate, or groups of them, with how many trials are in each regime."""
    frame, _ = finding.points.with_groups()
    rates, rounded = frame["rate"], ""
    if rates.nunique() > MOST_RATES:
        along = np.log(rates / rates.min())
        width = along.max() / MOST_RATES
        bins = np.minimum(np.floor(along / width + 1e-9), MOST_RATES - 1)
        rates = rates.min() * np.exp((bins + 0.5) * width)
        rounded = f"; rates within a factor of {math.exp(width):.3g} stand together"
    table = _counted(frame.assign(rate=rates), ["group", "rate"]).rename(columns={"group": "size"})
    columns = [
        _size_column(finding),
        Column("rate", "", f"{finding.rate}; the geometric middle where several stand together"),
        *(column for column in _count_columns() if column.name in table.columns),
    ]
    return Table(
        title=f"Regimes by size and {finding.rate}{rounded}", frame=_whole(table, ["size"]), columns=columns
    )


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as plain values, without NaN."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        {str(name): value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
        for row in rows
    ]


def _counted(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return a row per group with the number of trials, and of those in each regime that there is."""
    is_there = set(frame["regime"])
    flags = {_COUNTS[name]: frame["regime"] == name for name in REGIMES if name in is_there}
    sums = frame[keys].assign(trials=1, **flags).groupby(keys, as_index=False).sum()
    return sums.astype(dict.fromkeys(("trials", *flags), int))


def _whole(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Write sizes as whole numbers where all are large; a mean of parameter counts needs no decimals."""
    for name in names:
        if name in table.columns and ((table[name] >= 100) | (table[name] % 1 == 0)).all():
            table[name] = table[name].round().astype(int)
    return table


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _size_column(finding: Regimes) -> Column:
    unit = "parameters" if finding.size == PARAMS else ""
    return Column("size", unit, f"{finding.size}; the geometric mean where several stand together")


def _count_columns() -> list[Column]:
    counts = [Column(_COUNTS[name], "trials", meaning) for name, meaning in REGIMES.items()]
    return [Column("trials", "trials", "trials there"), *counts]


def _columns(finding: Regimes) -> list[Column]:
    size = _size_column(finding)
    span = [
        Column("size_from", size.unit, "the smallest size that stands there"),
        Column("size_to", size.unit, "the largest size that stands there"),
    ]
    meanings = {
        "lower": f"{finding.rate} below which fewer than half of the trials work; missing if none works",
        "best": f"{finding.rate} in the geometric middle of both edges",
        "upper": f"{finding.rate} above which fewer than half of the trials work",
    }
    ends = []
    for name, meaning in meanings.items():
        ends.append(Column(name, "", meaning))
        ends += [
            Column(f"{name}_{end}", "", f"{side} end of its 95 % interval; missing where open")
            for end, side in (("low", "lower"), ("high", "upper"))
        ]
    return [size, *span, *_count_columns(), *ends]
