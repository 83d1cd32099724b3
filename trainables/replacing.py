"""Atomic writes: a file is complete or absent, however writing ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path``; once complete on disk, it is renamed to ``path``.

    On an error nothing is left behind, and an older file is unchanged.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    # With the process in its name: several processes can write the same file.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
