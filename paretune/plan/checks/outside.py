"""Paths in a space file that lead outside: to files of this machine that whoever wrote it chose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.plan import PlanDraft
from trainables.contract import Task

ALLOW_VARIABLE = "PARETUNE_ALLOW_PATHS"
"""Set to 1, a space file may name files and folders anywhere."""


def paths_outside(draft: PlanDraft, task: Task, folder: Path) -> Iterator[Mistake]:
    """Find files and folders that a space file names outside of its own folder and of the current one.

    Args:
        draft: what the file says, in which parameters have the task's own names.
        task: its task, whose configurations say which parameters name files.
        folder: the space file's folder.
    """
    if os.environ.get(ALLOW_VARIABLE, "").lower() in ("1", "true", "yes", "on"):
        return
    roots = {Path(os.path.abspath(root)) for root in (folder, Path())}  # noqa: PTH100
    for place, name in _named(draft, task.config_class.path_fields):
        path = Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100
        if not any(path.is_relative_to(root) for root in roots):
            yield Mistake(
                place,
                f"got {name!r}, which is outside of this folder and of the space file's. If it is "
                f"yours, or you trust it, allow it with --allow-paths, or with {ALLOW_VARIABLE}=1",
            )


def _named(draft: PlanDraft, fields: frozenset[str]) -> Iterator[tuple[KeyPath, str]]:
    """Yield every text that may be a path, with its place."""
    for index, name in enumerate(draft.learn_from):
        if os.sep in name or name in (os.curdir, os.pardir):
            yield ("learn_from", index), name
    for field in fields:
        held: list[tuple[KeyPath, Any]] = [(("fixed", field), draft.fixed.get(field))]
        for key in ("space", "derived"):
            if (stated := getattr(draft, key).get(field)) is not None:
                held.append(((key, field), stated.model_dump(mode="json")))
        for key in ("only", "try_first"):
            held += [
                ((key, index, field), values.get(field)) for index, values in enumerate(getattr(draft, key))
            ]
        held += [(("baselines", name, field), values.get(field)) for name, values in draft.baselines.items()]
        for place, value in held:
            yield from ((place, text) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key in ("values", "table"):
            yield from _texts(value.get(key))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
