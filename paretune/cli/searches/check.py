"""``paretune check``: what a space file means, or everything that is wrong with it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from paretune.cli.exits import OK, WRONG_INPUT
from paretune.cli.failures import mistakes_of
from paretune.cli.grouping import grouped
from paretune.cli.options import (
    DEFAULT_RESULTS,
    AllowPaths,
    AllowTaskCode,
    AsJson,
    Replaced,
    Results,
    SpacePath,
)

if TYPE_CHECKING:
    from paretune.plan.binding import BoundPlan
    from paretune.timing.estimate import TimeEstimate

MeasuresTime = Annotated[
    bool,
    typer.Option("--time", help="Measure a few configurations, and say how long a search would take here."),
]


@grouped
def check(
    space: SpacePath,
    *,
    replaced: Replaced,
    results: Results = DEFAULT_RESULTS,
    time: MeasuresTime = False,
    allow_task_code: AllowTaskCode = False,
    allow_paths: AllowPaths = False,
    as_json: AsJson = False,
) -> int:
    """Check a space file and say what it means.

    Nothing is trained. Prints the number of dimensions, the parameter counts that the space can produce, the
    budget, and what a trial needs. Data that are on this machine are checked too; data that are not are no
    mistake, as a search may run elsewhere. If something is wrong, prints every mistake with its line and what
    would be accepted, and exits with 2.

    --time takes some steps of a few configurations, for about five seconds, and says how long a search would
    take on this machine.

    \b
    Examples:
      paretune check search_spaces/parameter_cliff.yaml
      paretune check my_space.yaml --trials 10 --budget 500
      paretune check search_spaces/parameter_cliff.yaml --time
    """
    from paretune.api.checking import checked_and_bound
    from paretune.terminal.printing import make_console, print_json, print_rows
    from search_spaces.mistakes import SpaceFileError

    try:
        summary, bound = checked_and_bound(
            space, results=results, allow_task_code=allow_task_code, **vars(replaced)
        )
    except SpaceFileError as error:
        if not as_json:
            raise
        print_json({"valid": False, "mistakes": mistakes_of(error)})
        return WRONG_INPUT
    estimate, unknown = _time(bound) if time else (None, None)
    if as_json:
        print_json({"valid": True, **asdict(summary), "time": None if estimate is None else asdict(estimate)})
        return OK
    console = make_console()
    console.print(f"{space} is valid.", style="green")
    print_rows(console, ("", ""), summary.sentences + ([] if estimate is None else estimate.sentences))
    for words in [*summary.warnings, *summary.not_here, *([] if unknown is None else [unknown])]:
        console.print(words, style="yellow", soft_wrap=True)
    return OK


def _time(bound: BoundPlan) -> tuple[TimeEstimate | None, str | None]:
    """Return how long a search would take, or why that is not known."""
    from paretune.api.deadline import estimate_bound
    from paretune.errors import InputError

    try:
        return estimate_bound(bound), None
    except InputError as error:
        return None, f"time: {error}"
