"""Checking what is to be searched, and saying what it means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from paretune.api.sources import SearchOptions, bound_of, learning
from paretune.plan.binding import BoundPlan, bind
from paretune.plan.preparing import missing
from paretune.plan.summary import PlanSummary, summarise
from search_spaces.mistakes import Mistake
from trainables.text.errors import DataError

if TYPE_CHECKING:
    from search_spaces.plan import Plan


def check(
    source: str | Path | Plan,
    *,
    name: str | None = None,
    results: str | Path = "results",
    allow_task_code: bool = False,
    **options: Unpack[SearchOptions],
) -> Plan:
    """Check a space file, or a plan, and return the plan; nothing is trained.

    Data that are on this machine are checked too. Data that are not are no mistake, as the search may run
    elsewhere; :func:`summary` names them.

    Args:
        source: a YAML space file, or a plan.
        name: a name in place of the plan's.
        results: the folder of all searches, for those that the plan learns from.
        allow_task_code: whether the task may be code that the space file names.
        options: values in place of the file's; see :class:`SearchOptions`.

    Raises:
        SpaceFileError: with every mistake, its line, and what would be accepted.

    >>> import paretune
    >>> plan = paretune.check("search_spaces/quickstart.yaml", trials=10)
    >>> plan.task, plan.trials
    ('addition', 10)
    >>> try:
    ...     paretune.check(plan, trials=1, seeds=2)
    ... except paretune.SpaceFileError as error:
    ...     print(error.mistakes[0])
    search: trials must be at least seeds, so that one configuration gets all of its seeds, but got
    (trials=1, \
seeds=2)
    """
    bound, _ = _checked(source, options, name=name, results=Path(results), allow_task_code=allow_task_code)
    return bound.plan


def checked_summary(
    source: str | Path | Plan,
    *,
    results: str | Path = "results",
    allow_task_code: bool = False,
    **options: Unpack[SearchOptions],
) -> PlanSummary:
    """Return the :func:`summary` of what :func:`check` accepts; large data are looked at once, not twice.

    Raises:
        SpaceFileError: as for :func:`check`.
    """
    return checked_and_bound(source, results=results, allow_task_code=allow_task_code, **options)[0]


def checked_and_bound(
    source: str | Path | Plan,
    *,
    results: str | Path = "results",
    allow_task_code: bool = False,
    **options: Unpack[SearchOptions],
) -> tuple[PlanSummary, BoundPlan]:
    """Return the :func:`summary` of what :func:`check` accepts, and the plan with its task.

    Raises:
        SpaceFileError: as for :func:`check`.
    """
    bound, not_here = _checked(
        source, options, name=None, results=Path(results), allow_task_code=allow_task_code
    )
    return summarise(bound, not_here), bound


def summary(plan: Plan, *, allow_task_code: bool = False) -> PlanSummary:
    """Return what a checked plan means: its dimensions, sizes, budget and needs, data that are not here, and
    warnings.

    It is what ``paretune check`` prints.

    Args:
        plan: a plan, as :func:`check` returns it.
        allow_task_code: whether the task may be code that the space file names.

    >>> import paretune
    >>> what = paretune.summary(paretune.check("search_spaces/quickstart.yaml"))
    >>> what.dimensions, what.sizes.smallest < what.sizes.largest, what.not_here
    (4, True, [])
    """
    return summarise(bind(plan, allow_task_code=allow_task_code))


def _checked(
    source: str | Path | Plan,
    options: SearchOptions,
    *,
    name: str | None,
    results: Path,
    allow_task_code: bool,
) -> tuple[BoundPlan, list[str]]:
    """Return a checked plan with its task, and which of its data are not here."""
    space, bound = bound_of(source, options, name=name, allow_task_code=allow_task_code)
    bound = learning(space, bound, results)
    try:
        return bound, missing(bound)
    except DataError as error:
        raise space.error([Mistake((), str(error))]) from error
