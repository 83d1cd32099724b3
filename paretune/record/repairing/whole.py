"""Files that are written whole: what is damaged is set aside, and made anew from what else is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.files.layout import (
    DAMAGED_SUFFIX,
    DEFAULTS_FILE,
    METRICS_FILE,
    PLAN_FILE,
    PROVENANCE_FILE,
    DamagedError,
    NewerError,
)
from analysis.files.lines import sync_folder
from analysis.store import RowStore
from paretune.plan.binding import bind
from paretune.record.repairing.planning import plan_of_sessions


def repair_provenance(store: RowStore) -> tuple[list[str], list[dict[str, Any]]]:
    """Set a damaged ``provenance.json`` aside; return what was done, and what is known of the sessions.

    Raises:
        NewerError: a newer version wrote it, and so all of the folder.
        DamagedError: it cannot be read at all.
    """
    told = _set_aside_if_damaged(
        store, PROVENANCE_FILE, store.sessions, "what it said of earlier sessions is lost"
    )
    return told, store.sessions()


def repair_plan(store: RowStore, sessions: Sequence[dict[str, Any]]) -> list[str]:
    """Make a damaged or missing ``plan.json`` anew, if it is certain what it said; say what was done.

    Raises:
        DamagedError: it is not certain, with the reason.
    """
    try:
        store.plan()
    except NewerError:
        raise
    except DamagedError as error:
        path = store.folder / PLAN_FILE
        _require_readable(path, error)
        found, source = plan_of_sessions(store, sessions, error)
        was = "was missing" if not path.exists() else f"was damaged, is set aside in {_set_aside(path)},"
        store.write_plan(found)
        return [f"{PLAN_FILE} {was} and was made anew from {source}."]
    return []


def repair_rest(store: RowStore, told: list[str], *, allow_task_code: bool) -> None:
    """Make damaged lists of metrics and defaults anew, and set reports of retraining aside that are damaged.

    Args:
        store: the files of the search.
        told: what was done is added to it.
        allow_task_code: whether the task may be code that the plan names.

    Raises:
        DamagedError: what was learned from earlier searches is damaged; nothing can make that anew.
        InputError: the task is not here, or it may not run.
    """
    readers: list[tuple[str, Callable[[], Any]]] = [
        (METRICS_FILE, store.metrics),
        (DEFAULTS_FILE, store.defaults),
    ]
    for name, read in readers:
        is_there = (store.folder / name).exists()
        done = _set_aside_if_damaged(store, name, read, "the task as it is installed now says the same anew")
        if not done:
            continue
        told += done if is_there else [f"{name} was missing, and was made anew from the task."]
        bound = bind(store.plan(), allow_task_code=allow_task_code)
        if name == METRICS_FILE:
            store.write_metrics([asdict(metric) for metric in bound.metrics.values()])
        else:
            store.write_defaults(bound.defaults)
    for name in store.retrain_reports:
        told += _set_aside_if_damaged(
            store,
            name,
            lambda name=name: store.retrain_report(name),  # type: ignore[misc]
            "its checkpoints stay",
        )
    store.learned()


def _set_aside_if_damaged(store: RowStore, name: str, read: Callable[[], Any], then: str) -> list[str]:
    """Read a file, and if that fails move it out of the way; say so."""
    try:
        read()
    except NewerError:
        raise
    except DamagedError as error:
        path = store.folder / name
        _require_readable(path, error)
        aside = _set_aside(path) if path.exists() else None
        return [f"{name} was damaged and is set aside in {aside}: {then}."]
    return []


def _require_readable(path: Path, error: DamagedError) -> None:
    """Raise an error again that says nothing of a file's content: it may be a whole one of somebody else."""
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK)):
        raise error


def _set_aside(path: Path) -> str:
    """Rename a file, and return its new name: none that is there already is replaced."""
    number = 1
    while (aside := path.with_name(path.name + DAMAGED_SUFFIX + (f"-{number}" * (number > 1)))).exists():
        number += 1
    path.rename(aside)
    sync_folder(path.parent)
    return aside.name
