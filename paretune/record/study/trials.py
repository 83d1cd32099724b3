"""From rows to the trials of a study: what each configuration is told as, and what links it to paretune."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from analysis.files.layout import SEARCHES, TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import Tried
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import outcome_of
from paretune.sampling.samplers.study import CONSTRAINT, learned_trials, names_of, trial_of
from paretune.sampling.strategies.race import Race
from search_spaces.dimensions import AnyDimension

Row = Mapping[str, Any]

KEYS = ("trial", "configuration", "seed_index", "values", "params")
"""What a row does not do without here."""

_UNFINISHED = (None, TrialEnding.INTERRUPTED)
_FIRST_LEARNED = 10**9
"""Trials have numbers of their own across studies; those of the search have their configurations'."""

_LONGEST_PART = 2000
"""Characters of a part of a note; optuna-dashboard splits longer ones."""


def study_trial(
    bound: BoundPlan, space: dict[str, AnyDimension], number: int, seeds: Mapping[int, Row]
) -> FrozenTrial:
    """Return a configuration as a trial of its search's study.

    Args:
        bound: the search's plan.
        space: its dimensions.
        number: the configuration's number.
        seeds: the row that counts of each of its seeds, by index.
    """
    rows = [seeds[index] for index in sorted(seeds)]
    endings = [row.get("ending") for row in rows]
    has_ended = len(rows) >= bound.plan.search.first_seeds and not any(e in _UNFINISHED for e in endings)
    outcomes = _deciding(bound, [_outcome(bound, row) for row in rows]) if has_ended else None
    trial = trial_of(bound, rows[0]["values"], rows[0]["params"], outcomes, space=space)
    trial.number = number
    trial._trial_id = number
    starts = [_time(row.get("started")) for row in rows]
    ends = [_time(row.get("ended")) for row in rows]
    trial.datetime_start = min((start for start in starts if start is not None), default=trial.datetime_start)
    if has_ended:
        trial.datetime_complete = max((e for e in ends if e is not None), default=trial.datetime_start)
    elif TrialEnding.INTERRUPTED in endings and None not in endings:
        # Nobody is at work on it; a resumed search goes on with it.
        trial.state = TrialState.WAITING
        trial.datetime_start = None
    user = {"trials": ", ".join(str(row["trial"]) for row in rows), **trial.user_attrs}
    roles = Counter(row.get("role", SEARCHES) for row in rows)
    if roles.keys() != {SEARCHES}:
        user["roles"] = ", ".join(f"{count} {role}" for role, count in roles.items())
    trial._user_attrs = user | _means(bound, rows)
    return _with_listed_constraint(trial)


def learned_study_trials(bound: BoundPlan) -> list[FrozenTrial]:
    """Return what the sampler of a search knows from earlier ones, as trials of a study of their own."""
    trials = [_with_listed_constraint(trial) for trial in learned_trials(bound)]
    for number, trial in enumerate(trials):
        trial.number = number
        trial._trial_id = _FIRST_LEARNED + number
    return trials


def _with_listed_constraint(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial whose constraint has no name: optuna-dashboard knows only such, and Optuna both."""
    violation = trial.system_attrs.pop(f"constraints:{CONSTRAINT}", None)
    if violation is not None:
        trial.system_attrs["constraints"] = [violation]
    return trial


def attributes_of(bound: BoundPlan, shown: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the user attributes of a search's study, and its note, as system attributes.

    Args:
        bound: the plan.
        shown: what to type for the search.
    """
    plan = bound.plan
    user = {"task": plan.task, "objectives": ", ".join(f"{o.metric} {o.direction}" for o in plan.objectives)}
    if plan.target is not None:
        user["target"] = ", ".join(f"{name} {value:g}" for name, value in plan.target.items())
    user["fixed"] = ", ".join(f"{name}={value}" for name, value in plan.fixed.items())
    return user, note_of(_note(bound, shown))


def note_of(text: str) -> dict[str, Any]:
    """Return the system attributes in which optuna-dashboard keeps a study's note, Markdown."""
    parts = [text[begin : begin + _LONGEST_PART] for begin in range(0, len(text), _LONGEST_PART)]
    return {"dashboard:note_ver": 1} | {
        f"dashboard:note_str:{index}": part for index, part in enumerate(parts)
    }


def _note(bound: BoundPlan, shown: str) -> str:
    plan = bound.plan
    lines = [
        plan.description,
        f"A trial here is a configuration with all of its seeds, as the sampler was told of it: "
        f"{' and '.join(names_of(bound))}. Its attribute `trials` names the seeds, as TensorBoard does.",
        f"What was found, with intervals: `paretune answer {shown}`. "
        f"The curves: `paretune watch {shown}`. This page can only be read.",
    ]
    return "\n\n".join(line for line in lines if line)


def _outcome(bound: BoundPlan, row: Row) -> SeedOutcome:
    return outcome_of(TrialEnding(row["ending"]), row, set(bound.metrics))


def _deciding(bound: BoundPlan, outcomes: list[SeedOutcome]) -> list[SeedOutcome]:
    """Return the outcomes that the sampler was told: all, or where seeds race those that decided."""
    rule = bound.plan.search.race
    if rule is None:
        return outcomes
    tried = Tried(number=0, values={}, params=0)
    tried.roles = dict.fromkeys(range(len(outcomes)), SEARCHES)
    tried.outcomes = dict(enumerate(outcomes))
    return Race(rule, lambda _: ()).deciding(tried) or outcomes


def _means(bound: BoundPlan, rows: list[Row]) -> dict[str, float]:
    """Return the mean of each of the task's metrics over the seeds that have it."""
    means = {}
    for metric in bound.task.metrics:
        known = [float(row[metric.name]) for row in rows if isinstance(row.get(metric.name), int | float)]
        if known:
            means[metric.name] = statistics.fmean(known)
    return means


def _time(told: object) -> datetime | None:
    """Return a time of the rows as Optuna has them: local, without a zone."""
    try:
        return (
            datetime.fromisoformat(told).astimezone().replace(tzinfo=None) if isinstance(told, str) else None
        )
    except ValueError:
        return None
