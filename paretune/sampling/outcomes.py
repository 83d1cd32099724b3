"""What the ends of a configuration's trials mean to a sampler: its objectives, and whether it is feasible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.layout import TrialEnding
from paretune.plan.binding import PARAMS, BoundPlan
from trainables.contract import Metric

_SAYS_NOTHING = (TrialEnding.FAILED, TrialEnding.INTERRUPTED)
"""Endings that say nothing about the configuration."""

_BARELY = 1e-9
"""Violation of a configuration whose mean is as good as the target, but that did not hold it."""


@dataclass(frozen=True, kw_only=True)
class SeedOutcome:
    """How one trial of a configuration ended, as far as the sampler is concerned."""

    ending: TrialEnding
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)


def that_say_something(outcomes: Sequence[SeedOutcome]) -> list[SeedOutcome]:
    """Return the outcomes that say something about the configuration: those not failed or interrupted."""
    return [outcome for outcome in outcomes if outcome.ending not in _SAYS_NOTHING]


def objective_values(bound: BoundPlan, outcomes: Sequence[SeedOutcome], params: int) -> list[float] | None:
    """Return the value of each of the plan's objectives, or None if one of them is not known.

    A quality is a mean over seeds, a diverged one counting with the metric's ``worst``. So is a cost of
    training, from which diverged seeds are left out where another one has it: what diverges early has spent
    little. A cost of reaching the target is that of a success, as in :mod:`analysis.costs`: all that the
    seeds have spent, diverged ones too, over those that solved; without a success, all that they have spent.
    """
    told = that_say_something(outcomes)
    values = []
    for objective in bound.plan.objectives:
        metric = bound.metrics[objective.metric]
        if metric.name == PARAMS.name:
            value: float | None = float(params)
        elif metric.spent is not None:
            value = _cost_of_success(metric, told)
        elif metric.is_cost:
            trained = [outcome for outcome in told if outcome.ending != TrialEnding.DIVERGED]
            value = _mean([outcome.metrics.get(metric.name) for outcome in trained or told])
        else:
            value = _mean([_quality(metric, outcome) for outcome in told])
        if value is None:
            return None
        values.append(value)
    return values


def has_constraint(bound: BoundPlan) -> bool:
    """Tell whether configurations can be infeasible: where a cost of training is an objective.

    Doing nothing costs nothing. A made-up cost of failing instead would have to be of the right size:
    too small, and failing fast looks cheap; too large, and all that reached the target looks the same.
    """
    return any(metric.is_cost and metric.name != PARAMS.name for metric in _objectives(bound))


def violation(bound: BoundPlan, outcomes: Sequence[SeedOutcome]) -> float:
    """Return how far a configuration is from being feasible: 0 if it is, above 0 if it is not.

    Feasible is what reached the target with more than half of its seeds; else it is the distance of the
    mean of the target's metric, a diverged seed counting with the metric's ``worst``. Without a target,
    feasible is what did not diverge with more than half.
    """
    told = that_say_something(outcomes)
    target = bound.target
    if target is None:
        diverged = sum(outcome.ending == TrialEnding.DIVERGED for outcome in told)
        return float(diverged > len(told) / 2)
    # Of all seeds, as where configurations are ranked: a failed one has not reached it.
    if sum(outcome.ending == TrialEnding.SOLVED for outcome in told) > bound.plan.search.seeds / 2:
        return 0.0
    metric = bound.metrics[target.metric]
    mean = _mean([_quality(metric, outcome) for outcome in told])
    reached = metric.worst if mean is None else mean
    short_of = target.value - reached if target.direction == "max" else reached - target.value
    return max(short_of, _BARELY)


def _objectives(bound: BoundPlan) -> list[Metric]:
    return [bound.metrics[objective.metric] for objective in bound.plan.objectives]


def _quality(metric: Metric, outcome: SeedOutcome) -> float | None:
    return metric.worst if outcome.ending == TrialEnding.DIVERGED else outcome.metrics.get(metric.name)


def _cost_of_success(metric: Metric, told: Sequence[SeedOutcome]) -> float | None:
    spent = [(outcome.ending == TrialEnding.SOLVED, _spent(metric, outcome)) for outcome in told]
    known = [(solved, cost) for solved, cost in spent if cost is not None and math.isfinite(cost)]
    if not known:
        return None
    return sum(cost for _, cost in known) / max(sum(solved for solved, _ in known), 1)


def _spent(metric: Metric, outcome: SeedOutcome) -> float | None:
    """Return what a seed has spent in the search for the target: up to it if it solved, else all it used."""
    assert metric.spent is not None
    if outcome.ending == TrialEnding.SOLVED:
        return outcome.metrics.get(metric.name)
    return float(outcome.step) if metric.spent == "step" else outcome.metrics.get(metric.spent)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None
