"""Printing: one way to make a console, a table, and JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from analysis.text import between, duration, percent, values_text

if TYPE_CHECKING:
    import pandas as pd

    from analysis.rows import SearchRows

_WIDTH_OF_FILES = 1000
"""Wide enough that nothing is cut or folded in a file or a pipe."""

_USUAL_COSTS = ("steps_to_target", "cpu_seconds_to_target")
"""Costs of a success that tables show wherever there is a target."""

_MOST_VALUES = 6
"""So many final values are written one by one; of more, the least and the most."""


def make_console(*, to_stderr: bool = False) -> Console:
    """Return a console; colour and live tables only on a terminal, wide lines in files and pipes."""
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(
        file=stream, width=None if stream.isatty() else _WIDTH_OF_FILES, highlight=False, markup=False
    )


def print_json(content: Any) -> None:
    """Print a value as JSON on standard output."""
    print(json.dumps(content, indent=2, allow_nan=False))


def print_rows(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    title: str = "",
    *,
    folds_cells: bool = True,
) -> None:
    """Print rows as a table, numbers to the right; headers, and if wanted cells, are folded between words."""
    if title:
        # Rich would fold a table's own title to the width of its columns.
        console.print(title, style="italic")
    table = Table(box=None, pad_edge=False, header_style="bold")
    unfolded = sum(
        max(len(_text(line[index])) for line in (columns, *rows)) + 2 for index in range(len(columns))
    )
    is_tight = not folds_cells and unfolded > console.width
    for index, name in enumerate(columns):
        is_number = bool(rows) and all(_is_number(row[index]) or row[index] in ("-", "") for row in rows)
        least = max((len(word) for word in name.split()), default=0)
        cells = [len(_text(row[index])) for row in rows]
        # Rich would take too little from some columns and cut off the last.
        width = max([least, *cells]) if is_tight else None
        table.add_column(name, justify="right" if is_number else "left", min_width=least, width=width)
    for row in rows:
        table.add_row(*map(_text, row))
    if console.is_terminal:
        console.print(table)
        return
    # In a file, the blanks that fill up the last column would be kept.
    with console.capture() as printed:
        console.print(table)
    console.print("\n".join(line.rstrip() for line in printed.get().splitlines()), soft_wrap=True)


def configuration_rows(
    rows: SearchRows, table: pd.DataFrame, *, first: Sequence[str] = (), costs: Sequence[str] = ()
) -> tuple[list[str], list[list[Any]]]:
    """Return headers and cells of configurations as people want to read them; JSON and exports hold more.

    Args:
        rows: the search.
        table: its configurations, as :func:`analysis.configurations.configurations` makes them.
        first: columns that come before all others.
        costs: costs to be shown beside those that always are.
    """
    from analysis.configurations import is_all_or_nothing
    from analysis.objectives import accuracy_objective
    from analysis.rows import PARAMS
    from analysis.wording import cost_text, metric_text

    metric, _ = accuracy_objective(rows)
    is_share = is_all_or_nothing(rows, metric)
    has_rate = rows.plan.target is not None
    columns: dict[str, Callable[[pd.Series[Any]], Any]] = {}
    for name in first:
        columns[name.replace("_", " ")] = partial(_whole, name=name)
    if rows.plan.baselines:
        columns["baseline"] = lambda row: "" if _is_missing(row["baseline"]) else row["baseline"]
    columns["parameters"] = lambda row: f"{int(row['params']):,}"
    columns[metric_text(metric)] = partial(_values if is_share else _mean, metric=metric)
    if has_rate:
        columns |= {"solved": _solved, "95 % interval": _interval, "expected rate": _expected}
        columns["confirmed"] = _confirmed
    usual = [name for name in _USUAL_COSTS if has_rate and name in rows.costs]
    for cost in dict.fromkeys([*costs, *usual]):
        if cost != PARAMS:
            columns[cost_text(rows, cost)] = partial(_cost, cost=cost, unit=rows.metrics[cost]["unit"])
    columns["other endings"] = _endings
    columns["values"] = lambda row: values_text(searched_values(rows, row))
    lines = [row for _, row in table.iterrows()]
    return list(columns), [[write(row) for write in columns.values()] for row in lines]


def searched_values(rows: SearchRows, row: pd.Series[Any]) -> dict[str, Any]:
    """Return what is special about a configuration: the values of the searched parameters that it has."""
    return {name: row[name] for name in rows.plan.searched_names if not _is_missing(row[name])}


def spent_text(value: float | None, unit: str) -> str:
    """Write what something cost: a time span for seconds, else a count; missing stays a dash."""
    if value is None or _is_missing(value):
        return "-"
    return duration(value) if unit == "s" else f"{value:,.0f}"


def strip_text(values: Sequence[float]) -> str:
    """Write final values of a share in rising order: ``0.05 1.00 1.00``; of many, the least and the most.

    Rounded down: what is below a target stays below it, and 1.00 is all.
    """
    texts = [f"{math.floor(100 * value + 1e-9) / 100:.2f}" for value in values]
    if len(texts) > _MOST_VALUES:
        return f"{texts[0]} to {texts[-1]}"
    return " ".join(texts) or "-"


def _whole(row: pd.Series[Any], *, name: str) -> int:
    return int(row[name])


def _mean(row: pd.Series[Any], *, metric: str) -> str:
    value = row.get(metric)
    return "-" if _is_missing(value) else f"{value:.4f}"


def _values(row: pd.Series[Any], *, metric: str) -> str:
    values = row.get(f"{metric}_values")
    return strip_text(values) if isinstance(values, list) else "-"


def _solved(row: pd.Series[Any]) -> str:
    return f"{int(row['solved'])} of {int(row['known'])}" if row["known"] else "-"


def _interval(row: pd.Series[Any]) -> str:
    return between(row["success_low"], row["success_high"], "share") if row["known"] else "-"


def _expected(row: pd.Series[Any]) -> str:
    return percent(row["expected_rate"])


def _confirmed(row: pd.Series[Any]) -> str:
    seeds = int(row["confirmed_seeds"])
    return f"{int(row['confirmed_solved'])} of {seeds}" if seeds else "-"


def _cost(row: pd.Series[Any], *, cost: str, unit: str) -> str:
    return spent_text(row.get(cost), unit)


def _endings(row: pd.Series[Any]) -> str:
    names = ("finished", "stopped_early", "diverged", "failed", "interrupted")
    parts = [f"{int(row[name])} {name.replace('_', ' ')}" for name in names if row[name]]
    return ", ".join(parts) or "-"


def _is_missing(value: Any) -> bool:
    return bool(value is None or value != value)


def _is_number(value: Any) -> bool:
    try:
        float(str(value).replace(",", ""))
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:
    return f"{value:.5f}" if isinstance(value, float) else str(value)
