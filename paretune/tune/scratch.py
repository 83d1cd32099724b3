"""Temporary files of a search: where they lie, and how what a killed search left there is cleared away.

Every process that searches has a folder of its own, with a lock that goes with the process however it ends.
So whoever starts next can tell what nobody needs any more, also of a container with process ids of its own.
"""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

VARIABLE = "PARETUNE_SCRATCH"
"""Names the folder of a search to the processes that it starts, and so marks them as its own."""

_KEPT = 3
"""So many folders of searches that are over keep Ray's logs; of the others nothing stays."""

_LONGEST = 29
"""Characters of the path of all folders: Ray's sockets lie below, and their paths must not exceed 107."""

_LOCK = "lock"
_TRIALS = "trials"
_CLEARED = "cleared"
"""Marks a folder in which nothing but logs is left, and no process runs any more."""

_UNLOCKED_FOR_S = 60.0
"""A folder without a lock is as old as this before it counts as left behind."""

_ENDS_WITHIN_S = 3.0
"""So long a process may take to end before it is killed."""


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    """What lies in the temporary folders of searches."""

    folder: Path
    sessions: int
    """Folders of searches, those that still run included."""
    running: int
    """Searches that still run."""
    size: int
    """Bytes in all."""


class _Claimed:
    """This process's folder, once it has one."""

    pid: int = 0
    """The process that has it: a fork has none."""
    folder: Path | None = None
    lock: FileLock | None = None


def base_folder() -> Path:
    """Return this user's folder of all of them: below TMPDIR, or /tmp where that is too long."""
    name = f"paretune-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}"
    chosen = Path(tempfile.gettempdir()) / name
    return chosen if len(str(chosen)) <= _LONGEST else Path("/tmp") / name


def session_folder() -> Path:
    """Return this process's temporary folder, which is made and locked at the first call.

    Raises:
        OSError: it cannot be written.
    """
    if _Claimed.folder is not None and _Claimed.pid == os.getpid() and _Claimed.folder.is_dir():
        return _Claimed.folder
    base = _made_base()
    while True:
        folder = Path(tempfile.mkdtemp(prefix="s", dir=base))
        lock = FileLock(folder / _LOCK, blocking=False)
        with suppress(Timeout, FileNotFoundError):
            lock.acquire()
            if folder.is_dir():
                break
    _Claimed.pid, _Claimed.folder, _Claimed.lock = os.getpid(), folder, lock
    return folder


def scratch_folder() -> Path:
    """Return a folder for temporary files of a trial; the next search clears away what a killed one left.

    In a worker of a local search it is the search's own. On another machine it is one of the worker's.

    Raises:
        OSError: it cannot be written.
    """
    given = os.environ.get(VARIABLE)
    session = Path(given) if given and Path(given).is_dir() else session_folder()
    folder = session / _TRIALS
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def marked(session: Path) -> Iterator[None]:
    """Mark processes that are started inside as those of a session."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(session)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def clear_away() -> None:
    """Remove what searches that are over left behind: their processes, and all but the logs of the newest.

    What cannot be removed stays, without an error: it is in nobody's way.
    """
    over = []
    for folder in _sessions():
        lock = _left_behind(folder)
        if lock is not None:
            over.append((folder, lock))
    for place, (folder, lock) in enumerate(over):
        try:
            if not (folder / _CLEARED).exists():
                end_processes_of(folder)
                _keep_logs(folder)
            if place >= _KEPT:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()


def end_processes_of(session: Path) -> int:
    """End the processes of Ray that belong to a session and still run; return how many there were.

    A process belongs to it if it was started with the session's mark, names the folder in its command line,
    or has a file in it open; and it has to be one of Ray's, so that nothing else is ended that inherited the
    mark.
    """
    found = [process for process in psutil.process_iter() if _belongs_to(process, str(session))]
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=_ENDS_WITHIN_S)
    return len(found)


def left_behind() -> LeftBehind:
    """Return what lies there now."""
    sessions = _sessions()
    running = 0
    for folder in sessions:
        lock = _left_behind(folder)
        if lock is None:
            running += 1
        else:
            lock.release()
    return LeftBehind(
        folder=base_folder(),
        sessions=len(sessions),
        running=running,
        size=sum(_size(path) for session in sessions for path in session.rglob("*")),
    )


def _made_base() -> Path:
    """Return the folder of all, made for this user alone.

    Raises:
        PermissionError: somebody else made it, who could then read and change what is in it.
    """
    base = base_folder()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_ours(base):
        raise PermissionError(
            1, "this folder for temporary files belongs to somebody else; set TMPDIR to another", str(base)
        )
    return base


def _is_ours(base: Path) -> bool:
    """Tell whether the folder of all is this user's, and no link that somebody else made.

    A link could lead into another folder of this user, in which what looks like a session would be cleared.
    """
    return not hasattr(os, "getuid") or base.lstat().st_uid == os.getuid()


def _sessions() -> list[Path]:
    """Return the folders of sessions, the newest first; none of a place that is somebody else's."""
    dated: list[tuple[float, Path]] = []
    if not base_folder().is_dir() or not _is_ours(base_folder()):
        return []
    for folder in base_folder().glob("s*"):
        with suppress(OSError):
            if folder.is_dir() and not folder.is_symlink():
                dated.append((folder.stat().st_mtime, folder))
    return [folder for _, folder in sorted(dated, reverse=True)]


def _left_behind(folder: Path) -> FileLock | None:
    """Return a folder's lock, taken, if its process is gone; None if it runs."""
    path = folder / _LOCK
    try:
        if not path.exists() and time.time() - folder.stat().st_mtime < _UNLOCKED_FOR_S:
            return None  # being made at this moment
        lock = FileLock(path, blocking=False)
        lock.acquire()
    except (Timeout, OSError):
        return None
    return lock


def _keep_logs(folder: Path) -> None:
    """Remove everything from a session's folder but Ray's logs."""
    logs = [path for path in folder.glob("ray/session_*/logs") if not path.parent.is_symlink()]
    for path in [*folder.iterdir(), *folder.glob("ray/*"), *folder.glob("ray/session_*/*")]:
        if path.name == _LOCK or any(log == path or log.is_relative_to(path) for log in logs):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    with suppress(OSError):
        (folder / _CLEARED).touch()


def _belongs_to(process: psutil.Process, session: str) -> bool:
    try:
        command = process.cmdline()
        if process.pid == os.getpid() or not any("ray" in word for word in command[:4]):
            return False
        if any(session in word for word in command):
            return True
        if process.environ().get(VARIABLE) == session:
            return True
        # Ray's agents write their titles over their environment; their logs are in the session's folder.
        return any(Path(file.path).is_relative_to(session) for file in process.open_files())
    except (psutil.Error, OSError):
        return False


def _size(path: Path) -> int:
    with suppress(OSError):
        return 0 if path.is_symlink() else path.lstat().st_size
    return 0
