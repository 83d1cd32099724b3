"""What a study is told of a configuration that has ended: its state, its values, and why it is infeasible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from optuna.trial import TrialState

from analysis.files.layout import TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.plan.samplers import must_reach_target, told_objectives
from paretune.sampling.outcomes import (
    SeedOutcome,
    all_out_of_memory,
    distance_from_target,
    objective_values,
    that_say_something,
)
from search_spaces.plan import Values


@dataclass(frozen=True, kw_only=True)
class Told:
    """What Optuna is told of one configuration."""

    state: TrialState
    """COMPLETE; PRUNED, which only some samplers see; or FAIL, which none sees."""
    values: list[float] | None = None
    """One value for each of the study's directions; None where they are not known."""
    violation: float | None = None
    """How far it is from being feasible, above 0 if it is not; None where that is not known."""
    came_to: int | None = None
    """How far a pruned one has come: its last step, or the thousandths of its own steps where rungs are
    shares of them."""
    reason: str = ""
    """Why it is told so, in a few words."""


Direction = Literal["maximize", "minimize"]


def directions_of(bound: BoundPlan) -> list[Direction]:
    """Return the directions of a plan's study, in the order in which values are told."""
    objectives = told_objectives(bound.plan, bound.task)
    return ["maximize" if objective.direction == "max" else "minimize" for objective in objectives]


def told_of(bound: BoundPlan, outcomes: Sequence[SeedOutcome], values: Values, params: int) -> Told:
    """Return what is told of a configuration of which these seeds have ended.

    :mod:`paretune.sampling.outcomes` makes objectives of seeds. What each ending counts for, docs/samplers.md
    says in a table that is made by this function.

    Args:
        bound: the plan.
        outcomes: how its seeds ended.
        values: the configuration.
        params: its parameter count.
    """
    numbers = objective_values(bound, outcomes, params)
    is_short_of_memory = all_out_of_memory(outcomes)
    told = that_say_something(outcomes)
    if not told and not is_short_of_memory:
        return Told(state=TrialState.FAIL, reason="nothing is known: all seeds failed or were interrupted")
    if must_reach_target(bound.plan, bound.task):
        judged = _by_target(bound, outcomes)
    else:
        judged = _by_endings(outcomes)
    if judged.violation is None:
        return _unknown(bound, outcomes, values, numbers, judged.reason)
    if numbers is None:
        # It is known to be infeasible, but not what it would cost.
        state = TrialState.PRUNED if judged.violation > 0 else TrialState.FAIL
        return Told(state=state, violation=judged.violation, reason=judged.reason)
    return Told(state=TrialState.COMPLETE, values=numbers, violation=judged.violation, reason=judged.reason)


@dataclass(frozen=True)
class _Judged:
    """Whether a configuration is feasible, as in :class:`Told`."""

    violation: float | None
    reason: str


def _by_target(bound: BoundPlan, outcomes: Sequence[SeedOutcome]) -> _Judged:
    """Judge a configuration that is feasible if it reached the target with more than half of its seeds.

    Of all seeds, as where configurations are ranked: a failed one has not reached it. If those that early
    stopping ended could have made it more than half, it is not known.
    """
    solved, stopped = (
        sum(outcome.ending == ending for outcome in outcomes)
        for ending in (TrialEnding.SOLVED, TrialEnding.STOPPED_EARLY)
    )
    if solved > len(outcomes) / 2:
        return _Judged(0.0, "reached the target")
    if solved + stopped > len(outcomes) / 2:
        return _Judged(None, _STOPPED)
    reason = _died_of(outcomes) or "missed the target"
    return _Judged(distance_from_target(bound, outcomes), reason)


def _by_endings(outcomes: Sequence[SeedOutcome]) -> _Judged:
    """Judge a configuration that is feasible if it can be trained at all."""
    reason = _died_of(outcomes)
    if reason is not None:
        return _Judged(1.0, reason)
    if all(outcome.ending == TrialEnding.STOPPED_EARLY for outcome in that_say_something(outcomes)):
        return _Judged(None, _STOPPED)
    return _Judged(0.0, "trained")


_STOPPED = "early stopping ended it: its outcome is unknown"


def _died_of(outcomes: Sequence[SeedOutcome]) -> str | None:
    """Return what ended most of the seeds that say something; None if it is nothing of the kind."""
    if all_out_of_memory(outcomes):
        return "out of memory"
    told = that_say_something(outcomes)
    diverged = sum(outcome.ending == TrialEnding.DIVERGED for outcome in told)
    return "diverged" if diverged > len(told) / 2 else None


def _unknown(
    bound: BoundPlan,
    outcomes: Sequence[SeedOutcome],
    values: Values,
    numbers: list[float] | None,
    reason: str,
) -> Told:
    """Return what is told of a configuration whose outcome early stopping left open.

    It is pruned where Optuna can express that, with one objective. Where a value says nothing of how good it
    was, such as a parameter count, it stands behind all that reached the target, by its distance then. With
    several objectives it is infeasible: left out, as if nothing were known, the sampler would go there again
    (``benchmarks/sampler_truths.py``).
    """
    is_single = len(told_objectives(bound.plan, bound.task)) == 1
    is_judged_by_value = is_single and not must_reach_target(bound.plan, bound.task)
    if is_judged_by_value and numbers is not None:
        came_to = _how_far(bound, values, max(o.step for o in that_say_something(outcomes)))
        return Told(state=TrialState.PRUNED, values=numbers, came_to=came_to, reason=reason)
    short_of = 1.0 if bound.target is None else distance_from_target(bound, outcomes)
    if is_single or numbers is None:
        return Told(state=TrialState.PRUNED, violation=short_of, reason=reason)
    return Told(state=TrialState.COMPLETE, values=numbers, violation=short_of, reason=reason)


def _how_far(bound: BoundPlan, values: Values, step: int) -> int:
    """Return how far a trial has come on the scale on which early stopping compares trials."""
    rule = bound.plan.early_stopping
    if rule is None or rule.at is None:
        return step
    return round(1000 * step / bound.config(values).steps)
