"""``paretune compare``: how searches of the same question differ."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import Export, FigureFile, open_rows, show_finding
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results
from paretune.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", help=_HELP, short_help=_SHORT)(compare)


_SHORT = "How searches of the same question differ."
_HELP = """Tell how each later search differs from the first: cliff, regimes, times to the target, success
rate, and the smallest or best that was found.

Searches need the same task and the same target metric. Each difference has its 95 % interval; Holm's
correction counts all comparisons. What the plans differ in is listed beside them.

\b
Examples:
  paretune compare parameter-cliff parameter-cliff-aligned
  paretune compare under-777 explore-777 --export differences.csv --figure differences.png
"""


def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME1 NAME2 ...", help="Names of searches, or their folders.")
    ],
    export: Export = None,
    figure: FigureFile = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the comparison; see the help text."""
    from analysis.comparison import ComparisonError
    from analysis.comparison import compare as compare_searches

    searches = [open_rows(results, name) for name in names]
    try:
        found = compare_searches(searches)
    except ComparisonError as error:
        raise InputError(str(error)) from None
    return show_finding(found, export=export, figure=figure, as_json=as_json)
