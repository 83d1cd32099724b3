"""The Pareto frontier of a cost, such as parameters, against accuracy, over configurations."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.configurations import configurations
from analysis.ranking import accuracy_objective, reaches_target
from analysis.rows import PARAMS, SearchRows


@dataclass(frozen=True)
class Frontier:
    """The non-dominated configurations, cheapest first, and what was not considered."""

    points: pd.DataFrame
    others: pd.DataFrame
    """Dominated configurations, same columns."""
    metric: str
    direction: str
    diverged: int
    """Trials left out because they diverged."""
    failed: int
    """Trials left out because they failed."""
    unfinished: int
    """Trials without an ending: interrupted, or still running."""
    cost: str = PARAMS
    """The column that accuracy is set against."""
    without_cost: int = 0
    """Configurations left out because they have no such cost, or reached its target by luck only."""


def frontier(rows: SearchRows, cost: str = PARAMS) -> Frontier:
    """Return the configurations that no other beats in both a cost and accuracy.

    A configuration's cost is its parameter count, or the mean of a metric over the seeds that have it. A
    cost of reaching the target is that of a configuration which reached it, with more than half of its
    seeds: one lucky seed would be the cheapest of all. A configuration's accuracy is its mean over seeds,
    without diverged and failed trials. One with trials that were stopped early has a bound instead of a
    value; its column ``stopped_early`` tells.
    """
    table = configurations(rows)
    metric, direction = accuracy_objective(rows)
    endings = rows.trials["ending"]
    # Also where no trial has reported either of them yet.
    table = table.reindex(columns=list(dict.fromkeys([*table.columns, metric, cost])))
    valued = table[table[metric].notna()]
    counts = valued[cost].notna()
    if rows.is_of_target(cost):
        counts &= reaches_target(rows, valued)
    known = valued[counts].sort_values([cost, metric], ascending=[True, direction == "min"], kind="stable")
    values = known[metric] if direction == "max" else -known[metric]
    # Sorted by cost, a configuration is on the frontier if it beats all cheaper ones.
    best_before = values.cummax().shift(fill_value=float("-inf"))
    best = pd.Series(values.to_numpy() > best_before.to_numpy(), index=known.index)
    return Frontier(
        points=known[best].reset_index(drop=True),
        others=known[~best].reset_index(drop=True),
        metric=metric,
        direction=direction,
        diverged=int((endings == "diverged").sum()),
        failed=int((endings == "failed").sum()),
        unfinished=int(endings.isna().sum() + (endings == "interrupted").sum()),
        cost=cost,
        without_cost=len(valued) - len(known),
    )
