"""JSON-lines files that a crash may have cut short, and files that are whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from analysis.files.layout import DamagedError
from analysis.names import shown_name


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON-lines file; a last line that a crash cut short is left out, as it has no end.

    Raises:
        DamagedError: another line is not a row; the message names file and line.
    """
    return [row for _, row in numbered_rows(path)]


_HEAD = b'{"trial": "'
"""How rows of trials and reports begin."""


def numbered_rows(path: Path, labels: Collection[str] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what :func:`read_lines` returns, row by row, each with the number of its line, counted from 1.

    Args:
        path: the file.
        labels: the trials whose rows are wanted; None for all. Of others, some may come too.

    Raises:
        DamagedError: as there.
    """
    wanted = None if labels is None else {label.encode() for label in labels}
    broken: tuple[int, bytes] | None = None
    for number, line in numbered_lines(path):
        if wanted is not None and line.startswith(_HEAD):
            # A tenth of the time that it takes to parse the line.
            label = line[len(_HEAD) : line.find(b'"', len(_HEAD))]
            if label not in wanted and b"\\" not in label:
                continue
        if broken is not None:
            raise damaged_line(path, broken[0], no_row(broken[1]))
        row = row_of(line)
        if row is None:
            broken = number, line
        else:
            yield number, row
    if broken is not None and is_damaged_last(broken[1]):
        raise damaged_line(path, broken[0], no_row(broken[1]))


def is_damaged_last(line: bytes) -> bool:
    """Tell whether a last line that is not a row is damaged: one that a crash cut short, or that is being
    written, lacks its end; an empty one has nothing that could be lost."""
    return line.endswith(b"\n") and bool(line.strip())


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, counted from 1; none if there is no file."""
    if path.exists():
        with path.open("rb") as file:
            yield from enumerate(file, start=1)


def row_of(line: bytes) -> dict[str, Any] | None:
    """Return the row in a line, or None if it is not one, or not a whole one."""
    try:
        row = json.loads(line)
        if b"\\u" in line:
            json.dumps(row, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError):  # also bytes that are no UTF-8
        return None
    return row if isinstance(row, dict) else None


def no_row(line: bytes) -> str:
    """Return what is wrong with a line that is not a row."""
    told = line[:240].rstrip(b"\n").decode(errors="replace")[:60]
    return f"is not a row: {told!r}"


def damaged_line(path: Path, number: int, what: str) -> DamagedError:
    """Return the error that a line of a search's rows is damaged, with the way out."""
    return DamagedError(
        f"{path}:{number}: {what}; `paretune repair {shown_name(path.parent)}` sets this line aside"
    )


def mend_last_line(path: Path) -> None:
    """Make a last line that a crash left without its end whole, or cut it off: the next row needs its own."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        begin, tail = size, b""
        while begin and b"\n" not in tail:
            begin = max(0, begin - (1 << 16))
            file.seek(begin)
            tail = file.read(size - begin)
        if not tail or tail.endswith(b"\n"):
            return
        last = tail.rfind(b"\n") + 1
        if row_of(tail[last:]) is None:
            file.truncate(begin + last)
        else:
            file.seek(size)
            file.write(b"\n")


def rewrite_lines(path: Path, keep: Callable[[int, bytes], bool]) -> None:
    """Leave some lines of a file out: it is replaced as a whole, or stays as it was.

    Args:
        path: the file.
        keep: is given each line with its number, and tells whether it stays.

    Raises:
        OSError: it cannot be written; it is as it was.
    """
    with _replacing(path) as file:
        for number, line in numbered_lines(path):
            if keep(number, line):
                file.write(line if line.endswith(b"\n") else line + b"\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all, also when the power fails.

    Raises:
        OSError: it cannot be written; an older file is as it was.
    """
    with _replacing(path) as file:
        file.write(text.encode())


def append_line(path: Path, line: str) -> None:
    """Append a line atomically; :func:`sync_file` makes sure that a power cut does not lose it.

    Raises:
        OSError: the line cannot be written; the file is as it was.
    """
    # Opened for every line: no descriptor to lose, and a full disk shows at the line it hits.
    with _named(path), path.open("ab", buffering=0) as file:
        begin = file.tell()
        left = line.encode() + b"\n"
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            file.truncate(begin)
            raise
    if not begin:
        sync_folder(path.parent)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of another once it is on the disk, or leaves no trace."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with _named(path):
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error say which file it was: the system does not when a disk is full."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def sync_file(path: Path) -> None:
    """Wait until what was written to a file is on the disk.

    Raises:
        OSError: the disk did not take it.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where its file system can say so."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
