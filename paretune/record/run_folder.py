"""The folder of a search: how it is named, found, locked, and what lies in it."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from analysis.files.layout import PLAN_FILE, SPACE_FILE, TRIALS_FILE
from analysis.files.lines import sync_folder, write_whole
from analysis.names import shown_name
from analysis.store import RowStore
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from search_spaces.plan import Plan


class RunFolder:
    """The folder of one search, ``results/<name>``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The search's name."""
        return self.path.name

    @property
    def shown(self) -> str:
        """What to type for this search: its name, or its path where the name alone would not find it."""
        return shown_name(self.path)

    @property
    def store(self) -> RowStore:
        """The files in it, to be read and written."""
        return RowStore(self.path)

    @property
    def plan(self) -> Plan:
        """The plan that the search was started with, or last extended to.

        Raises:
            DamagedError: the file is gone or was changed into something else.
        """
        return self.store.plan()

    @classmethod
    def create(cls, results: Path, bound: BoundPlan, space_text: str) -> RunFolder:
        """Make a folder for a new search: the plan's name, with a number if that is taken.

        Raises:
            InputError: the folder cannot be written.
        """
        plan = bound.plan
        number = 1
        while True:
            name = plan.name if number == 1 else f"{plan.name}-{number}"
            try:
                results.mkdir(parents=True, exist_ok=True)
                (results / name).mkdir()
                break
            except FileExistsError:
                number += 1
            except OSError as error:
                raise InputError(f"cannot make {results / name}: {error.strerror}") from None
        folder = cls((results / name).absolute())
        write_whole(folder.path / SPACE_FILE, space_text)
        folder.store.write_metrics([asdict(metric) for metric in bound.metrics.values()])
        folder.store.write_defaults(bound.defaults)
        if bound.learned is not None:
            folder.store.write_learned(bound.learned.as_json())
        folder.store.write_plan(plan)
        sync_folder(results)
        return folder

    def remove_unused(self) -> None:
        """Remove the folder again if no trial was ever started in it, so that its name stays free."""
        if not (self.path / TRIALS_FILE).exists():
            shutil.rmtree(self.path)

    @classmethod
    def open(cls, results: Path, name: str) -> RunFolder:
        """Find a search by its name, or by the path of its folder.

        Raises:
            InputError: there is none; the message lists those there are.
        """
        for path in (results / name, Path(name)):
            # One without a plan is a search whose plan is lost, and whoever reads it says so.
            if any((path / mark).is_file() for mark in (PLAN_FILE, TRIALS_FILE)):
                return cls(path.absolute())
        there = sorted(path.parent.name for path in results.glob(f"*/{PLAN_FILE}"))
        if not there:
            raise InputError(
                f"there is no search {name!r} in {results}, nor any other; start one with `paretune search`"
            )
        close = difflib.get_close_matches(name, there, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise InputError(f"there is no search {name!r} in {results}.{hint} There is: {', '.join(there)}")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one search at a time; the lock goes with the process, however it ends.

        Raises:
            InputError: another process is searching in it.
        """
        try:
            with self._lock:
                yield
        except Timeout:
            raise InputError(
                f"{self.name} is in use by another process, a search or a confirmation; wait for it"
            ) from None

    def require_resumable(self) -> None:
        """Check that a search can be resumed: nobody else is in its folder, and it can be written.

        Raises:
            InputError: one of the two does not hold.
        """
        if not os.access(self.path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise InputError(
                f"{self.path} is read-only, so its search cannot be resumed; copy the folder to a place "
                "that you may write, and resume the copy"
            )
        # For a moment only; the session takes the lock for itself. Refused here, nobody waits for Ray.
        with self.locked():
            pass

    @property
    def has_rows(self) -> bool:
        """Whether at least one trial was started."""
        return (self.path / TRIALS_FILE).is_file()

    @property
    def in_use(self) -> bool:
        """Whether another process works in the folder now: a search, or a confirmation."""
        if not os.access(self.path / ".lock", os.W_OK):
            # Nobody ever worked in it, or nobody can: an unlocked folder, or one that cannot be written.
            return False
        try:
            with self._lock:
                return False
        except Timeout:
            return True

    @property
    def _lock(self) -> FileLock:
        """A lock of its own at each call, so that this process can be refused by itself too."""
        return FileLock(self.path / ".lock", blocking=False)

    def require_rows(self) -> None:
        """Check that at least one trial was started.

        Raises:
            InputError: there is none.
        """
        if not self.has_rows:
            raise InputError(f"{self.name} has no trials yet; resume it with `paretune resume {self.shown}`")
