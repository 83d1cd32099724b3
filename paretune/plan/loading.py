"""From a space file to the checked plan with its task, with values that a caller sets in place of some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paretune.plan.binding import BoundPlan, bind, unknown_task
from paretune.plan.budget import with_budget
from paretune.plan.checks import mistakes_in, mistakes_in_keys
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import KeyPath, Mistake
from trainables.tasks import absolute_reference


def load_bound(
    space: SpaceFile,
    overrides: dict[KeyPath, Any],
    budget: int | None,
    *,
    allow_task_code: bool = False,
) -> BoundPlan:
    """Return the checked plan of a space file, with the values that were given on the command line.

    Raises:
        SpaceFileError: with every mistake.
    """
    given = {path: value for path, value in overrides.items() if value is not None}
    bound, mistakes = _bind(space, given, allow_task_code)
    if budget is not None and not mistakes:
        bound, mistakes = _bind(space, given | with_budget(bound, budget), allow_task_code)
    if mistakes:
        raise space.error(mistakes)
    return bound


def _bind(
    space: SpaceFile, overrides: dict[KeyPath, Any], allow_task_code: bool
) -> tuple[BoundPlan, list[Mistake]]:
    """Return the plan with its task, and all mistakes that a well-formed plan can have."""
    mistakes: list[Mistake] = []
    plan = space.plan(overrides, mistakes)
    # Workers, and whoever resumes the search, look from another folder.
    folder = space.path.parent if isinstance(space, SpaceFile) else Path()
    plan = plan.model_copy(update={"task": absolute_reference(plan.task, folder)})
    no_task = unknown_task(plan, allow_task_code=allow_task_code)
    if no_task is not None:
        raise space.error([*mistakes, no_task])
    bound = bind(plan, allow_task_code=allow_task_code)
    # What contradicts itself cannot be drawn from; of the task's findings, those on single keys remain.
    mistakes += mistakes_in(bound) if not mistakes else mistakes_in_keys(bound)
    return bound, mistakes


def search_overrides(
    trials: int | None,
    seeds: int | None,
    seed: int | None,
    concurrency: int | None,
    cpu: float | None,
    gpu: float | None,
) -> dict[KeyPath, Any]:
    """Return where in a plan each of these options belongs."""
    return {
        ("search", "trials"): trials,
        ("search", "seeds"): seeds,
        ("search", "seed"): seed,
        ("search", "concurrency"): concurrency,
        ("resources", "cpu"): cpu,
        ("resources", "gpu"): gpu,
    }
