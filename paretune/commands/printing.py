"""Printing: one way to make a console, a table, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from analysis.text import duration, values_text

if TYPE_CHECKING:
    import pandas as pd

    from analysis.frontier import Frontier
    from analysis.rows import SearchRows

_WIDTH_OF_FILES = 1000
"""Wide enough that nothing is cut or folded in a file or a pipe."""

_TIMES_TO_TARGET = {"steps_to_target": "steps", "cpu_seconds_to_target": "s"}
"""Costs that tables show wherever there is a target, and their units."""


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
    from analysis.ranking import accuracy_objective

    metric, _ = accuracy_objective(rows)
    with_rate = "success_rate" in table.columns
    with_names = bool(rows.plan.baselines)
    headers = [*first, *(["baseline"] if with_names else []), "parameters", metric.replace("_", " ")]
    always = ["params", *(_TIMES_TO_TARGET if with_rate else [])]
    costs = [cost for cost in costs if cost not in always]
    headers += [cost.replace("_", " ") for cost in costs]
    headers += ["solved", "95 % interval", "steps to target", "CPU to target"] if with_rate else []
    headers += ["other endings", "values"]
    cells = []
    for _, row in table.iterrows():
        line: list[Any] = [int(row[name]) for name in first]
        if with_names:
            line.append("" if _is_missing(row["baseline"]) else row["baseline"])
        line += [f"{int(row['params']):,}", _metric(row.get(metric))]
        line += [cost_text(row.get(cost), rows.metrics[cost]["unit"]) for cost in costs]
        if with_rate:
            line += [*_success(row), *_time_to_target(row)]
        line += [_endings(row), values_text(searched_values(rows, row))]
        cells.append(line)
    return headers, cells


def searched_values(rows: SearchRows, row: pd.Series[Any]) -> dict[str, Any]:
    """Return what is special about a configuration: the values of the searched parameters that it has."""
    return {name: row[name] for name in rows.plan.searched_names if not _is_missing(row[name])}


def left_out(front: Frontier) -> str:
    """Say what a frontier does not consider; empty if nothing was left out."""
    counts = (
        (front.diverged, "diverged"),
        (front.failed, "failed"),
        (front.unfinished, "interrupted or unfinished"),
    )
    named = [f"{count} {ending}" for count, ending in counts if count]
    parts = [f"trials that ended otherwise: {', '.join(named)}"] if named else []
    if front.without_cost:
        plural = "s" * (front.without_cost > 1)
        parts.append(f"{front.without_cost} configuration{plural} without {front.cost.replace('_', ' ')}")
    return f"Not considered: {'; '.join(parts)}." if parts else ""


def cost_text(value: float | None, unit: str) -> str:
    """Write what something cost: a time span for seconds, else a count; missing stays a dash."""
    if value is None or _is_missing(value):
        return "-"
    return duration(value) if unit == "s" else f"{value:,.0f}"


def _success(row: pd.Series[Any]) -> list[str]:
    if _is_missing(row["success_rate"]):
        return ["-", "-"]
    judged = int(row["solved"] + row["finished"] + row["stopped_early"] + row["diverged"])
    interval = f"{row['success_low']:.0%} to {row['success_high']:.0%}"
    return [f"{int(row['solved'])} of {judged}", interval]


def _time_to_target(row: pd.Series[Any]) -> list[str]:
    """Say what solving took, on the mean of the seeds that did."""
    return [cost_text(row.get(name), unit) for name, unit in _TIMES_TO_TARGET.items()]


def _endings(row: pd.Series[Any]) -> str:
    names = ("finished", "stopped_early", "diverged", "failed", "interrupted")
    parts = [f"{int(row[name])} {name.replace('_', ' ')}" for name in names if row[name]]
    return ", ".join(parts) or "-"


def _metric(value: Any) -> str:
    return "-" if _is_missing(value) else f"{value:.4f}"


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
