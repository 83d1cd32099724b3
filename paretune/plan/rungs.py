"""Where early stopping compares trials: at steps that all share, or at shares of each trial's own steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paretune.plan.binding import BoundPlan
from paretune.plan.budget import largest_budget, step_at
from search_spaces.plan import Values


def marks_of(bound: BoundPlan) -> Sequence[float]:
    """Return what the rungs are called, in order: their steps, or their shares of a trial's own steps."""
    rule = bound.plan.early_stopping
    if rule is not None and rule.at is not None:
        return rule.at
    return rungs_at_steps(bound)


def rungs_of(bound: BoundPlan, values: Values) -> list[int]:
    """Return the steps at which trials of a configuration come to the rungs, one for each mark.

    A rung at a share lies at the first step that is no less than this share of the configuration's
    own steps; of few steps, several rungs may lie at the same one.
    """
    rule = bound.plan.early_stopping
    if rule is not None and rule.at is not None:
        steps = bound.config(values).steps
        return [step_at(share, steps) for share in rule.at]
    return rungs_at_steps(bound)


def rungs_at_steps(bound: BoundPlan) -> list[int]:
    """Return the steps at which all trials are compared, in order; none without such a rule.

    The last is at most ``max_steps``, and before the end of the longest budget: at its end nothing
    is left to stop.
    """
    rule = bound.plan.early_stopping
    if rule is None or rule.grace_period is None:
        return []
    budget = largest_budget(bound)
    rungs = []
    rung = float(rule.grace_period)
    while rung < budget and (rule.max_steps is None or rung <= rule.max_steps):
        rungs.append(math.ceil(rung))
        rung *= rule.reduction_factor
    return rungs
