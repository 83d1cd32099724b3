"""Tables of configurations, on whatever width there is: what does not fit beside goes below."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.text import between, duration, rounded_percent, values_text
from paretune.terminal.columns import width_of
from paretune.terminal.printing import print_rows

if TYPE_CHECKING:
    import pandas as pd

    from analysis.rows import SearchRows

_NOTHING = ("", "-")
_MOVABLE = ("other endings", "CPU per success", "steps per success", "expected rate", "95 % interval")
"""Columns that go below too where even the numbers do not fit, the first of them first."""

_USUAL_COSTS = ("steps_to_target", "cpu_seconds_to_target")
"""Costs of a success that tables show wherever there is a target."""

_MOST_VALUES = 6
"""So many final values are written one by one; of more, the least and the most."""


def print_configurations(
    console: Console,
    rows: SearchRows,
    table: pd.DataFrame,
    *,
    first: Sequence[str],
    costs: Sequence[str],
) -> None:
    """Print configurations, one a row, without the columns that say nothing of any.

    In files and pipes a row is a line. Where a terminal is too narrow for that, the values are
    listed below by number: those in which configurations differ, then those that all have.

    Args:
        console: where to print; its width decides.
        rows: the search.
        table: its configurations, at least one.
        first: columns that come before all others; "configuration" must be among them.
        costs: costs to be shown.
    """
    headers, cells = configuration_rows(rows, table, first=first, costs=costs)
    said = [index for index in range(len(headers)) if any(line[index] not in _NOTHING for line in cells)]
    headers, cells = [headers[index] for index in said], [[line[index] for index in said] for line in cells]
    if not console.is_terminal or width_of(headers, cells, folds_headers=True) <= console.width:
        print_rows(console, headers, cells, folds_cells=False)
        return
    numbers = [line[headers.index("configuration")] for line in cells]
    headers, cells = headers[:-1], [line[:-1] for line in cells]
    moved: list[list[str]] = [[] for _ in cells]
    for name in _MOVABLE:
        if name in headers and width_of(headers, cells, folds_headers=True) > console.width:
            index = headers.index(name)
            for line, below in zip(cells, moved, strict=True):
                text = line.pop(index)
                if text not in _NOTHING:
                    below.append(text if name == "other endings" else f"{name} {text}")
            headers.pop(index)
    print_rows(console, headers, cells, folds_cells=False)
    _print_below(console, numbers, moved, [searched_values(rows, row) for _, row in table.iterrows()])


def _print_below(
    console: Console, numbers: list[str], moved: list[list[str]], values: list[dict[str, Any]]
) -> None:
    """Print what did not fit, by the configurations' numbers."""
    shared = {
        name: value
        for name, value in values[0].items()
        if len(values) > 1 and all(other.get(name) == value for other in values)
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for number, texts, known in zip(numbers, moved, values, strict=True):
        own = values_text({name: value for name, value in known.items() if name not in shared})
        table.add_row(number, Text("; ".join([*texts, own])))
    if shared:
        table.add_row("all", Text(values_text(shared)))
    console.print("\nconfigurations:", style="bold")
    console.print(table)


def configuration_rows(
    rows: SearchRows, table: pd.DataFrame, *, first: Sequence[str] = (), costs: Sequence[str] = ()
) -> tuple[list[str], list[list[str]]]:
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
    columns: dict[str, Callable[[pd.Series[Any]], str]] = {}
    for name in first:
        columns[name.replace("_", " ")] = partial(_whole, name=name)
    if rows.plan.baselines:
        columns["baseline"] = lambda row: "" if _is_missing(row["baseline"]) else str(row["baseline"])
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


def strip_text(values: Sequence[float]) -> str:
    """Write final values of a share in rising order: ``0.05 1.00 1.00``; of many, the least and the most.

    Rounded down: what is below a target stays below it, and 1.00 is all.
    """
    texts = [f"{math.floor(100 * value + 1e-9) / 100:.2f}" for value in values]
    if len(texts) > _MOST_VALUES:
        return f"{texts[0]} to {texts[-1]}"
    return " ".join(texts) or "-"


def _whole(row: pd.Series[Any], *, name: str) -> str:
    return str(int(row[name]))


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
    return rounded_percent(row["expected_rate"])


def _confirmed(row: pd.Series[Any]) -> str:
    seeds = int(row["confirmed_seeds"])
    return f"{int(row['confirmed_solved'])} of {seeds}" if seeds else "-"


def _cost(row: pd.Series[Any], *, cost: str, unit: str) -> str:
    value = row.get(cost)
    if value is None or _is_missing(value):
        return "-"
    return duration(value) if unit == "s" else f"{value:,.0f}"


def _endings(row: pd.Series[Any]) -> str:
    names = ("finished", "stopped_early", "diverged", "failed", "interrupted")
    parts = [f"{int(row[name])} {name.replace('_', ' ')}" for name in names if row[name]]
    return ", ".join(parts) or "-"


def _is_missing(value: Any) -> bool:
    return bool(value is None or value != value)
