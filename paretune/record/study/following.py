"""A file of rows that grows, read on from where it was read last."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

from analysis.files.lines import damaged_line, no_row, row_of


class Followed:
    """The rows of a file to which somebody may append.

    A line that is not whole yet, or that a crash cut short, is left for the next time.

    Args:
        path: the file, which need not exist yet.
        keys: what every row has.
    """

    def __init__(self, path: Path, keys: Collection[str] = ()) -> None:
        self._path = path
        self._keys = keys
        self._file: int | None = None
        self._offset = 0
        self._lines = 0

    def read_on(self) -> tuple[bool, list[dict[str, Any]]]:
        """Return whether the file is another one than before, and the rows that are new.

        Raises:
            DamagedError: a whole line is not a row; the message names file and line.
            OSError: the file cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                return self._rows_in(file)
        except FileNotFoundError:
            is_gone = self._file is not None
            self._file, self._offset, self._lines = None, 0, 0
            return is_gone, []

    def _rows_in(self, file: BinaryIO) -> tuple[bool, list[dict[str, Any]]]:
        status = os.fstat(file.fileno())
        is_other = self._file not in (None, status.st_ino) or status.st_size < self._offset
        if is_other:
            self._offset, self._lines = 0, 0
        self._file = status.st_ino
        if status.st_size == self._offset:
            return is_other, []
        file.seek(self._offset)
        whole = file.read()
        whole = whole[: whole.rfind(b"\n") + 1]
        rows = []
        for number, line in enumerate(whole.split(b"\n")[:-1], start=self._lines + 1):
            row = row_of(line)
            if row is None or any(key not in row for key in self._keys):
                raise damaged_line(self._path, number, no_row(line))
            rows.append(row)
        self._offset += len(whole)
        self._lines += len(rows)
        return is_other, rows
