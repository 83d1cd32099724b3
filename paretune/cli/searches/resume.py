"""``paretune resume``, and what is printed at the end of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.files.layout import ExportError
from analysis.names import shown_name
from analysis.text import duration
from paretune.cli.exits import INTERRUPTED, OK, OUR_FAILURE
from paretune.cli.grouping import grouped
from paretune.cli.options import (
    DEFAULT_RESULTS,
    AllowTaskCode,
    AsJson,
    Concurrency,
    Cpu,
    FakeGpus,
    Gpu,
    Notice,
    Results,
    RunName,
    Storage,
    WithinTime,
)

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.api.searches import Search, Session

Address = Annotated[
    str, typer.Option("--address", help="local, or a Ray cluster: auto, or host:port of its head.")
]
MoreTrials = Annotated[
    int | None,
    typer.Option(
        "--trials", min=1, help="Trials in all, to extend the search; by default as many as it has."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Options for what a resumed search may use now."""

    concurrency: Concurrency = None
    cpu: Cpu = None
    gpu: Gpu = None
    fake_gpus: FakeGpus = None
    storage: Storage = None
    within: WithinTime = None
    notice: Notice = None


@grouped
def resume(
    name: RunName,
    trials: MoreTrials = None,
    resources: Resources = Resources(),
    address: Address = "local",
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Resume a search where it ended.

    Whether it was interrupted, crashed or is over: what has ended is kept, what had not is trained, and what
    failed is tried again. --trials extends it; --within lets it be over in a time, counted from now. It is
    the same as `paretune search --resume NAME`.

    Exits with 1 if more than half of the trials failed.

    \b
    Examples:
      paretune resume parameter-cliff
      paretune resume parameter-cliff --trials 60
      paretune resume parameter-cliff --within 30min
    """
    import paretune
    from paretune.api.deadline import Within
    from paretune.terminal.printing import make_console

    console = make_console(to_stderr=as_json)
    found = paretune.resume(
        name,
        trials,
        results=results,
        address=address,
        allow_task_code=allow_task_code,
        progress=console,
        **vars(resources) | {"within": Within.of_command(resources.within)},
    )
    return conclude(found, console, as_json=as_json)


_WHY = {False: "The space has nothing more to train", True: "No seed would decide anything that matters"}
"""Why a search is over before its trials are, without and with seeds that race."""


def conclude(search: Search, console: Console, *, as_json: bool) -> int:
    """Print what a session came to, and return the exit code."""
    from paretune.api.findings import rows_of
    from paretune.api.frontiers import as_json as content_of
    from paretune.terminal.frontiers import print_frontiers
    from paretune.terminal.printing import print_json

    session = search.session
    assert session is not None, "it was just run"
    fronts = search.frontiers()
    endings = search.endings
    count = len(search.trials)
    failed = endings["failed"]
    if as_json:
        print_json(
            {
                "search": search.name,
                "folder": str(search.folder),
                "interrupted": session.interrupted,
                "seconds": session.seconds,
                "at_a_time": None if session.concurrency is None else session.concurrency.mean,
                "ran_out_of_time": session.ran_out_of_time,
                "forecast": None if session.outlook is None else session.outlook.as_record(),
                "endings": endings,
                "paused": _paused(search),
                "smallest": search.smallest(),
                **content_of(fronts),
            }
        )
    paused = _paused(search)
    counts = endings | {"interrupted": endings["interrupted"] - paused, "paused": paused}
    told = ", ".join(f"{number} {ending}" for ending, number in counts.items() if number)
    console.print(f"\n{count} trials: {told or 'none ended'}. {_how_long(session)}")
    if session.forecast:
        console.print(session.forecast, soft_wrap=True)
    if session.concurrency is not None and (advice := session.concurrency.advice):
        console.print(f"Fewer trials ran at a time than were asked for: {advice}.", style="yellow")
    print_frontiers(console, rows_of(search), fronts, in_sentences=session.interrupted)
    name = shown_name(search.folder)
    if session.interrupted:
        console.print(
            f"\nInterrupted; all rows are kept. Resume with: paretune resume {name}",
            style="yellow",
            soft_wrap=True,
        )
        return INTERRUPTED
    asked = search.question()
    left = search.plan.trials - count + endings["interrupted"]
    if session.ran_out_of_time and left and (asked is None or not asked.is_sharp):
        console.print(
            f"Its time was over: {left} of its {search.plan.trials} trials are left"
            f"{f', {paused} of them paused below the cut' if paused else ''}. Continue with: paretune "
            f"resume {name}{' --within TIME' if left > 1 else ''}",
            style="yellow",
            soft_wrap=True,
        )
    elif count < search.plan.trials and (asked is None or not asked.is_sharp):
        console.print(
            f"{_WHY[search.plan.search.race is not None]}: it ended before its {search.plan.trials} trials.",
            style="yellow",
        )
    _tell_answer(search, console)
    commands = [f"paretune {command} {name}" for command in ("answer", "watch")]
    commands += [f"paretune confirm {name}"] if endings["solved"] else []
    commands += _retrain_command(search, name)
    console.print(f"\nNext:  {'    '.join(commands)}", soft_wrap=True)
    if 2 * failed > count:
        console.print(
            f"{'Every trial' if failed == count else f'{failed} of {count} trials'} failed; the errors are "
            f"above and in {shown_name(search.folder / 'trials.jsonl')}. Once their cause is removed, "
            f"`paretune resume {name}` tries them again.",
            style="red",
            soft_wrap=True,
        )
        return OUR_FAILURE
    return OK


def _paused(search: Search) -> int:
    """Return how many trials wait below the cut of early stopping, for the search to be resumed."""
    return int(search.trials["paused"].eq(True).sum()) if "paused" in search.trials.columns else 0


def _how_long(session: Session) -> str:
    at_a_time = None if session.concurrency is None else session.concurrency.summary
    return f"This session took {duration(session.seconds)}{f', {at_a_time}' if at_a_time else ''}."


def _tell_answer(search: Search, console: Console) -> None:
    """Print what was found, and write it as a page."""
    console.print("\nThe answer:", style="bold")
    for sentence in search.answer().sentences:
        console.print(f"- {sentence}", soft_wrap=not console.is_terminal)
    try:
        page, *_ = search.report()
    except (OSError, ExportError) as error:
        # The rows are whole, and the page can be made again from them.
        console.print(f"The report could not be written: {error}", style="yellow")
    else:
        console.print(f"report: {shown_name(page)}", soft_wrap=True)


def _retrain_command(search: Search, name: str) -> list[str]:
    """Return the command that retrains the best: none if no configuration has a result.

    Without a configuration that reaches the target, retrain wants one to be named.
    """
    from analysis.configurations import WITH_VALUE
    from analysis.ranking import reaches_target
    from paretune.api.findings import rows_of

    ranked = search.ranking()
    if ranked.empty or not ranked.loc[0, [*WITH_VALUE]].any():
        return []
    chosen_by_itself = reaches_target(rows_of(search), ranked).iloc[0]
    named = "" if chosen_by_itself else f" --configuration {int(ranked['configuration'].iloc[0])}"
    return [f"paretune retrain {name}{named}"]
