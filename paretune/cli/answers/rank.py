"""``paretune rank``: configurations by accuracy and cost."""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.names import shown_name
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName

Top = Annotated[int | None, typer.Option("--top", metavar="N", min=1, help="Show only the first N.")]


def rank(
    name: RunName,
    top: Top = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Rank the configurations of a search, best first.

    Configurations that reach the target come first, the smallest on top: at least one seed has solved, and
    at least 65 % of fresh seeds are expected to, going by a configuration's own seeds and the sizes around
    it. Where `paretune confirm` has trained fresh seeds, these alone decide: more than half of them have to
    solve, and confirmed configurations come before all others. The other configurations follow, the best
    first. If the first cost among the plan's objectives is not params but, say, cpu_seconds_to_target, the
    cheapest comes first instead of the smallest.

    "solved" counts the seeds that solved among those with a known outcome, with the 95 % interval of the
    rate; "per success" is all that the trials spent, over those that solved.

    \b
    Examples:
      paretune rank parameter-cliff
      paretune rank parameter-cliff --top 5 --json
    """
    import paretune
    from analysis.export import records
    from analysis.ranking import smallest_sentence
    from analysis.rows import PARAMS
    from analysis.times.sharing import told_fake_gpus
    from paretune.api.findings import rows_of
    from paretune.cli.running import say_if_running
    from paretune.terminal.printing import make_console, print_json
    from paretune.terminal.tables import print_configurations

    search = paretune.open(name, results)
    say_if_running(search)
    rows = rows_of(search)
    table = search.ranking()
    shown = table.head(top) if top else table
    if as_json:
        print_json(records(shown))
        return OK
    console = make_console()
    if shown.empty:
        console.print("There is nothing to rank yet: no trial was started.")
        return OK
    print_configurations(console, rows, shown, first=["rank", "configuration"], costs=rows.cost_objectives)
    if (fake := told_fake_gpus(rows)) is not None:
        console.print(fake, style="yellow", soft_wrap=True)
    if len(shown) < len(table):
        console.print(f"... and {len(table) - len(shown)} more")
    if rows.plan.target is not None:
        console.print()
        for cost in dict.fromkeys([rows.cost_objectives[0], PARAMS]):
            console.print(smallest_sentence(rows, cost, table), soft_wrap=True)
        if not table["confirmed_seeds"].any():
            console.print(
                f"Nothing is confirmed on fresh seeds yet: paretune confirm {shown_name(search.folder)}",
                soft_wrap=True,
            )
    return OK
