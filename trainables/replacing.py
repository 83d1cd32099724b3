"""Files that are there whole or not at all, whatever ends the writing of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` to write to; once all of it is on disk, it takes that place.

    If it does not come to that, nothing is left behind, and an older file stays as it was.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    # With the process in its name: several may be writing the same one.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
