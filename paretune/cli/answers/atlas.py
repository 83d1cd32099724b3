"""``paretune atlas``: success against size of several searches in one picture."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import Output, Rows, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import complete_names

Bys = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="NAME",
        help="A series for each value of this parameter, over all searches. May be repeated.",
    ),
]


@grouped
def atlas(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="Names of searches, or their folders.", autocompletion=complete_names
        ),
    ],
    *,
    by: Bys = None,
    rows: Rows,
    output: Output,
) -> int:
    """Show success against size of several searches in one picture.

    Each search is a series, or each value of a parameter over all of them: success rates by size with
    Wilson's intervals, and the fitted curve with its band where half of the seeds solve at a size that can
    be determined. The searches need the same task and the same target metric.

    A run that is in two searches counts once. Of configurations that were confirmed only the fresh seeds are
    counted: those of the search led to the choice. Trials that a question spent on choosing a recipe are left
    out.

    \b
    Examples:
      paretune atlas parameter-cliff aligned-cliff --figure atlas.png
      paretune atlas results/published/* --where digits=10 --by format --by position
      paretune atlas under-777 gpt-acc-jax-sweep --by format --where n_layers=1 --export atlas.csv
    """
    from analysis.comparison.plans import ComparisonError
    from paretune.errors import InputError

    first, *others = rows.open_each(names)
    try:
        found = first.atlas(*others, by=by or ())
    except ComparisonError as error:
        raise InputError(str(error)) from None
    return show_finding(found, output)
