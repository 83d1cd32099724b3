"""JSON-lines files that a crash may have cut short."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.layout import DamagedError


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file; a last line that a crash cut short is left out.

    Raises:
        DamagedError: a line before the last is not a row; the message names file and line.
    """
    return [row for _, row in numbered_rows(path)]


def numbered_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what :func:`read_lines` returns, row by row, each with the number of its line, counted from 1.

    Raises:
        DamagedError: as there.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        broken: tuple[int, bytes] | None = None
        for number, line in enumerate(file, start=1):
            if broken is not None:
                told = broken[1].rstrip(b"\n").decode(errors="replace")[:60]
                raise DamagedError(
                    f"{path}:{broken[0]}: is not a row: {told!r}; remove this line to read the others"
                )
            row = row_of(line)
            if row is None:
                broken = number, line
            else:
                yield number, row


def row_of(line: bytes) -> dict[str, Any] | None:
    """Return the row in a line, or None if it is not one, or not a whole one."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # also bytes that are no UTF-8
        return None
    return row if isinstance(row, dict) else None


def mend_last_line(path: Path) -> None:
    """Cut off a last line that a crash left incomplete, so that the next row starts on its own line."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all, also when the power fails.

    Raises:
        OSError: it cannot be written; an older file is as it was.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Append a line atomically.

    Raises:
        OSError: the line cannot be written; the file is as it was.
    """
    # Opened for every line: no descriptor to lose, and a full disk shows at the line it hits.
    with path.open("ab", buffering=0) as file:
        begin = file.tell()
        left = line.encode() + b"\n"
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(begin)
            raise
