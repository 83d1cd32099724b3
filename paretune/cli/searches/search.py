"""``paretune search``: run a search, or go on with one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from analysis.layout import ExportError
from analysis.text import duration
from paretune.cli.exits import INTERRUPTED, OK, OUR_FAILURE
from paretune.cli.options import (
    DEFAULT_RESULTS,
    AsJson,
    Budget,
    Concurrency,
    Cpu,
    Gpu,
    Results,
    SearchSeed,
    Seeds,
    Trials,
)
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan, bind, first_message
from paretune.plan.checks import mistakes_in_keys
from paretune.plan.loading import load_bound, search_overrides
from paretune.plan.preparing import prepare
from paretune.record.run_folder import RunFolder
from paretune.terminal.printing import (
    make_console,
    print_json,
)
from search_spaces.loader import SpaceFile
from search_spaces.plan import Plan
from trainables.text.errors import DataError

if TYPE_CHECKING:
    from analysis.rows import SearchRows


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("search", help=_HELP, short_help=_SHORT)(search)


_SHORT = "Search a space, or go on with a search."
_HELP = """Search a space: train its configurations and record everything below results/NAME.

A name that is taken gets a number, so nothing is ever overwritten. Ctrl-C ends the search cleanly;
--resume goes on where it ended, also after a crash. With --resume, --trials extends a search.

\b
Examples:
  paretune search search_spaces/quickstart.yaml
  paretune search search_spaces/parameter_cliff.yaml --trials 40
  paretune search search_spaces/parameter_cliff.yaml --gpu 0.25
  paretune search --resume parameter-cliff
  paretune search search_spaces/parameter_cliff.yaml --address auto     # on a Ray cluster
"""


def search(
    space: Annotated[Path | None, typer.Argument(metavar="SPACE_FILE", help="A YAML space file.")] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="NAME", help="Go on with the search of this name.")
    ] = None,
    trials: Trials = None,
    seeds: Seeds = None,
    budget: Budget = None,
    seed: SearchSeed = None,
    concurrency: Concurrency = None,
    cpu: Cpu = None,
    gpu: Gpu = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the search, instead of the file's.")
    ] = None,
    address: Annotated[
        str,
        typer.Option("--address", help="local, or a Ray cluster: auto, or host:port of its head."),
    ] = "local",
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Run a search; see the help text."""
    if (space is None) == (resume is None):
        raise InputError("name a space file, or a search to go on with: --resume NAME")
    console = make_console(to_stderr=as_json)
    extended: Plan | None = None
    if resume is not None:
        if any(option is not None for option in (seeds, budget, seed, name)):
            raise InputError("a resumed search keeps its name, seeds and budget; only --trials may grow")
        folder, bound, extended = _go_on(resume, results, trials, concurrency, cpu, gpu, console)
    else:
        assert space is not None
        overrides = search_overrides(trials, seeds, seed, concurrency, cpu, gpu) | {("name",): name}
        file = SpaceFile(space)
        bound = load_bound(file, overrides, budget)
        folder = RunFolder.create(results, bound, file.text)
        _say_name(console, bound, folder)

    try:
        # Ray and torch take seconds to import; a mistake in the file or its data should not wait for them.
        prepare(bound)
        console.print("Starting Ray ...", style="dim")
        from paretune.tune.run import run_search

        outcome = run_search(folder, bound, console, address=address, extended=extended)
    except (InputError, DataError, ConnectionError):
        if resume is None:
            folder.remove_unused()
        raise
    except OSError:
        console.print(f"What is known so far is in {folder.path}. Go on with: {_resume_command(folder)}")
        raise
    return _conclude(folder, console, outcome.interrupted, outcome.elapsed, as_json=as_json)


def _go_on(
    name: str,
    results: Path,
    trials: int | None,
    concurrency: int | None,
    cpu: float | None,
    gpu: float | None,
    console: Console,
) -> tuple[RunFolder, BoundPlan, Plan]:
    folder = RunFolder.open(results, name)
    plan = folder.plan
    if trials is not None and trials < plan.trials:
        raise InputError(f"{folder.name} has {plan.trials} trials already; --trials can only add to them")
    only_now: dict[str, dict[str, Any]] = {
        "search": {"concurrency": concurrency},
        "resources": {"cpu": cpu, "gpu": gpu},
    }
    extended = _changed(plan, {"search": {"trials": trials}})
    console.print(f"Going on with {folder.path}.")
    bound = bind(_changed(extended, only_now))
    # Other resources than before may not do for what is searched.
    if mistakes := mistakes_in_keys(bound):
        raise InputError("\n".join(map(str, mistakes)))
    return folder, bound, extended


