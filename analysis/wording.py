"""Names of targets and metrics in text: one wording for findings, tables and pictures."""

from __future__ import annotations

from analysis.rows import SearchRows

RANDOMLY_CONTINUED = (
    "Trials below the cut of early stopping that ran on by lot are weighted: each also represents "
    "those like it that were stopped."
)
"""Said where rows have ``kept_chance``: see docs/findings.md."""


def metric_text(name: str) -> str:
    """Write a metric's name in words: ``exact match``, ``parameters``."""
    return "parameters" if name == "params" else name.replace("_", " ")


def target_text(rows: SearchRows) -> str:
    """Describe the target: ``exact match of at least 0.99, held at 2 evaluations in a row``.

    Only of a search that has a target.
    """
    assert rows.plan.target is not None
    ((name, value),) = rows.plan.target.items()
    bound = "at least" if rows.metrics[name]["direction"] == "max" else "at most"
    hold = rows.plan.target_hold
    held = f", held at {hold} evaluations in a row" if hold > 1 else ""
    return f"{metric_text(name)} of {bound} {value:g}{held}"


def cost_text(rows: SearchRows, cost: str) -> str:
    """Write a cost's name; one of reaching the target is that of a success: ``steps per success``."""
    if not rows.is_of_target(cost):
        return "CPU seconds" if cost == "cpu_seconds" else metric_text(cost)
    spent = cost.removesuffix("_to_target")
    called = {"cpu_seconds": "CPU", "seconds": "elapsed time"}.get(spent, metric_text(spent))
    return f"{called} per success"
