"""Markdown: texts of which nothing means anything to it, and tables; one writer for reports and exports."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from analysis.text import visible

_SPECIAL = re.compile(r"([\\`*_\[\]<>|])")
_PLAIN_NAME = re.compile(r"(?<=\w)\\_(?=\w)")
_BAR = re.compile(r"(?<!\\)\|")


def plain_text(text: str) -> str:
    """Return a text on one line, in which nothing means anything to Markdown or HTML."""
    return _escaped(" ".join(text.split()))


def coded_text(text: str) -> str:
    """Return a text on one line in which what stands between backticks is code, and nothing else means
    anything."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return plain_text(text)
    return "".join(f"`{visible(part)}`" if index % 2 else _escaped(part) for index, part in enumerate(parts))


def table_lines(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    to_right: Sequence[bool],
    *,
    written: Callable[[str], str] = plain_text,
) -> list[str]:
    """Return the lines of a table.

    Args:
        headers: one for each column.
        rows: their cells.
        to_right: which columns stand to the right, as numbers do.
        written: how a text is escaped.
    """
    lines = [_row(headers, written)]
    lines.append(f"|{'|'.join(' ---: ' if right else ' --- ' for right in to_right)}|")
    return lines + [_row(row, written) for row in rows]


def _row(cells: Sequence[str], written: Callable[[str], str]) -> str:
    # In a table, a bar is escaped even within code.
    safe = (_BAR.sub(r"\|", written(cell)) for cell in cells)
    return f"| {' | '.join(safe)} |"


def _escaped(text: str) -> str:
    escaped = (
        _SPECIAL.sub(r"\\\1", visible(text).replace("&", "&amp;"))
        .replace("\\<", "&lt;")
        .replace("\\>", "&gt;")
    )
    # Within words, an underscore means nothing, and names are easier to read without.
    return _PLAIN_NAME.sub("_", escaped)
