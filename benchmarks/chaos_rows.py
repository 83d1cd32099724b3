"""The rows of a search while it runs and is killed: what runs, how far it came, and where it went on from."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.files.layout import REPORTS_FILE, TRIALS_FILE

_IN_FLIGHT_S = 3.0
"""So long after a kill a report may still arrive that was sent before it."""


@dataclass(kw_only=True)
class Kill:
    """One kill, and what came of it."""

    kind: str
    search: str
    at: float
    """Seconds after the session's first trial began, or after the kill before; after the start, if early."""
    early: bool
    """Whether it came while the command was starting."""
    running: int = 0
    """Trials that ran."""
    seconds: float | None = None
    """Until the command ended, or the search went on."""
    code: int | None = None
    """What the command ended with; None if it went on."""
    said: str = ""
    """The command's last words, if it ended."""
    hung: bool = False
    """Whether it neither ended nor went on."""
    steps_lost: list[int] = field(default_factory=list)
    """For each trial that ran and went on: steps from the last report before to where it went on."""


@dataclass
class _Trial:
    row: dict[str, Any] = field(default_factory=dict)
    steps: set[int] = field(default_factory=set)
    last: int = 0
    begun_anew: bool = False
    attempts: int = 0


class _Lines:
    """The complete lines that a file gets."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._inode = 0

    def new(self) -> list[dict[str, Any]]:
        """Return what was appended since the last time; what is no row is left out."""
        try:
            with self._path.open("rb") as file:
                inode, size = _identity(file.fileno())
                if (inode != self._inode and self._inode) or size < self._at:
                    # It was repaired: what it held before is known.
                    self._inode, self._at = inode, size
                    return []
                self._inode = inode
                file.seek(self._at)
                content = file.read()
        except FileNotFoundError:
            return []
        end = content.rfind(b"\n") + 1
        self._at += end
        return [row for line in content[:end].splitlines() if (row := _row(line)) is not None]


def _identity(descriptor: int) -> tuple[int, int]:
    state = os.fstat(descriptor)
    return state.st_ino, state.st_size


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "trial" in row else None


class Rows:
    """What the rows of a search say as they come, across its sessions.

    Args:
        folder: the search's folder, which may not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._trials: dict[str, _Trial] = {}
        self._pending: dict[str, tuple[Kill, float]] = {}
        self._lines = {name: _Lines(folder / name) for name in (TRIALS_FILE, REPORTS_FILE)}
        self.session = 0
        """The newest session that has a row."""
        self.begun = 0
        """How often a trial began, or began again; of each trial: :meth:`attempts`."""
        self.grown_at = time.monotonic()
        """When the last row came."""

    def read(self) -> None:
        """Take note of new rows."""
        began, said = (self._lines[name].new() for name in (TRIALS_FILE, REPORTS_FILE))
        for row in began:
            self._note_trial(row)
        for row in said:
            self._note_report(row)
        if began or said:
            self.grown_at = time.monotonic()

    def ended(self) -> int:
        """Return how many trials have an ending."""
        return sum(trial.row.get("ending") not in (None, "interrupted") for trial in self._trials.values())

    def running(self) -> list[str]:
        """Return the trials that run in the newest session."""
        return [
            label
            for label, trial in self._trials.items()
            if trial.row.get("ending") is None
            and trial.row.get("session") == self.session
            and trial.row.get("started")
            and not trial.row.get("paused")
        ]

    def attempts(self, labels: Iterable[str]) -> list[int]:
        """Return how often each of these trials began."""
        return [self._trials[label].attempts for label in labels]

    def hit(self, labels: list[str], kill: Kill) -> None:
        """Let what these trials lose be laid to a kill, if they go on from a checkpoint."""
        for label in labels:
            # One that said nothing since the kill before lost its steps to that one.
            self._pending.setdefault(label, (kill, datetime.now(UTC).timestamp()))

    def _note_trial(self, row: dict[str, Any]) -> None:
        trial = self._trials.setdefault(row["trial"], _Trial())
        started = row.get("started")
        if started and started != trial.row.get("started"):
            trial.begun_anew = True
            trial.attempts += 1
            self.begun += 1
        trial.row = row
        self.session = max(self.session, int(row.get("session") or 0))

    def _note_report(self, row: dict[str, Any]) -> None:
        trial, step = self._trials.setdefault(row["trial"], _Trial()), int(row.get("step") or 0)
        if row["trial"] in self._pending:
            kill, when = self._pending[row["trial"]]
            if trial.begun_anew:
                from_step = max((known for known in trial.steps if known < step), default=0)
                kill.steps_lost.append(max(0, trial.last - from_step) if step <= trial.last else 0)
                del self._pending[row["trial"]]
            elif _seconds(row.get("at")) > when + _IN_FLIGHT_S:
                # It was not hit: another worker was.
                del self._pending[row["trial"]]
        trial.begun_anew = False
        trial.steps.add(step)
        trial.last = step


def _seconds(moment: Any) -> float:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return 0.0
