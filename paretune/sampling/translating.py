"""A configuration of an earlier search as one of another search's space, and what its outcomes say there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import TrialState
from pydantic import JsonValue, ValidationError

from analysis.files.layout import TrialEnding
from paretune.plan.binding import RESERVED, BoundPlan
from paretune.plan.learned import LearnedConfiguration
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import outcome_of
from paretune.sampling.told import told_of
from search_spaces.dimensions import AnyDimension, Choice, FloatRange
from search_spaces.mistakes import dotted
from search_spaces.plan import Plan, Values
from search_spaces.sampling import complete
from trainables.config import TrainingConfig

_SAME_STEPS = frozenset({"micro_batch", "precision", "compile", "engine"})
"""Parameters that say how steps are computed, and not which."""


class LeftOutError(Exception):
    """A configuration is left out, for this reason."""


@dataclass(frozen=True)
class Fitting:
    """A configuration that can be learned from."""

    learned: LearnedConfiguration
    differs: tuple[str, ...]
    """How it differs from what would be trained now."""

    @property
    def weight(self) -> float:
        """What it counts: 1, and half as much for each difference."""
        return 0.5 ** len(self.differs)


def translated(
    bound: BoundPlan, there: Plan, defaults: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> Fitting:
    """Return a configuration of an earlier search as one of this search's space.

    Raises:
        LeftOutError: it is none, or nothing is known of it.
    """
    stated = {**_known(bound, defaults), **_known(bound, rows[0]["values"])}
    theirs = _config(bound, stated)
    full = theirs.model_dump(mode="json")
    for name, value in bound.plan.fixed.items():
        # Said first, as it says most: it is so of the whole search.
        if name in _own(bound) and full[name] != (here := _written(bound, stated, name, value)):
            raise LeftOutError(_told(name, full[name], here))

    def pick(name: str, dimension: AnyDimension) -> JsonValue:
        value = full[name]
        if isinstance(dimension, Choice):
            for choice in dimension.values:
                if _written(bound, stated, name, choice) == value:
                    return choice
        elif dimension.contains(value):
            return dimension.snap(float(value)) if isinstance(dimension, FloatRange) else int(value)
        raise LeftOutError(f"{name} is outside the space")

    values = complete(bound.plan, pick)
    mistake = bound.refused(values)
    if mistake is not None:
        is_limit = mistake.path[:1] == ("constraints",)
        raise LeftOutError(f"outside {dotted(mistake.path)}" if is_limit else mistake.message)
    ours = _config(bound, values)
    differs = (*_other_target(bound.plan, there), *_differences(theirs, ours))
    params = bound.params(values)
    outcomes = [
        _as_known_here(bound, there, theirs.steps, ours.steps, outcome_of(ending, row, set(bound.metrics)))
        for row in sorted(rows, key=lambda row: int(row["seed_index"]))
        if (ending := row.get("ending")) not in (None, TrialEnding.INTERRUPTED)
    ]
    if not outcomes or told_of(bound, outcomes, values, params).state == TrialState.FAIL:
        raise LeftOutError("without an outcome")
    learned = LearnedConfiguration(
        of="", values=values, params=params, trials=tuple(_plain(outcome) for outcome in outcomes)
    )
    return Fitting(learned, differs)


def _other_target(here: Plan, there: Plan) -> Iterator[str]:
    """Say how targets differ, if they do; where nothing is asked for, the other one does not matter."""
    if here.target is not None and (here.target, here.target_hold) != (there.target, there.target_hold):
        yield f"the target is {_target(there)} there, {_target(here)} here"


def _target(plan: Plan) -> str:
    if plan.target is None:
        return "none"
    ((name, value),) = plan.target.items()
    return f"{name} {value:g} held {plan.target_hold} times"


def _differences(theirs: TrainingConfig, ours: TrainingConfig) -> tuple[str, ...]:
    """Return how two recipes differ.

    Raises:
        LeftOutError: more than the recipe differs.
    """
    there, here = theirs.model_dump(mode="json"), ours.model_dump(mode="json")
    idle = theirs.without_effect.keys() & ours.without_effect.keys()
    differing = [
        name
        for name in here
        if there[name] != here[name] and name not in RESERVED | _SAME_STEPS and name not in idle
    ]
    told = {name: _told(name, there[name], here[name]) for name in differing}
    own = [name for name in differing if name not in TrainingConfig.model_fields]
    if own:
        raise LeftOutError(told[own[0]])
    return tuple(told.values())


def _as_known_here(
    bound: BoundPlan, there: Plan, steps_there: int, steps_here: int, outcome: SeedOutcome
) -> SeedOutcome:
    """Return what an outcome under another target or budget says about this search's.

    What it leaves open is unknown, as after early stopping.
    """
    unknown = replace(outcome, ending=TrialEnding.STOPPED_EARLY)
    ours, target = bound.target, bound.plan.target
    theirs = (there.target or {}).get(ours.metric) if ours is not None else None
    if outcome.ending == TrialEnding.SOLVED:
        if ours is None:
            return unknown if there.stop_at_target else replace(outcome, ending=TrialEnding.FINISHED)
        if theirs is None or not ours.is_reached_by(theirs) or there.target_hold < ours.hold:
            return unknown
        return unknown if outcome.metrics.get("steps_to_target", outcome.step) > steps_here else outcome
    if outcome.ending == TrialEnding.FINISHED:
        if steps_there < steps_here:
            return unknown
        last = outcome.metrics.get(ours.metric) if ours is not None else None
        is_same = (there.target, there.target_hold) == (target, bound.plan.target_hold)
        # It was not asked whether it holds what it has reached.
        if ours is not None and not is_same and last is not None and ours.is_reached_by(last):
            return unknown
    return outcome


def _config(bound: BoundPlan, values: Values) -> TrainingConfig:
    try:
        return bound.config(values)
    except ValidationError:
        raise LeftOutError("not a configuration of the task any more") from None


def _known(bound: BoundPlan, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values of an earlier search that are of parameters which the task still has."""
    names = bound.task.config_class.model_fields.keys() | bound.task.config_class.aliases.keys()
    return {name: value for name, value in values.items() if name in names - RESERVED}


def _written(bound: BoundPlan, beside: Values, name: str, value: JsonValue) -> Any:
    """Return a value as the task's configuration has it: lists and maps with what they state by default."""
    if not isinstance(value, list | dict):
        return value
    try:
        config = bound.task.config_class.model_validate({**beside, name: value})
    except ValidationError:
        return value
    return config.model_dump(mode="json")[name]


def _plain(outcome: SeedOutcome) -> dict[str, Any]:
    return {
        "ending": str(outcome.ending),
        "step": outcome.step,
        "metrics": dict(outcome.metrics),
        "out_of_memory": outcome.out_of_memory,
    }


def _own(bound: BoundPlan) -> set[str]:
    """Return the task's own parameters, of data and model."""
    return bound.task.config_class.model_fields.keys() - TrainingConfig.model_fields.keys() - _SAME_STEPS


def _told(name: str, there: object, here: object) -> str:
    return f"{name} is {_shown(there)} there, {_shown(here)} here"


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
