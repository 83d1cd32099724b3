"""``paretune compare``: how searches of the same question differ."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.answers.findings import Output, Rows, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import DEFAULT_RESULTS, Results, complete_names


@grouped
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="Names of searches, or their folders.",
            autocompletion=complete_names,
        ),
    ],
    *,
    results: Results = DEFAULT_RESULTS,
    output: Output,
) -> int:
    """Show how searches of the same question differ.

    Compares each later search with the first: cliff, regimes, times to the target, success rate, and the
    smallest or best configuration found. The searches need the same task and the same target metric. Each
    difference has its 95 % interval; p values are corrected for all comparisons (Holm). The differences
    between the plans are listed beside them.

    \b
    Examples:
      paretune compare parameter-cliff parameter-cliff-aligned
      paretune compare under-777 explore-777 --export differences.csv --figure differences.png
    """
    from analysis.comparison import ComparisonError
    from paretune.errors import InputError

    first, *others = [Rows(results=results).open(name) for name in names]
    try:
        found = first.compare(*others)
    except ComparisonError as error:
        raise InputError(str(error)) from None
    return show_finding(found, output)
