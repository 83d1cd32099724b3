"""The Pareto frontier of parameters against accuracy, over configurations."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.configurations import configurations
from analysis.ranking import accuracy_objective
from analysis.rows import SearchRows


@dataclass(frozen=True)
class Frontier:
    """The non-dominated configurations, smallest first, and what was not considered."""

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


def frontier(rows: SearchRows) -> Frontier:
    """Return the configurations that no other beats in both parameters and accuracy.

    A configuration's accuracy is its mean over seeds, without diverged and failed trials. One with
    trials that were stopped early has a lower bound instead of a value; its column
    ``stopped_early`` tells.
    """
    table = configurations(rows)
    metric, direction = accuracy_objective(rows)
    endings = rows.trials["ending"]
    if metric in table.columns:
        known = table[table[metric].notna()].sort_values(
            ["params", metric], ascending=[True, direction == "min"], kind="stable"
        )
        values = known[metric] if direction == "max" else -known[metric]
        # Sorted by size, a configuration is on the frontier if it beats all smaller ones.
        best_before = values.cummax().shift(fill_value=float("-inf"))
        best = pd.Series(values.to_numpy() > best_before.to_numpy(), index=known.index)
    else:
        known = table.iloc[:0]
        best = pd.Series([], dtype=bool, index=known.index)
    return Frontier(
        points=known[best].reset_index(drop=True),
        others=known[~best].reset_index(drop=True),
        metric=metric,
        direction=direction,
        diverged=int((endings == "diverged").sum()),
        failed=int((endings == "failed").sum()),
        unfinished=int(endings.isna().sum() + (endings == "interrupted").sum()),
    )
