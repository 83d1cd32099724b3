"""Learning from earlier searches: which of their configurations a sampler is given, and how they count.

A configuration fits if it is one of this search's space and differs at most in the recipe, that is in
parameters that every task has, such as ``steps`` or ``batch``. The task's own parameters say what is learned
by which model; which of them could differ without changing what a result means, only a person knows, so they
have to be the same or searched here.

A configuration weighs 1, and half as much for each parameter of the recipe that differs, and for another
target. Samplers know no
weights, so by weight a share of the configurations is taken, evenly over the order in which they were tried.
Those that differ weigh together at most as much as what this search tries itself: it has to be able to find
that they mislead.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import TrialState
from pydantic import JsonValue, ValidationError

from analysis.layout import TRIALS_FILE, TrialEnding
from analysis.store import RowStore
from paretune.errors import InputError
from paretune.plan.binding import RESERVED, BoundPlan, canonical
from paretune.plan.learned import Learned, LearnedConfiguration, LearnedSource
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import outcome_of
from paretune.sampling.told import told_of
from search_spaces.dimensions import AnyDimension, FloatRange
from search_spaces.mistakes import dotted
from search_spaces.plan import Plan, Values
from search_spaces.sampling import complete
from trainables.config import TrainingConfig

_SAME_STEPS = frozenset({"micro_batch", "precision", "compile", "engine"})
"""Parameters that say how steps are computed, and not which."""

_WITHOUT_OUTCOME = "without an outcome"


@dataclass(frozen=True)
class EarlierSearch:
    """A search to learn from: what it was called, and its files."""

    name: str
    store: RowStore


@dataclass(frozen=True)
class _Fitting:
    """A configuration that can be learned from."""

    learned: LearnedConfiguration
    differs: tuple[str, ...]

    @property
    def weight(self) -> float:
        return 0.5 ** len(self.differs)


class NothingToLearnError(InputError):
    """An earlier search that cannot be learned from; the message says why."""

    index = 0
    """Its place among those that were named."""


class _LeftOutError(Exception):
    """A configuration is left out, for this reason."""


def learn(bound: BoundPlan, searches: Sequence[EarlierSearch]) -> Learned:
    """Return what a search can learn from earlier ones.

    Args:
        bound: the plan of the search that is to learn.
        searches: what it is to learn from, in the order in which they are named.

    Raises:
        NothingToLearnError: nothing can be learned from one of them.
        DamagedError: a file of one cannot be read.
    """
    found: list[tuple[EarlierSearch, list[_Fitting], Counter[str], int, str]] = []
    known: set[str] = set()
    for index, search in enumerate(searches):
        try:
            digest = _digest(search.store.folder / TRIALS_FILE)
            fitting, left_out, count = _fitting(bound, search, known)
        except NothingToLearnError as error:
            error.index = index
            raise
        found.append((search, fitting, left_out, count, digest))
    differing = sum(bool(one.differs) for _, fitting, *_ in found for one in fitting)
    scale = min(1.0, bound.plan.configurations / max(differing, 1))
    sources, configurations = [], []
    for search, fitting, left_out, count, digest in found:
        taken = _thinned(fitting, scale)
        configurations += [one.learned for one in taken]
        sources.append(
            LearnedSource(
                name=search.name,
                folder=str(search.store.folder),
                digest=digest,
                configurations=count,
                fitting=len(fitting),
                learned=len(taken),
                differs=tuple(dict.fromkeys(text for one in fitting for text in one.differs)),
                left_out=dict(left_out),
            )
        )
    return Learned(sources=tuple(sources), configurations=tuple(configurations))


def _fitting(
    bound: BoundPlan, search: EarlierSearch, known: set[str]
) -> tuple[list[_Fitting], Counter[str], int]:
    """Return the configurations that fit, how many do not for which reason, and how many there are.

    Args:
        bound: the plan of the search that is to learn.
        search: the earlier one.
        known: configurations that searches before had, to which this one's are added.
    """
    there = search.store.plan()
    _require_same_question(bound, there, search.name)
    rows: dict[int, list[Mapping[str, Any]]] = {}
    for row in search.store.trials().values():
        rows.setdefault(row["configuration"], []).append(row)
    if not rows:
        raise NothingToLearnError(f"{search.name} has no trials yet, so there is nothing to learn from it")
    defaults = search.store.defaults()
    fitting, left_out = [], Counter[str]()
    for number in sorted(rows):
        try:
            one = _translated(bound, there, defaults, rows[number])
            one = replace(one, learned=replace(one.learned, of=f"{search.name} c{number:03d}"))
            if (text := canonical(one.learned.values)) in known:
                raise _LeftOutError("known already")
        except _LeftOutError as left:
            left_out[str(left)] += 1
            continue
        known.add(text)
        fitting.append(one)
    if not fitting:
        reasons = ", ".join(f"{reason} ({count} configurations)" for reason, count in left_out.items())
        raise NothingToLearnError(f"there is nothing to learn from {search.name}: {reasons}")
    return fitting, left_out, len(rows)


def _require_same_question(bound: BoundPlan, there: Plan, name: str) -> None:
    if there.task != bound.plan.task:
        raise NothingToLearnError(
            f"{name} is of task {there.task}, not {bound.plan.task}, so it cannot be learned from"
        )
    ours, theirs = bound.plan.target or {}, there.target or {}
    if ours and theirs and ours.keys() != theirs.keys():
        raise NothingToLearnError(
            f"the target of {name} is of {next(iter(theirs))}, not of {next(iter(ours))}, so what solved "
            "there says nothing here"
        )
    costs = [o.metric for o in bound.plan.objectives if bound.metrics[o.metric].spent is not None]
    if costs and (theirs != ours or there.target_hold != bound.plan.target_hold):
        raise NothingToLearnError(
            f"{costs[0]} is an objective, and the target of {name} is another one: what it took to reach "
            "that says nothing here"
        )


def _translated(
    bound: BoundPlan, there: Plan, defaults: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> _Fitting:
    """Return a configuration of an earlier search as one of this search's space.

    Raises:
        _LeftOutError: it is none, or nothing is known of it.
    """
    theirs = _config(bound, {**_known(bound, defaults), **rows[0]["values"]})
    full = theirs.model_dump(mode="json")
    for name, value in bound.plan.fixed.items():
        # Said first, as it says most: it is so of the whole search.
        if name in _own(bound) and full[name] != value:
            raise _LeftOutError(_told(name, full[name], value))

    def pick(name: str, dimension: AnyDimension) -> JsonValue:
        value: JsonValue = full[name]
        if not dimension.contains(value):
            raise _LeftOutError(f"{name} is outside the space")
        return dimension.snap(float(value)) if isinstance(dimension, FloatRange) else value  # type: ignore[arg-type]

    values = complete(bound.plan, pick)
    mistake = bound.refused(values)
    if mistake is not None:
        is_limit = mistake.path[:1] == ("constraints",)
        raise _LeftOutError(f"outside {dotted(mistake.path)}" if is_limit else mistake.message)
    ours = _config(bound, values)
    differs = (*_other_target(bound.plan, there), *_differences(theirs, ours))
    params = bound.params(values)
    outcomes = [
        _as_known_here(bound, there, theirs.steps, ours.steps, outcome_of(ending, row, set(bound.metrics)))
        for row in sorted(rows, key=lambda row: int(row["seed_index"]))
        if (ending := row.get("ending")) not in (None, TrialEnding.INTERRUPTED)
    ]
    if not outcomes or told_of(bound, outcomes, values, params).state == TrialState.FAIL:
        raise _LeftOutError(_WITHOUT_OUTCOME)
    learned = LearnedConfiguration(
        of="", values=values, params=params, trials=tuple(_plain(outcome) for outcome in outcomes)
    )
    return _Fitting(learned, differs)


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
        _LeftOutError: more than the recipe differs.
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
        raise _LeftOutError(told[own[0]])
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


def _thinned(fitting: Sequence[_Fitting], scale: float) -> list[_Fitting]:
    """Return a share of the configurations by their weights, evenly over their order, at least one."""
    taken, sum_before = [], 0.0
    for one in fitting:
        total = sum_before + one.weight * (scale if one.differs else 1.0)
        # Half a step in, so that one of weight 1/2 of every two is taken, and of a single one that one.
        if math.floor(total + 0.5) > math.floor(sum_before + 0.5):
            taken.append(one)
        sum_before = total
    return taken or [max(fitting, key=lambda one: one.weight)]


def _config(bound: BoundPlan, values: Values) -> TrainingConfig:
    try:
        return bound.config(values)
    except ValidationError:
        raise _LeftOutError("not a configuration of the task any more") from None


def _known(bound: BoundPlan, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of an earlier search of those parameters that the task still has."""
    fields = bound.task.config_class.model_fields
    return {name: value for name, value in defaults.items() if name in fields and name not in RESERVED}


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


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return hashlib.sha256().hexdigest()
