"""``paretune times``: how soon trials reach the target, and what a success costs."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import By, Export, FigureFile, Where, open_rows, show_finding
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("times", help=_HELP, short_help=_SHORT)(times)


_SHORT = "How soon trials reach the target, and what a success costs."
_HELP = """Tell by when half of the trials reach the target, and what a success costs, with intervals.

Trials that did not reach it are counted: those that ended without it for the time that they were watched,
and diverged ones to the end (Kaplan and Meier). A success costs all that was spent, over the successes.
Seeds of a configuration are alike, so intervals are of configurations, not of trials. Steps, tokens,
processor time and elapsed time are told as far as the search has them.

\b
Examples:
  paretune times under-777
  paretune times under-777 --cost steps_to_target --by norm
  paretune times gpt2-laptop --where optimizer=muon --figure times.png --export times.csv
"""

Cost = Annotated[
    str | None,
    typer.Option(
        "--cost",
        metavar="NAME",
        help="The cost to answer for, such as steps_to_target; else the plan's, or processor time.",
    ),
]


def times(
    name: RunName,
    by: By = None,
    cost: Cost = None,
    where: Where = None,
    export: Export = None,
    figure: FigureFile = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the times; see the help text."""
    from analysis.times import times as times_of

    rows = open_rows(results, name, where)
    return show_finding(times_of(rows, by, cost), export=export, figure=figure, as_json=as_json)
