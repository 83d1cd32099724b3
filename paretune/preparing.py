"""What trials share is looked at, or made, before the first of them begins."""

from __future__ import annotations

import random

from pydantic import ValidationError

from paretune.binding import BoundPlan
from search_spaces.sampling import draw, fill

_DRAWS = 200
"""Configurations that stand for a space: what they share, such as their data, has few values."""


def prepare(bound: BoundPlan) -> None:
    """Let the task check or make what the plan's trials need, on this machine.

    Raises:
        DataError: it is not there, or damaged, or not what a configuration needs.
    """
    plan, rng = bound.plan, random.Random(0)
    first = [fill(plan, given, rng) for given in (*plan.baselines.values(), *plan.try_first)]
    listed = [plan.fixed | given for given in plan.only]
    for values in (*first, *listed, *(draw(plan, rng) for _ in range(_DRAWS))):
        try:
            config = bound.config(values)
        except ValidationError:
            continue  # it is never trained
        bound.task.prepare(config)
