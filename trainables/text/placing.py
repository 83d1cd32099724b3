"""Putting a folder in place whole or not at all, also when the process is killed or the disk is full."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def placed(folder: Path, *, replace: bool) -> Iterator[Path]:
    """Give an empty folder beside ``folder``, and rename it to that when the block has ended well.

    If the block raises, the folder is removed. What a killed process left behind is removed by the next that
    works at the same place: a lock, which ends with its process, tells it from what is being worked on.

    Args:
        folder: where the content shall be.
        replace: what is there already goes; without it, an existing folder must be empty.

    Raises:
        OSError: it cannot be written, or something is in place that may not be replaced.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder, "partial")
    if folder.exists():
        # Otherwise what was put away may be all that there is.
        _remove_abandoned(folder, "replaced")
    with _locked_folder(folder, "partial") as partial:
        yield partial
        # Until here it belonged to its user alone, as mkdtemp makes it.
        partial.chmod(0o777 & ~_umask())
        if not replace or not folder.exists():
            partial.rename(folder)
            return
        with _locked_folder(folder, "replaced") as away:
            folder.rename(away / folder.name)
            try:
                partial.rename(folder)
            except BaseException:
                (away / folder.name).rename(folder)
                raise


@contextmanager
def _locked_folder(folder: Path, role: str) -> Iterator[Path]:
    """Make a folder beside ``folder`` and hold its lock; in the end remove what is left of it."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=_prefix(folder, role), dir=folder.parent))
        # Between its making and its locking, another process may take it for abandoned and remove it.
        with suppress(FileNotFoundError):
            lock = os.open(made, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if made.exists():
                break
            os.close(lock)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(folder: Path, role: str) -> None:
    for left in folder.parent.glob(f"{_prefix(folder, role)}*"):
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)


def _prefix(folder: Path, role: str) -> str:
    return f".{folder.name}.{role}-"


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
