"""``paretune effects``: what each parameter changes."""

from __future__ import annotations

import typer

from paretune.cli.answers.findings import Export, FigureFile, Where, open_rows, show_finding
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("effects", help=_HELP, short_help=_SHORT)(effects)


_SHORT = "What each parameter changes, with all comparisons accounted for."
_HELP = """Tell which changes of a parameter change the success rate, or the loss where that is the question.

In a list of configurations, those are paired that differ in one parameter only. Otherwise a regression has
all parameters in it. Each effect has its 95 % interval and its p value; Holm's correction counts all
comparisons, and what does not hold after it is said not to. Importances (PED-ANOVA) stand beside what chance
would show. Trials whose outcome is not known are left out.

\b
Examples:
  paretune effects what-breaks
  paretune effects under-777 --where "lr>=0.02"
  paretune effects what-breaks --export effects.csv --figure effects.png
"""


def effects(
    name: RunName,
    where: Where = None,
    export: Export = None,
    figure: FigureFile = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the effects; see the help text."""
    from analysis.effects import effects as effects_of

    rows = open_rows(results, name, where)
    return show_finding(effects_of(rows), export=export, figure=figure, as_json=as_json)
