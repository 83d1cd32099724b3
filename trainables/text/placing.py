"""Atomic creation of a folder, also when the process is killed or the disk is full."""

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
    """Yield an empty folder beside ``folder``, renamed to it when the block ends without an error.

    If the block raises, the folder is removed. The remains of a killed process are removed by the next
    at the same place: a lock, which ends with its process, distinguishes them from folders in use.

    Args:
        folder: the final path.
        replace: whether an existing folder is replaced; otherwise it must be empty.

    Raises:
        OSError: it cannot be written, or the folder exists and may not be replaced.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder, "partial")
    if folder.exists():
        # Otherwise the old folder could be the only copy.
        _remove_abandoned(folder, "replaced")
    with _locked_folder(folder, "partial") as partial:
        yield partial
        # mkdtemp makes it accessible to its user alone.
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
    """Make a folder beside ``folder`` and hold its lock; remove its remains at the end."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=_prefix(folder, role), dir=folder.parent))
        # Before it is locked, another process can take it for abandoned and remove it.
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
