"""``paretune stopping``: rules of early stopping, replayed on whole learning curves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paretune.cli.answers.findings import Output, Where, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import DEFAULT_RESULTS, Results, complete_names
from paretune.errors import InputError

if TYPE_CHECKING:
    from analysis.rows import SearchRows

Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Metric to compare at the rungs; may be repeated. By default train_loss, val_loss, "
        "token_accuracy and the target's, where reports have them.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="SHARES",
        help="Where to try rungs, alone and in pairs, as shares of each trial's own steps. By default "
        "0.05,0.1,0.2,0.3,0.5.",
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(
        "--steps",
        metavar="STEPS",
        help="Try single rungs at these steps, the same for all trials, instead of shares: 5000,10000.",
    ),
]
Factors = Annotated[
    str | None,
    typer.Option("--factor", metavar="FACTORS", help="Reduction factors. By default 1.25,1.5,2,3."),
]
Bands = Annotated[
    int, typer.Option("--bands", min=1, help="Bands of sizes in which lost winners are counted.")
]
MostLost = Annotated[
    float,
    typer.Option(
        "--most-lost",
        min=0,
        max=0.99,
        help="Largest share of the winners of each band that a recommended rule may lose.",
    ),
]
Slots = Annotated[int, typer.Option("--slots", min=1, help="How many trials run side by side.")]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Options that say which rules are tried, and what is asked of them."""

    metric: Metrics = None
    at: At = None
    steps: Steps = None
    factor: Factors = None
    bands: Bands = 3
    most_lost: MostLost = 0.05
    slots: Slots = 1


@grouped
def stopping(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Names of searches, or their folders; learning-curves is the committed library, and "
            "learning-curves/NAME one of its searches.",
            autocompletion=complete_names,
        ),
    ],
    *,
    where: Where = None,
    results: Results = DEFAULT_RESULTS,
    asked: Asked,
    output: Output,
) -> int:
    """Show which early stopping would have saved steps without losing winners.

    Takes searches that ran without early stopping, so that every curve is whole, and replays rules on them in
    many random orders of the trials, those below the cut stopping or pausing. A winner is a trial that solved
    the task; a rule that ends it has lost it. For each rule: the steps per success over those without a rule,
    and the winners lost, in all and by size, since it is the small and late ones that go first. Recommends
    the rule with the fewest steps among those that lose few in each band of sizes, with its lines for a space
    file.

    The best of many rules looks better than it is. So a rule is also chosen without a part of the curves and
    judged on that part: each of several searches in turn, or a fifth of the configurations of one. Last, the
    size at which half of the trials solve, as it would be read with stopped trials left out, and with a share
    kept by lot.

    \b
    Examples:
      paretune stopping results/published/gpt_acc_jax_sweep
      paretune stopping under-777 explore-777 --metric train_loss
      paretune stopping learning-curves --where position=learned --at 0.25,0.5 --factor 1.5,2,3
      paretune stopping quickstart --most-lost 0.1 --export rules.csv --figure rules.png
    """
    from paretune.stopping.replay.finding import Tried, stopping

    usual = Tried()
    tried = Tried(
        metrics=asked.metric or (),
        shares=_numbers(asked.at, "--at") or usual.shares,
        factors=_numbers(asked.factor, "--factor") or usual.factors,
        steps=[round(step) for step in _numbers(asked.steps, "--steps")],
        bands=asked.bands,
        most_lost=asked.most_lost,
        slots=asked.slots,
    )
    tried.check()
    searches = [rows for name in names for rows in _opened(name, results)]
    found = stopping(_selected(searches, where or ()), tried)
    code = show_finding(found, output)
    if found.early_stopping is not None and not output.as_json:
        which = "The recommended rule" if found.recommended else "The nearest rule, which is not recommended,"
        typer.echo(f"\n{which} in a space file:\n\n{found.early_stopping}")
    return code


def _numbers(text: str | None, option: str) -> list[float]:
    """Read ``0.25,0.5``.

    Raises:
        InputError: it is not numbers with commas between.
    """
    try:
        return [float(part) for part in (text or "").split(",") if text]
    except ValueError:
        raise InputError(
            f"{option} takes numbers with commas between, as in 0.25,0.5, but got {text!r}"
        ) from None


def _opened(name: str, results: Path) -> list[SearchRows]:
    """Return the search of a name, or all searches of a library, or one of the committed library.

    Raises:
        InputError: there is no such search.
    """
    import paretune
    from analysis.files.layout import PLAN_FILE
    from paretune.api.findings import rows_of
    from paretune.stopping.library import LIBRARY, committed_library, is_library, read_library
    from search_spaces.wording import accepted

    if is_library(Path(name)):
        return read_library(Path(name))
    if name == LIBRARY and not (results / name / PLAN_FILE).is_file():
        return read_library(committed_library(results))
    library, slash, one = name.partition("/")
    if library == LIBRARY and slash:
        by_name = {rows.plan.name: rows for rows in read_library(committed_library(results))}
        if one not in by_name:
            raise InputError(f"{LIBRARY} has no search {one!r}{accepted(one, by_name)}")
        return [by_name[one]]
    return [rows_of(paretune.open(name, results))]


def _selected(searches: list[SearchRows], conditions: list[str] | tuple[()]) -> list[SearchRows]:
    """Return the parts of searches that satisfy conditions; those without any are left out.

    Raises:
        SelectionError: a condition cannot be understood, or no search has anything that satisfies all.
    """
    from analysis.files.layout import SelectionError
    from analysis.selection import parse_condition, select

    parsed = [parse_condition(text) for text in conditions]
    found, reason = [], None
    for rows in searches:
        try:
            found.append(select(rows, parsed))
        except SelectionError as error:
            reason = error
    if not found and reason is not None:
        raise reason
    return found
