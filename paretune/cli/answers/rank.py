"""``paretune rank``: configurations by accuracy and cost."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName
from paretune.record.run_folder import RunFolder


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rank", help=_HELP, short_help=_SHORT)(rank)


_SHORT = "Rank configurations by cost and accuracy."
_HELP = """Rank the configurations of a search, best first.

Those that reach the target come first, the smallest on top: those of which a seed has solved, and whose
expected success rate is above one half. That rate is the one on fresh seeds where `paretune confirm` has
trained some, and confirmed configurations come before all others; elsewhere it comes from a configuration's
own seeds and the sizes around it. The other configurations follow by how good they are. If the first cost
among the plan's objectives is not params, as with cpu_seconds_to_target, the one with the least of it is on
top. "solved" is how many of the seeds with a known outcome solved, with the 95 % interval of the rate;
"per success" is all that the trials spent, over those that solved.

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
    from analysis.ranking import ranking, smallest_sentence
    from analysis.rows import PARAMS, SearchRows
    from paretune.terminal.printing import make_console, print_json
    from paretune.terminal.tables import print_configurations

    folder = RunFolder.open(results, name)
    folder.require_rows()
    rows = SearchRows(folder.path)
    table = ranking(rows)
    shown = table.head(top) if top else table
    if as_json:
        print_json(records(shown))
        return OK
    console = make_console()
    if shown.empty:
        console.print("There is nothing to rank yet: no trial was started.")
        return OK
    print_configurations(console, rows, shown, first=["rank", "configuration"], costs=rows.cost_objectives)
    if len(shown) < len(table):
        console.print(f"... and {len(table) - len(shown)} more")
    if rows.plan.target is not None:
        console.print()
        for cost in dict.fromkeys([rows.cost_objectives[0], PARAMS]):
            console.print(smallest_sentence(rows, cost, table), soft_wrap=True)
        if not table["confirmed_seeds"].any():
            console.print(
                f"Nothing is confirmed on fresh seeds yet: paretune confirm {folder.shown}", soft_wrap=True
            )
    return OK
