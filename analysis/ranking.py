"""Ranking by accuracy and cost."""

from __future__ import annotations

import pandas as pd

from analysis.configurations import configurations
from analysis.rows import SearchRows


def accuracy_objective(rows: SearchRows) -> tuple[str, str]:
    """Return (metric, direction) of the first objective that is no cost: what says how good a model is.

    Without such an objective it is the target's metric, else the task's first.
    """
    for objective in rows.plan.objectives:
        if objective.metric not in rows.costs:
            return objective.metric, objective.direction
    if rows.plan.target is not None:
        (name,) = rows.plan.target
        return name, rows.metrics[name]["direction"]
    name, metric = next((name, m) for name, m in rows.metrics.items() if name not in rows.costs)
    return name, metric["direction"]


def reaches_target(rows: SearchRows, table: pd.DataFrame) -> pd.Series[bool]:
    """Tell which configurations reached the target: with more than half of their seeds.

    One lucky seed of several is not a finding.
    """
    if rows.plan.target is None or table.empty:
        return pd.Series(False, index=table.index)
    # Of all its seeds, not of those that have ended so far.
    return pd.Series(table["solved"].to_numpy() > rows.plan.search.seeds / 2, index=table.index)


def ranking(rows: SearchRows) -> pd.DataFrame:
    """Return configurations, best first, with a column ``rank`` from 1.

    Those that reached the target with more than half of their seeds come first, by the first cost
    objective of the plan: the smallest of them on top, or the fastest, and of two that cost the same the
    more accurate one. A cost of reaching the target is the mean over the seeds that reached it, one of
    training the mean over all with a value. The others follow by the accuracy objective, and those
    without any value come last.
    """
    table = configurations(rows)
    if table.empty:
        return table.assign(rank=[])
    metric, direction = accuracy_objective(rows)
    cost = rows.cost_objectives[0]
    for name in (metric, cost):
        if name not in table.columns:
            table[name] = float("nan")
    reached = reaches_target(rows, table)
    order = pd.DataFrame(
        {
            "reached": ~reached,
            "cost": table[cost].where(reached, 0),
            "value": -table[metric] if direction == "max" else table[metric],
            "size": table["params"],
        }
    )
    order = order.sort_values(["reached", "cost", "value", "size"], na_position="last", kind="stable")
    ranked = table.loc[order.index].reset_index(drop=True)
    ranked.insert(0, "rank", range(1, len(ranked) + 1))
    return ranked
