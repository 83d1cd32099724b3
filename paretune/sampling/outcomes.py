"""What the ends of a configuration's trials mean to a sampler: its objectives, and whether it is feasible."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.files.layout import TrialEnding
from paretune.plan.binding import PARAMS, BoundPlan
from paretune.plan.samplers import told_objectives
from trainables.contract import Metric

_SAYS_NOTHING = (TrialEnding.FAILED, TrialEnding.INTERRUPTED)
"""Endings that say nothing about the configuration."""

_OUT_OF_MEMORY = re.compile(
    r"OutOfMemory|out of memory|MemoryError|can't allocate memory|running low on memory", re.IGNORECASE
)
"""What errors of CUDA, PyTorch's allocator, Python and Ray's memory monitor say.

A worker that was ended for no reason that is known is none: Ray then names memory as one of several."""

_BARELY = 1e-9
"""Violation of a configuration whose mean is as good as the target, but that did not hold it."""


@dataclass(frozen=True, kw_only=True)
class SeedOutcome:
    """How one trial of a configuration ended, as far as the sampler is concerned."""

    ending: TrialEnding
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    out_of_memory: bool = False
    """Whether it failed for want of memory: another trial of this size would, too."""


def that_say_something(outcomes: Sequence[SeedOutcome]) -> list[SeedOutcome]:
    """Return the outcomes that say something about the configuration: those not failed or interrupted."""
    return [outcome for outcome in outcomes if outcome.ending not in _SAYS_NOTHING]


def all_out_of_memory(outcomes: Sequence[SeedOutcome]) -> bool:
    """Tell whether every seed failed for want of memory.

    One alone may have had a large neighbour.
    """
    return bool(outcomes) and all(outcome.out_of_memory for outcome in outcomes)


def is_out_of_memory(error: str | None) -> bool:
    """Tell from the last line of an error whether memory was what was missing."""
    return error is not None and _OUT_OF_MEMORY.search(error) is not None


def objective_values(bound: BoundPlan, outcomes: Sequence[SeedOutcome], params: int) -> list[float] | None:
    """Return the value of each objective that the sampler is told, or None if one of them is not known.

    A quality is a mean over seeds, one that diverged or had too little memory counting with the metric's
    ``worst``. So is a cost of
    training, from which diverged seeds are left out where another one has it: what diverges early has spent
    little. A cost of reaching the target is that of a success, as in :mod:`analysis.costs`: all that the
    seeds have spent, diverged ones too, over those that solved; without a success, all that they have spent.
    """
    is_short_of_memory = all_out_of_memory(outcomes)
    told = list(outcomes) if is_short_of_memory else that_say_something(outcomes)
    values = []
    for objective in told_objectives(bound.plan, bound.task):
        metric = bound.metrics[objective.metric]
        if metric.name == PARAMS.name:
            value: float | None = float(params)
        elif metric.is_cost and is_short_of_memory:
            # It ended before it could cost anything.
            value = None
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


def distance_from_target(bound: BoundPlan, outcomes: Sequence[SeedOutcome]) -> float:
    """Return how far a configuration is from the target, above 0: the distance of the mean of its metric.

    A seed that diverged or had too little memory counts with the metric's ``worst``. One that early stopping
    ended does not count beside others: what it would have reached is not known.
    """
    target = bound.target
    assert target is not None
    metric = bound.metrics[target.metric]
    told = list(outcomes) if all_out_of_memory(outcomes) else that_say_something(outcomes)
    known = [outcome for outcome in told if outcome.ending != TrialEnding.STOPPED_EARLY]
    mean = _mean([_quality(metric, outcome) for outcome in known or told])
    reached = metric.worst if mean is None else mean
    short_of = target.value - reached if target.direction == "max" else reached - target.value
    return max(short_of, _BARELY)


def _quality(metric: Metric, outcome: SeedOutcome) -> float | None:
    is_worst = outcome.ending == TrialEnding.DIVERGED or outcome.out_of_memory
    return metric.worst if is_worst else outcome.metrics.get(metric.name)


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
