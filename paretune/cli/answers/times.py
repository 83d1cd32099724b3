"""``paretune times``: how soon trials reach the target, and what a success costs."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import By, Output, Rows, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import RunName

Cost = Annotated[
    str | None,
    typer.Option(
        "--cost",
        metavar="NAME",
        help="Cost to answer for, such as steps_to_target; by default the plan's, or processor time.",
    ),
]


@grouped
def times(
    name: RunName,
    *,
    by: By = None,
    cost: Cost = None,
    rows: Rows,
    output: Output,
) -> int:
    """Show how soon trials reach the target, and what a success costs.

    Gives the time by which half of the trials reach the target, and the cost of a success, with intervals.
    Trials that did not reach it are counted as censored (Kaplan-Meier): those that ended without it at the
    time they were trained for, diverged ones as never reaching it. A success costs all that the trials spent,
    over the successes. Seeds of one configuration are alike, so intervals are over configurations, not
    trials. Steps, tokens, processor time and elapsed time are given where the search has them.

    \b
    Examples:
      paretune times under-777
      paretune times under-777 --cost steps_to_target --by norm
      paretune times gpt2-laptop --where optimizer=muon --figure times.png --export times.csv
    """
    return show_finding(rows.open(name).times(by, cost), output)
