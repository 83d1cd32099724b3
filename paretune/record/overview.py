"""The searches in a folder at a glance: how each stands, what it found, how large and how old it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from analysis.files.layout import (
    CONFIRMATIONS_FILE,
    METRICS_FILE,
    PLAN_FILE,
    PROVENANCE_FILE,
    REPORTS_FILE,
    TRIALS_FILE,
    DamagedError,
    TrialEnding,
)
from paretune.record.run_folder import RunFolder
from search_spaces.plan import Plan

_MARKS = (PLAN_FILE, TRIALS_FILE, REPORTS_FILE, METRICS_FILE, PROVENANCE_FILE)
"""A folder with one of these is a search, or was one."""


class State(StrEnum):
    """How a search stands."""

    RUNNING = "running"
    """A process works in its folder: a search, or a confirmation."""
    ENDED = "ended"
    """Every planned trial has ended."""
    INTERRUPTED = "interrupted"
    """Trials are missing or without an end, and nobody is at work on them."""
    FAILED = "failed"
    """Every planned trial has ended, and more than half of them failed."""
    EMPTY = "empty"
    """No trial was started."""
    DAMAGED = "damaged"
    """A file of it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best value of one metric among the trials that count for it."""

    metric: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Overview:
    """One search at a glance; what cannot be read of a damaged one is None."""

    folder: Path
    state: State
    size: int
    """Bytes of all its files."""
    last_active: datetime
    """When a row of it was written last, in UTC."""
    task: str | None = None
    planned: int | None = None
    """Trials of the plan."""
    ended: int | None = None
    """Trials with an ending other than an interruption."""
    solved: int | None = None
    """Trials that solved; None without a target."""
    failed: int | None = None
    fake_gpus: int = 0
    """GPUs that Ray counted and that were not there; 0 if its trials had none such."""
    best: Best | None = None
    """The smallest size of which a trial solved; without a target, the best value of the first objective."""
    damage: str | None = None
    """What is damaged, and the way out."""


def overviews(results: Path) -> list[Overview]:
    """Return an overview of each search directly below a folder, the one that was active last first.

    Raises:
        OSError: the folder exists and cannot be read.
    """
    if not results.is_dir():
        return []
    folders = (path for path in results.iterdir() if any((path / mark).is_file() for mark in _MARKS))
    return sorted((overview(path.absolute()) for path in folders), key=lambda one: one.last_active)[::-1]


def overview(path: Path) -> Overview:
    """Return the overview of the search in a folder."""
    folder = RunFolder(path)
    size, changed = _size_and_change(path)
    try:
        plan = folder.store.plan()
        trials = list(folder.store.trials().values())
    except DamagedError as error:
        return Overview(folder=path, state=State.DAMAGED, size=size, last_active=changed, damage=str(error))
    except OSError as error:
        told = f"{error.filename or path}: cannot be read: {error.strerror or error}"
        return Overview(folder=path, state=State.DAMAGED, size=size, last_active=changed, damage=told)
    endings = [trial.get("ending") for trial in trials]
    ended = [ending for ending in endings if ending not in (None, TrialEnding.INTERRUPTED)]
    failed = ended.count(TrialEnding.FAILED)
    return Overview(
        folder=path,
        state=_state(
            in_use=folder.in_use, planned=plan.trials, started=len(trials), ended=len(ended), failed=failed
        ),
        size=size,
        last_active=max([_time(trial) or changed for trial in trials], default=changed),
        task=plan.task,
        planned=plan.trials,
        ended=len(ended),
        solved=ended.count(TrialEnding.SOLVED) if plan.target else None,
        failed=failed,
        fake_gpus=max((_count(trial.get("fake_gpus")) for trial in trials), default=0),
        best=_best(plan, trials),
    )


def _state(*, in_use: bool, planned: int, started: int, ended: int, failed: int) -> State:
    if in_use:
        return State.RUNNING
    if not started:
        return State.EMPTY
    if ended < planned:
        return State.INTERRUPTED
    return State.FAILED if 2 * failed > ended else State.ENDED


def _best(plan: Plan, trials: Iterable[Mapping[str, Any]]) -> Best | None:
    if plan.target:
        sizes = [trial["params"] for trial in trials if trial.get("ending") == TrialEnding.SOLVED]
        return Best(metric="params", value=min(sizes)) if sizes else None
    objective = plan.objectives[0]
    values = [trial[objective.metric] for trial in trials if _is_number(trial.get(objective.metric))]
    if not values:
        return None
    return Best(metric=objective.metric, value=(min if objective.direction == "min" else max)(values))


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value


def _time(trial: Mapping[str, Any]) -> datetime | None:
    """Return when a trial was last heard of; None in rows that do not say so."""
    told = trial.get("ended") or trial.get("started")
    try:
        return datetime.fromisoformat(told).astimezone(UTC) if isinstance(told, str) else None
    except ValueError:
        return None


def _size_and_change(path: Path) -> tuple[int, datetime]:
    """Return the bytes of all files of a search, and when its rows, or else its folder, changed."""
    size = 0
    # Files may vanish while a search runs.
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                size += (Path(folder) / name).lstat().st_size
            except OSError:
                continue
    times = []
    for name in (PLAN_FILE, TRIALS_FILE, REPORTS_FILE, CONFIRMATIONS_FILE, "."):
        try:
            times.append((path / name).stat().st_mtime)
        except OSError:
            continue
    return size, datetime.fromtimestamp(max(times[:-1] or times, default=0), UTC)
