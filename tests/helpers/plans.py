"""Plans with their task, made of a few values."""

from __future__ import annotations

from paretune.plan.binding import BoundPlan, bind
from search_spaces.plan import Plan


def bound(**changes: object) -> BoundPlan:
    content = {
        "name": "test",
        "task": "addition",
        "objectives": [{"metric": "exact_match", "direction": "max"}],
        "fixed": {"digits": 3},
        "space": {
            "d_model": {"type": "int", "low": 4, "high": 32, "step": 4},
            "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        },
        **changes,
    }
    return bind(Plan.model_validate(content))
