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
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="TEXT",
        help="What to call a search, once for each in their order; those called alike are one series.",
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
    label: Labels = None,
    rows: Rows,
    output: Output,
) -> int:
    """Show success against size of several searches in one picture.

    Each search is a series, or each value of a parameter over all of them: success rates by size with
    Wilson's intervals, and the fitted curve with its band where half of the seeds solve at a size that can
    be determined. The searches need the same task and the same target metric.

    A seed of a configuration that is in two searches counts once. Of configurations that were confirmed only
    the fresh seeds are counted: those of the search led to the choice. Trials that a question spent on
    choosing a recipe are left out.

    \b
    Examples:
      paretune atlas parameter-cliff aligned-cliff --figure atlas.png
      paretune atlas results/published/* --where digits=10 --by format --by position
      paretune atlas small large other --label "d_model 7" --label "d_model 7" --label "d_model 8"
      paretune atlas under-777 gpt-acc-jax-sweep --by format --where n_layers=1 --export atlas.csv
    """
    from analysis.comparison.plans import ComparisonError
    from paretune.errors import InputError

    labels = label or []
    if labels and len(labels) != len(names):
        raise InputError(
            f"--label was given {len(labels)} times for {len(names)} searches; give one for each"
        )
    opened = rows.open_each(names)
    first, *others = (search for _, search in opened)
    try:
        found = first.atlas(*others, by=by or (), labels=[labels[place] for place, _ in opened if labels])
    except ComparisonError as error:
        raise InputError(str(error)) from None
    return show_finding(found, output)
