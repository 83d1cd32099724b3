"""``paretune cliff``: the sizes at which a task begins to be learned."""

from __future__ import annotations

from paretune.cli.answers.findings import By, Output, Rows, show_finding
from paretune.cli.grouping import grouped
from paretune.cli.options import RunName


@grouped
def cliff(name: RunName, *, by: By = None, rows: Rows, output: Output) -> int:
    """Show the sizes at which the task begins to be learned.

    Estimates the parameter counts at which 10, 50 and 90 % of seeds learn the task, each with its interval.
    The share of seeds that solve is fitted against the logarithm of the size. Seeds of one configuration are
    alike, so intervals are over configurations, not trials. It is "a cliff" if 10 to 90 % lie within a factor
    of 1.25, and "a ramp" otherwise. Where the data cannot tell, it says how many more trials, at which sizes,
    would.

    Trials with an unknown outcome, such as those stopped early, are left out, and bounds are given that hold
    whatever their outcome is. With two or more seeds the same is estimated for the best recipe of each size,
    on seeds that were not used to choose it.

    \b
    Examples:
      paretune cliff parameter-cliff
      paretune cliff parameter-cliff --by n_heads
      paretune cliff parameter-cliff --where final_norm=true --where "lr>=0.01" --export cliff.csv
      paretune cliff parameter-cliff --figure cliff.png
    """
    return show_finding(rows.open(name).cliff(by), output)
