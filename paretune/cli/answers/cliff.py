"""``paretune cliff``: the sizes at which a task begins to be learned."""

from __future__ import annotations

import typer

from paretune.cli.answers.findings import By, Export, FigureFile, Where, open_rows, show_finding
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cliff", help=_HELP, short_help=_SHORT)(cliff)


_SHORT = "The sizes at which the task begins to be learned."
_HELP = """Tell at which parameter counts 10, 50 and 90 % of seeds learn the task, each with its interval.

The share of seeds that solve is fitted against the logarithm of the size. A configuration's seeds are alike,
so intervals are of configurations, not of trials. "A cliff" is when 10 to 90 % lie within a factor of 1.25,
"a ramp" otherwise. Where the data cannot tell, it is said how many more trials, at which sizes, would.

Trials whose outcome is not known, such as those that were stopped early, are left out, and bounds are told
that hold whatever came of them. The same is told of the best recipe of each size, on seeds that did not
choose it, which takes two seeds or more.

\b
Examples:
  paretune cliff parameter-cliff
  paretune cliff parameter-cliff --by n_heads
  paretune cliff parameter-cliff --where final_norm=true --where "lr>=0.01" --export cliff.csv
  paretune cliff parameter-cliff --figure cliff.png
"""


def cliff(
    name: RunName,
    by: By = None,
    where: Where = None,
    export: Export = None,
    figure: FigureFile = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the cliff; see the help text."""
    from analysis.cliff import cliff as cliff_of

    rows = open_rows(results, name, where)
    return show_finding(cliff_of(rows, by), export=export, figure=figure, as_json=as_json)
