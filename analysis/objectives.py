"""The metric of quality of a search."""

from __future__ import annotations

from analysis.rows import SearchRows


def accuracy_objective(rows: SearchRows) -> tuple[str, str]:
    """Return (metric, direction) of the first objective that is not a cost: the quality of a model.

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