def _changed(plan: Plan, changes: Mapping[str, Mapping[str, Any]]) -> Plan:
    """Return the plan with some values replaced; None replaces nothing."""
    content = plan.model_dump()
    for part, values in changes.items():
        content[part] |= {key: value for key, value in values.items() if value is not None}
    try:
        return type(plan).model_validate(content)
    except ValidationError as error:
        raise InputError(first_message(error)) from None


def _say_name(console: Console, bound: BoundPlan, folder: RunFolder) -> None:
    if folder.name == bound.plan.name:
        console.print(f"Search {folder.name}, in {folder.path}.")
    else:
        console.print(
            f"{bound.plan.name} exists already, so this search is {folder.name}, in {folder.path}. "
            f"(To go on with the old one: paretune search --resume {bound.plan.name})"
        )


def _conclude(
    folder: RunFolder, console: Console, interrupted: bool, elapsed: float, *, as_json: bool
) -> int:
    from analysis.ranking import smallest
    from analysis.rows import SearchRows
    from paretune.record.endings import ENDINGS
    from paretune.terminal.frontiers import as_json as content_of
    from paretune.terminal.frontiers import frontiers_of, print_frontiers

    rows = SearchRows(folder.path)
    fronts = frontiers_of(rows)
    counts = rows.trials["ending"].value_counts()
    endings = {ending: int(counts.get(ending, 0)) for ending in ENDINGS}
    if as_json:
        found = smallest(rows)
        print_json(
            {
                "search": folder.name,
                "folder": str(folder.path),
                "interrupted": interrupted,
                "seconds": elapsed,
                "endings": endings,
                "smallest": None if found is None else int(found["configuration"]),
                **content_of(fronts),
            }
        )
    told = ", ".join(f"{count} {ending}" for ending, count in endings.items() if count)
    console.print(
        f"\n{len(rows.trials)} trials: {told or 'none ended'}. This session took {duration(elapsed)}."
    )
    print_frontiers(console, rows, fronts, in_sentences=interrupted)
    if interrupted:
        console.print(
            f"\nInterrupted; all rows are kept. Go on with: {_resume_command(folder)}", style="yellow"
        )
        return INTERRUPTED
    if len(rows.trials) < rows.plan.trials:
        console.print(
            f"The space has nothing more to train: it ended before its {rows.plan.trials} trials.",
            style="yellow",
        )
    _tell_answer(rows, console)
    name = folder.shown
    commands = [f"paretune {command} {name}" for command in ("answer", "watch")]
    commands += [f"paretune confirm {name}"] if endings["solved"] else []
    commands += _retrain_command(rows, name)
    console.print(f"\nNext:  {'    '.join(commands)}", soft_wrap=True)
    failed = endings["failed"]
    if failed and failed == len(rows.trials):
        console.print("Every trial failed; the errors are above and in trials.jsonl.", style="red")
        return OUR_FAILURE
    return OK


def _tell_answer(rows: SearchRows, console: Console) -> None:
    """Print what was found, and write it as a page."""
    from analysis.answer import answer
    from analysis.findings import findings_of
    from analysis.names import shown_name
    from analysis.report import write_report

    findings = findings_of(rows)
    console.print("\nThe answer:", style="bold")
    for sentence in answer(rows, findings).sentences:
        console.print(f"- {sentence}", soft_wrap=not console.is_terminal)
    try:
        page, *_ = write_report(rows, None, findings)
    except (OSError, ExportError) as error:
        # The rows are whole, and the page can be made again from them.
        console.print(f"The report could not be written: {error}", style="yellow")
    else:
        console.print(f"report: {shown_name(page)}", soft_wrap=True)


def _retrain_command(rows: SearchRows, name: str) -> list[str]:
    """Return the command that retrains the best: none if no configuration has a result.

    Without a configuration that reaches the target, retrain wants one to be named.
    """
    from analysis.configurations import WITH_VALUE
    from analysis.ranking import ranking, reaches_target

    ranked = ranking(rows)
    if ranked.empty or not ranked.loc[0, [*WITH_VALUE]].any():
        return []
    chosen_by_itself = reaches_target(rows, ranked).iloc[0]
    named = "" if chosen_by_itself else f" --configuration {int(ranked['configuration'].iloc[0])}"
    return [f"paretune retrain {name}{named}"]


def _resume_command(folder: RunFolder) -> str:
    return f"paretune search --resume {folder.shown}"
