"""``paretune effects``: what each parameter changes."""

from __future__ import annotations

from paretune.cli.answers.findings import Output, Rows, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import RunName


@grouped
def effects(name: RunName, *, rows: Rows, output: Output) -> int:
    """Show what each parameter changes, corrected for all comparisons.

    Estimates which changes of a parameter change the success rate, or the loss where that is the question.
    In a list of configurations, those that differ in one parameter only are paired. Otherwise a regression
    has all parameters in it. Each effect has its 95 % interval and its p value; Holm's correction counts all
    comparisons, and an effect that does not hold after it is marked so. Importances (PED-ANOVA) stand beside
    what chance would show. Trials with an unknown outcome are left out.

    \b
    Examples:
      paretune effects what-breaks
      paretune effects under-777 --where "lr>=0.02"
      paretune effects what-breaks --export effects.csv --figure effects.png
    """
    return show_finding(rows.open(name).effects(), output)
