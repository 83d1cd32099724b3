"""``paretune rank``: configurations by accuracy and cost."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.commands.options import DEFAULT_RESULTS, AsJson, Results, RunName
from paretune.exits import OK
from paretune.runs import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rank", help=_HELP, short_help=_SHORT)(rank)


_SHORT = "Rank configurations by cost and accuracy."
_HELP = """Rank the configurations of a search by parameter count and accuracy, best first.

Those that reached the target with more than half of their seeds come first, the smallest on top,
and of the same size the most accurate; the others follow by accuracy. If the first cost among the
plan's objectives is another one, such as seconds_to_target, those with the least of it are on top.
"solved" is the success rate over seeds, with its 95 % interval.

\b
Examples:
  paretune rank parameter-cliff
  paretune rank parameter-cliff --top 5 --json
"""


def rank(
    name: RunName,
    top: Annotated[int | None, typer.Option("--top", min=1, help="Show only so many.")] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the ranking; see the help text."""
    from analysis.export import records
    from analysis.ranking import ranking
    from analysis.rows import SearchRows
    from paretune.commands.printing import make_console, print_json
    from paretune.commands.tables import print_configurations

    folder = RunFolder.open(results, name)
    folder.require_rows()
    rows = SearchRows(folder.path)
    table = ranking(rows)
    shown = table.head(top) if top else table
    if as_json:
        print_json(records(shown))
        return OK
    console = make_console()
    print_configurations(console, rows, shown, first=["rank", "configuration"], costs=rows.cost_objectives)
    if len(shown) < len(table):
        console.print(f"... and {len(table) - len(shown)} more")
    return OK
