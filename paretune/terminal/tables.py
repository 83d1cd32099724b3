"""Tables of configurations, on whatever width there is: what does not fit beside goes below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.text import values_text
from paretune.terminal.printing import configuration_rows, print_rows, searched_values

if TYPE_CHECKING:
    import pandas as pd

    from analysis.rows import SearchRows

_NOTHING = ("", "-")
_MOVABLE = ("other endings", "CPU per success", "steps per success", "expected rate", "95 % interval")
"""Columns that go below too where even the numbers do not fit, the first of them first."""


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
    if not console.is_terminal or _least_width(headers, cells) <= console.width:
        print_rows(console, headers, cells, folds_cells=False)
        return
    numbers = [str(line[headers.index("configuration")]) for line in cells]
    headers, cells = headers[:-1], [line[:-1] for line in cells]
    moved: list[list[str]] = [[] for _ in cells]
    for name in _MOVABLE:
        if name in headers and _least_width(headers, cells) > console.width:
            index = headers.index(name)
            for line, below in zip(cells, moved, strict=True):
                text = str(line.pop(index))
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


def _least_width(headers: Sequence[str], cells: Sequence[Sequence[Any]]) -> int:
    """Return the columns that a table needs if headers are folded between words, and cells are not."""
    widths = [
        max([len(word) for word in name.split()] + [len(str(line[index])) for line in cells])
        for index, name in enumerate(headers)
    ]
    return sum(widths) + 2 * (len(widths) - 1)
