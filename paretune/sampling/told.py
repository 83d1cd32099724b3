"""What a study is told of a configuration that has ended: its state, its values, and why it is infeasible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from analysis.layout import TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.sampling.outcomes import (
    SeedOutcome,
    has_constraint,
    objective_values,
    that_say_something,
    violation,
)
from search_spaces.plan import Values


@dataclass(frozen=True, kw_only=True)
class Told:
    """What Optuna is told of one configuration."""

    state: TrialState
    """COMPLETE, PRUNED, or FAIL: the samplers do not see it."""
    values: list[float] | None = None
    """One value for each of the study's directions; None with FAIL."""
    violation: float | None = None
    """How far it is from being feasible, above 0 if it is not; None where all are."""
    came_to: int | None = None
    """How far a pruned one has come: its last step, or the thousandths of its own steps where rungs are
    shares of them."""


def told_of(bound: BoundPlan, outcomes: Sequence[SeedOutcome], values: Values, params: int) -> Told:
    """Return what is told of a configuration of which these seeds have ended.

    :mod:`paretune.sampling.outcomes` makes objectives of seeds, and says what each ending counts for. A seed
    that early stopping ended counts with its last values, a lower bound of what it might have reached. Where
    a cost of training is an objective, a configuration that did not buy anything with it is told as
    infeasible. A configuration of which every seed was stopped early is told as pruned, where Optuna can
    express that (one objective).

    Args:
        bound: the plan.
        outcomes: how its seeds ended.
        values: the configuration.
        params: its parameter count.
    """
    numbers = objective_values(bound, outcomes, params)
    if numbers is None:
        return Told(state=TrialState.FAIL)
    short_by = violation(bound, outcomes) if has_constraint(bound) else None
    told = that_say_something(outcomes)
    is_single = len(bound.plan.objectives) == 1
    if is_single and all(outcome.ending == TrialEnding.STOPPED_EARLY for outcome in told):
        came_to = _how_far(bound, values, max(outcome.step for outcome in told))
        return Told(state=TrialState.PRUNED, values=numbers, violation=short_by, came_to=came_to)
    return Told(state=TrialState.COMPLETE, values=numbers, violation=short_by)


def _how_far(bound: BoundPlan, values: Values, step: int) -> int:
    """Return how far a trial has come on the scale on which early stopping compares trials."""
    rule = bound.plan.early_stopping
    if rule is None or rule.at is None:
        return step
    return round(1000 * step / bound.config(values).steps)
