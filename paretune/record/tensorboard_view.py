"""What TensorBoard shows first: names of runs and curves, and the address that pins some of them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from search_spaces.plan import Plan

RESULTS = "result"
"""First part of the tags of what a task measures."""

FINDINGS_RUN = "findings"
FINDINGS_TEXT = "findings/answer"
PICTURE = "findings/picture"
CARD = "findings/small picture"

_EXPERIMENT = "defaultExperimentId"
"""TensorBoard's word for the only folder that it shows, a part of the names of runs in addresses."""


def first_view(plan: Plan, metrics: dict[str, dict[str, Any]]) -> str:
    """Return the end of the address at which TensorBoard opens on the quality that is searched for.

    Its curve and the picture of the findings are pinned above all others, and curves are not smoothed: a jump
    from nothing to all is what is looked for.

    Args:
        plan: the search's plan.
        metrics: every metric by name, as :attr:`analysis.rows.SearchRows.metrics` has them.
    """
    pinned = [
        {"plugin": "scalars", "tag": f"{RESULTS}/{quality_of(plan, metrics)}"},
        {"plugin": "images", "tag": CARD, "runId": f"{_EXPERIMENT}/{FINDINGS_RUN}", "sample": 0},
    ]
    return (
        "?"
        + urlencode({"pinnedCards": json.dumps(pinned, separators=(",", ":")), "smoothing": 0})
        + "#timeseries"
    )


def quality_of(plan: Plan, metrics: dict[str, dict[str, Any]]) -> str:
    """Return the first objective that is no cost, else what the target is of, else the first metric."""
    costs = {name for name, metric in metrics.items() if metric.get("is_cost")} | {"params"}
    qualities = [objective.metric for objective in plan.objectives if objective.metric not in costs]
    return str(next(iter([*qualities, *(plan.target or ()), *metrics])))
