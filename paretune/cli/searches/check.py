"""``paretune check``: what a space file means, or everything that is wrong with it."""

from __future__ import annotations

from dataclasses import asdict

from paretune.cli.exits import OK, WRONG_INPUT
from paretune.cli.failures import mistakes_of
from paretune.cli.grouping import grouped
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Replaced, Results, SpacePath


@grouped
def check(
    space: SpacePath,
    *,
    replaced: Replaced,
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Check a space file and say what it means.

    Nothing is trained. Prints the number of dimensions, the parameter counts that the space can produce, the
    budget, and what a trial needs. Data that are on this machine are checked too; data that are not are no
    mistake, as a search may run elsewhere. If something is wrong, prints every mistake with its line and what
    would be accepted, and exits with 2.

    \b
    Examples:
      paretune check search_spaces/parameter_cliff.yaml
      paretune check my_space.yaml --trials 10 --budget 500
    """
    from paretune.api.checking import checked_summary
    from paretune.terminal.printing import make_console, print_json, print_rows
    from search_spaces.mistakes import SpaceFileError

    try:
        summary = checked_summary(space, results=results, allow_task_code=allow_task_code, **vars(replaced))
    except SpaceFileError as error:
        if not as_json:
            raise
        print_json({"valid": False, "mistakes": mistakes_of(error)})
        return WRONG_INPUT
    if as_json:
        print_json({"valid": True, **asdict(summary)})
        return OK
    console = make_console()
    console.print(f"{space} is valid.", style="green")
    print_rows(console, ("", ""), summary.sentences)
    for words in summary.not_here:
        console.print(words, style="yellow")
    return OK
