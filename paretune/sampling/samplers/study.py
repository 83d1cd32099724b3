"""Configurations as Optuna's trials: what a sampler was told of each, without a sampler.

:func:`trial_of` makes the trial that a study holds of a configuration that was handed out, or that has ended,
whoever placed it. The study that ``paretune dashboard`` shows consists of such trials, and so does what a
sampler learns from earlier searches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial, TrialState
from pydantic import JsonValue

from analysis.files.layout import TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.plan.samplers import told_objectives
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.samplers.encoding import Scalar, encode, suggest
from paretune.sampling.told import Told, told_of
from search_spaces.dimensions import AnyDimension, Choice, FloatRange, IntRange
from search_spaces.plan import Plan, Values

CONSTRAINT = "feasible"
"""The name of the one constraint that configurations are told with."""

_VIOLATION = f"constraints:{CONSTRAINT}"

PROVISIONAL = "provisional"
"""User attribute of a trial that may be told of once more, since early stopping paused some of its seeds."""

Params = dict[str, Scalar]
Distributions = dict[str, BaseDistribution]


def names_of(bound: BoundPlan) -> list[str]:
    """Return what the values are that a study is told."""
    return [objective.metric for objective in told_objectives(bound.plan, bound.task)]


def encoded(space: dict[str, AnyDimension], values: Values) -> tuple[Params, Distributions]:
    """Return the searched values of a configuration as Optuna writes them, and the range of each."""
    searched = {name: encode(space[name], values[name]) for name in space if name in values}
    trial = FixedTrial(searched)
    for name in searched:
        suggest(trial, name, space[name])
    return searched, trial.distributions


def space_of(plan: Plan) -> dict[str, AnyDimension]:
    """Return the plan's dimensions; of a plan that lists its configurations, what spans their values."""
    if plan.space:
        return dict(plan.space)
    listed: dict[str, list[JsonValue]] = {name: [] for name in plan.searched_names}
    for values in plan.only:
        for name, value in values.items():
            if value not in listed[name]:
                listed[name].append(value)
    return {name: _spanning(values) for name, values in listed.items()}


def trial_of(
    bound: BoundPlan,
    values: Values,
    params: int,
    outcomes: Sequence[SeedOutcome] | None,
    *,
    space: dict[str, AnyDimension] | None = None,
) -> FrozenTrial:
    """Return a configuration as a trial of Optuna's, as its sampler would be told of it.

    User attributes say what Optuna has no field for: the parameter count, how the seeds ended, and why it is
    told so.

    Args:
        bound: the plan.
        values: the configuration, of the plan's space.
        params: its parameter count.
        outcomes: how its seeds ended; None for one that was handed out and has not ended.
        space: what :func:`space_of` returns, if it is asked for many.
    """
    searched, distributions = encoded(space_of(bound.plan) if space is None else space, values)
    began = datetime.now()
    user: dict[str, Any] = {"parameters": params}
    system: dict[str, Any] = {}
    state, numbers, reports = TrialState.RUNNING, None, {}
    if outcomes is not None:
        told = told_of(bound, outcomes, values, params)
        state, numbers = told.state, told.values
        counts = Counter(outcome.ending for outcome in outcomes)
        user["endings"] = ", ".join(f"{count} {ending}" for ending, count in counts.items())
        user["reason"] = told.reason
        if told.violation is not None:
            system[_VIOLATION] = told.violation
        if told.came_to is not None and numbers is not None:
            reports[told.came_to] = numbers[0]
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None,
        values=numbers,
        datetime_start=began,
        datetime_complete=began if state.is_finished() else None,
        params=searched,
        distributions=distributions,
        user_attrs=user,
        system_attrs=system,
        intermediate_values=reports,
    )


def revise(study: optuna.Study, number: int, told: Told, *, is_provisional: bool) -> None:
    """Replace what a study was told of a configuration whose trials had not all ended for good.

    Optuna lets nobody change a finished trial; those of a study in memory are its own objects.

    Args:
        study: in memory.
        number: the trial's, in the study.
        told: what holds now.
        is_provisional: whether that may change once more.
    """
    trial = study.get_trials(deepcopy=False)[number]
    trial.state = told.state
    trial.values = told.values
    trial.intermediate_values = {}
    if told.came_to is not None and told.values is not None:
        trial.intermediate_values[told.came_to] = told.values[0]
    trial.system_attrs.pop(_VIOLATION, None)
    if told.violation is not None:
        trial.system_attrs[_VIOLATION] = told.violation
    trial.set_user_attr("reason", told.reason)
    if not is_provisional:
        trial.user_attrs.pop(PROVISIONAL, None)


def learned_trials(bound: BoundPlan) -> list[FrozenTrial]:
    """Return what a plan's sampler knows from earlier searches, as trials of Optuna's, in their order."""
    if bound.learned is None:
        return []
    space = space_of(bound.plan)
    trials = []
    for one in bound.learned.configurations:
        outcomes = [SeedOutcome(**{**trial, "ending": TrialEnding(trial["ending"])}) for trial in one.trials]
        trial = trial_of(bound, one.values, one.params, outcomes, space=space)
        trial.set_user_attr("learned from", one.of)
        if trial.state != TrialState.FAIL:
            trials.append(trial)
    return trials


def _spanning(values: list[JsonValue]) -> AnyDimension:
    """Return the dimension that just contains some values."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return Choice(values=values)
    if all(isinstance(value, int) for value in numbers):
        return IntRange(low=int(min(numbers)), high=int(max(numbers)))
    return FloatRange(low=float(min(numbers)), high=float(max(numbers)))


def quiet() -> None:
    """Keep Optuna from a line for every trial."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
