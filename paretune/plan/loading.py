"""From a space file to the checked plan with its task, with values that a caller sets in place of some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from paretune.plan.binding import BoundPlan, unknown_task
from paretune.plan.budget import with_budget
from paretune.plan.checks import contradictions_in, mistakes_in
from paretune.plan.checks.configurations import more_first_than_trials
from paretune.plan.checks.outside import paths_outside
from paretune.plan.naming import by_own_names
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import KeyPath, Mistake, SpaceFileError
from search_spaces.plan import Plan, PlanDraft
from trainables.tasks import absolute_reference, get_task


class Source(Protocol):
    """Something that says what to search, and tells where in it a mistake is."""

    def draft(self, overrides: Mapping[KeyPath, Any] | None = None) -> PlanDraft:
        """Return what it says, with some keys set to other values.

        Raises:
            SpaceFileError: with every mistake in its form.
        """
        ...

    def error(self, mistakes: Sequence[Mistake]) -> SpaceFileError:
        """Return the error that shows mistakes where they are."""
        ...


def load_bound(
    space: Source,
    overrides: Mapping[KeyPath, Any],
    budget: int | None,
    *,
    allow_task_code: bool = False,
) -> BoundPlan:
    """Return the checked plan of a space file, with the values that were given on the command line.

    Raises:
        SpaceFileError: with every mistake.
    """
    given = {path: value for path, value in overrides.items() if value is not None}
    bound = _bound(space, given, allow_task_code)
    if budget is not None:
        bound = _bound(space, given | with_budget(bound, budget), allow_task_code)
    return bound


def _bound(space: Source, overrides: Mapping[KeyPath, Any], allow_task_code: bool) -> BoundPlan:
    """Return the plan with its task.

    Raises:
        SpaceFileError: with every mistake that there is.
    """
    draft = space.draft(overrides)
    # Workers, and whoever resumes the search, look from another folder.
    folder = space.path.parent if isinstance(space, SpaceFile) else Path()
    draft = draft.model_copy(update={"task": absolute_reference(draft.task, folder)})
    no_task = unknown_task(draft, allow_task_code=allow_task_code)
    if no_task is not None:
        raise space.error([*contradictions_in(draft), no_task])
    task = get_task(draft.task, allow_code=allow_task_code)
    named = by_own_names(draft, task.config_class)
    outside: list[Mistake] = []
    if isinstance(space, SpaceFile):
        theirs = named.draft
        if ("learn_from",) in overrides:  # those are named by who runs it
            theirs = theirs.model_copy(update={"learn_from": []})
        outside = list(paths_outside(theirs, task, folder))
    # What may not be named is not looked at.
    mistakes = outside or [*named.twice, *mistakes_in(named.draft, task)]
    # Fewer trials on the command line are a way to have only the first of them.
    if not {("search", "trials"), ("search", "seeds")} & overrides.keys():
        mistakes += more_first_than_trials(named.draft)
    if mistakes:
        raise space.error([named.as_stated(mistake) for mistake in mistakes])
    return BoundPlan(Plan.of(named.draft), task)


def search_overrides(
    trials: int | None,
    seeds: int | None,
    seed: int | None,
    concurrency: int | None,
    cpu: float | None,
    gpu: float | Literal["auto"] | None,
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
