"""Printing: one way to make a console, a table, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from analysis.text import cell_text, is_numeric, visible
from paretune.terminal.columns import aligned, width_of

_WIDTH_OF_FILES = 1000
"""Wide enough that nothing is folded in a file or a pipe."""


class _Console(Console):
    """Shows the letters of a text and obeys none: rows, plans and errors hold texts of other people."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, with control characters in texts made visible; Rich lets those through that colour."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))


def make_console(*, to_stderr: bool = False) -> Console:
    """Return a console; colour and live tables only on a terminal, wide lines in files and pipes."""
    stream = sys.stderr if to_stderr else sys.stdout
    return _Console(
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
    """Print rows as a table, numbers to the right.

    On a terminal, headers, and if wanted cells, are folded between words. In files and pipes a row is a line,
    however long.
    """
    if title:
        # Rich would fold a table's own title to the width of its columns.
        console.print(title, style="italic")
    # A row is a line, whatever is in it.
    cells = [[cell_text(value).replace("\n", " ") for value in row] for row in rows]
    if not console.is_terminal:
        console.print(
            "\n".join([line for lines in aligned(columns, cells) for line in lines]), soft_wrap=True
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    is_tight = not folds_cells and width_of(columns, cells) > console.width
    for index, name in enumerate(columns):
        down = [row[index] for row in cells]
        least = max((len(word) for word in name.split()), default=0)
        # Rich would take too little from some columns and cut off the last.
        width = max([least, *map(len, down)]) if is_tight else None
        justify = "right" if is_numeric(down) else "left"
        table.add_column(name, justify=justify, min_width=least, width=width)  # type: ignore[arg-type]
    for row in cells:
        table.add_row(*row)
    console.print(table)
