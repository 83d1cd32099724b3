"""The processes of a drill: known by the folder that they work in, found by what they do, ended by id."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "PARETUNE_DRILL"
"""The variable that every process of a drill inherits; its value is the drill's folder."""

_AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


def belonging_to(folder: Path) -> list[psutil.Process]:
    """Return the living processes of the drill in ``folder``, whatever became of their parents."""
    return [process for process in psutil.process_iter() if _belongs(process, str(folder))]


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if environment := _environment(process):
            return environment.get(MARK) == folder
        # Some of Ray's processes write their title over their environment; their logs tell where they belong.
        return any(f"{folder}/" in word for word in process.cmdline()) or any(
            file.path.startswith(f"{folder}/") for file in process.open_files()
        )
    except psutil.Error:
        return False


def _environment(process: psutil.Process) -> dict[str, str]:
    found: dict[str, str] = {}
    with suppress(psutil.Error, ValueError, UnicodeError):
        found = {name: value for name, value in process.environ().items() if name}
    return found if "PATH" in found else {}


def title_of(process: psutil.Process) -> str:
    """Return what a process calls itself, in a few words."""
    try:
        words = process.cmdline()
        return " ".join(word.rpartition("/")[2] for word in words)[:80] or process.name()
    except psutil.Error:
        return "ended meanwhile"


def drivers(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that run ``paretune``, the newest last: the one that drives the search."""
    found = [process for process in processes if _words(process)[1:3] == ["-m", "paretune"]]
    return sorted(found, key=lambda process: (process.create_time(), process.pid))


def workers(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the Ray workers that hold a trial, or held one a moment ago."""
    titles = {process: "".join(_words(process)[:1]) for process in processes}
    return [
        process
        for process, title in titles.items()
        if title.startswith("ray::") and not title.startswith(("ray::IDLE", *_AGENTS))
    ]


def named(name: str) -> Callable[[Iterable[psutil.Process]], list[psutil.Process]]:
    """Return what finds the processes of one of Ray's programs, such as ``raylet``."""

    def find(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
        return [process for process in processes if "".join(_words(process)[:1]).rpartition("/")[2] == name]

    return find


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def end(processes: Sequence[psutil.Process]) -> None:
    """Kill processes, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    until = time.monotonic() + 10
    # Whose children they are is to learn how they ended, so they are not waited for as one's own.
    while any(map(_lives, processes)) and time.monotonic() < until:
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def end_all_of(folder: Path) -> None:
    """Kill all processes of the drill in ``folder``, those included that others start meanwhile."""
    for _ in range(5):
        if not (left := belonging_to(folder)):
            return
        end(left)


def tree_of(pid: int) -> list[psutil.Process]:
    """Return a process and all that descend from it."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def gone_within(folder: Path, seconds: float) -> list[psutil.Process]:
    """Return the processes of a drill that are still there after some seconds; returns as soon as none is."""
    until = time.monotonic() + seconds
    while (left := belonging_to(folder)) and time.monotonic() < until:
        time.sleep(0.5)
    return left


_KEPT_SESSIONS = 3
"""Folders of earlier commands that may stay, with Ray's logs."""


def left_in(folder: Path, earlier: Collection[str]) -> list[str]:
    """Return what commands left among the temporary files of a drill, beyond logs of the newest ones.

    Args:
        folder: the drill's folder.
        earlier: what :func:`temporary_in` returned before the last command, which was to clear away.
    """
    temporary = folder / "t"
    known = (f"paretune-{os.getuid()}", "ray")
    left = [path for path in temporary.iterdir() if path.name not in known]
    stayed = [folder / name for name in temporary_in(folder) if name in earlier]
    left += stayed[:-_KEPT_SESSIONS]
    left += [path for session in stayed[-_KEPT_SESSIONS:] for path in session.glob("trials/*")]
    return [str(path.relative_to(temporary)) for path in left]


def temporary_in(folder: Path) -> list[str]:
    """Return the folders of commands among the temporary files of a drill, the newest last."""
    found = [*folder.glob(f"t/paretune-{os.getuid()}/s*"), *folder.glob("t/ray/session_2*")]
    folders = [path for path in found if path.is_dir()]
    return [str(path.relative_to(folder)) for path in sorted(folders, key=lambda path: path.stat().st_mtime)]


def clear(folder: Path) -> None:
    """Remove all temporary files of a drill; nothing of it runs."""
    shutil.rmtree(folder / "t", ignore_errors=True)
    (folder / "t").mkdir(exist_ok=True)


def kernels_of(folder: Path) -> Path:
    """Return where a drill's kernels are: where the environment says, else in its own folder."""
    return Path(os.environ.get("PARETUNE_CACHE", folder / "kernels"))


def environment_in(folder: Path) -> dict[str, str]:
    """Return the environment of the drill's commands: everything that they leave lies below ``folder``."""
    (folder / "t").mkdir(exist_ok=True)
    root = str(Path(__file__).resolve().parents[1])
    return {
        **os.environ,
        MARK: str(folder),
        "TMPDIR": str(folder / "t"),
        "PYTHONPATH": root,
        "PARETUNE_CACHE": str(kernels_of(folder)),
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
