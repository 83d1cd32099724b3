"""JSON-lines files that a crash may have cut short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file; a last line that a crash cut short is left out.

    Raises:
        ValueError: a line before the last is not JSON.
    """
    if not path.exists():
        return []
    rows = []
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise ValueError(f"{path}:{number}: is not a row: {line[:60]!r}") from None
    return rows


def mend_last_line(path: Path) -> None:
    """Cut off a last line that a crash left incomplete, so that the next row starts on its own line."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def append_line(path: Path, line: str) -> None:
    """Append a whole line, or nothing.

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
