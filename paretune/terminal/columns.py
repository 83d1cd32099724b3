"""Columns of plain text: as wide as their longest cell, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from analysis.text import is_numeric

GAP = 2
"""Blanks between columns."""


def width_of(headers: Sequence[str], rows: Sequence[Sequence[str]], *, folds_headers: bool = False) -> int:
    """Return how wide columns are together; with headers folded between words if wanted, and never cells."""
    return sum(_widths(_folded(headers, folds_headers), rows)) + GAP * (len(headers) - 1)


def aligned(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, folds_headers: bool = False
) -> tuple[list[str], list[str]]:
    """Return the lines of the headers and those of the rows, one for each, without blanks at their ends.

    Args:
        headers: one for each column.
        rows: their cells; a newline in a cell becomes a blank.
        folds_headers: whether headers are folded between words.
    """
    cells = [[" ".join(cell.splitlines()) for cell in row] for row in rows]
    heads = _folded(headers, folds_headers)
    widths = _widths(heads, cells)
    to_right = [is_numeric([row[index] for row in cells]) for index in range(len(headers))]
    height = max(map(len, heads), default=0)
    head_rows = [[head[level] if level < len(head) else "" for head in heads] for level in range(height)]

    def line(row: Sequence[str]) -> str:
        padded = (
            " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(row, widths, to_right, strict=True)
        )
        return (" " * GAP).join(padded).rstrip()

    return [line(row) for row in head_rows], [line(row) for row in cells]


def _folded(headers: Sequence[str], folds: bool) -> list[list[str]]:
    return [(header.split() if folds else [header]) or [""] for header in headers]


def _widths(heads: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        max([cell_len(word) for word in head] + [cell_len(row[index]) for row in rows])
        for index, head in enumerate(heads)
    ]
