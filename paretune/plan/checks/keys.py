"""Mistakes that one key of a plan has by itself, whatever the others say, and that only its task can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from paretune.plan.binding import CHECKPOINT_FIELD, RESERVED, metrics_of
from search_spaces.deriving import derivation_mistakes, possible_values
from search_spaces.dimensions import AnyDimension, Choice
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.plan import PlanDraft
from search_spaces.wording import accepted, findings
from trainables.contract import LOOP_METRICS, Metric, Task
from trainables.machines.demand import StatesDemand

NOT_PARAMETERS = frozenset({"params", "memory", "flops_per_token"})
"""What is limited by its own key, so that no derived value can be called so."""

TRAINING_LOSS = "train_loss"
"""The mean loss of the training steps since the last report, which every task has."""


def mistakes_in_keys(plan: PlanDraft, task: Task) -> list[Mistake]:
    """Return the mistakes that one key has by itself, whatever the others say."""
    return [
        *_metrics(plan, task),
        *_parameters(plan, task),
        *_derived(plan, task),
        *_constraints(plan, task),
    ]


def _metrics(plan: PlanDraft, task: Task) -> Iterator[Mistake]:
    metrics = metrics_of(task)
    reported = {metric.name for metric in task.metrics}
    costs = {metric.name for metric in metrics.values() if metric.is_cost}
    for index, objective in enumerate(plan.objectives):
        path: KeyPath = ("objectives", index)
        yield from _metric(metrics, path, objective.metric, objective.direction, reported | costs)
        if objective.metric in costs and metrics[objective.metric].spent and plan.target is None:
            yield Mistake(
                (*path, "metric"),
                f"{objective.metric} needs a target; state under target the metric and the value that count",
            )
    if plan.early_stopping is not None:
        rule = plan.early_stopping
        in_reports = reported | {metric.name for metric in LOOP_METRICS if _can_be_compared(metric)}
        for index, one in enumerate(rule.compared):
            path = ("early_stopping", *(() if rule.metrics is None else ("metrics", index)))
            yield from _metric(metrics, path, one.metric, one.direction, in_reports)
    for name, value in (plan.target or {}).items():
        yield from _reachable(metrics.get(name), value)
        if name not in reported:
            yield Mistake(
                ("target", name), f"is not a metric of {task.name}{accepted(name, sorted(reported))}"
            )


def _can_be_compared(metric: Metric) -> bool:
    """Tell whether a metric of the loop can stand at a rung: the loss of training, or what a trial has cost.

    The others say nothing of a model, such as the rate of the last step, or are known of solved trials only.
    """
    return metric.name == TRAINING_LOSS or (metric.is_cost and metric.spent is None)


def _reachable(metric: Metric | None, value: float) -> Iterator[Mistake]:
    if metric is None or metric.best is None:
        return
    if value > metric.best if metric.direction == "max" else value < metric.best:
        yield Mistake(
            ("target", metric.name),
            f"got {value:g}, which {metric.name} never reaches; its best is {metric.best:g}",
        )


def _metric(
    metrics: dict[str, Metric], path: KeyPath, name: str, direction: str, known: set[str]
) -> Iterator[Mistake]:
    if name not in known:
        yield Mistake((*path, "metric"), f"got {name!r}, not a metric here{accepted(name, sorted(known))}")
    elif direction != metrics[name].direction:
        better = metrics[name].direction
        yield Mistake(
            (*path, "direction"), f"got {direction!r}, but {name} is better when it is {better}imal"
        )


def _parameters(plan: PlanDraft, task: Task) -> Iterator[Mistake]:
    for name, value in plan.fixed.items():
        yield from _value(plan, task, ("fixed", name), name, value)
    for name, dimension in plan.space.items():
        yield from _dimension(plan, task, name, dimension)
        for other in dimension.when or {}:
            known = {*plan.space, *plan.fixed, *plan.derived}
            if other not in known:
                yield Mistake(
                    ("space", name, "when", other),
                    f"is neither fixed nor in the space{accepted(other, sorted(known))}",
                )
    for index, values in enumerate(plan.only):
        for name, value in values.items():
            yield from _value(plan, task, ("only", index, name), name, value)


def _derived(plan: PlanDraft, task: Task) -> Iterator[Mistake]:
    used = {name for rule in plan.derived.values() for name in rule.names}
    used |= {name for dimension in plan.space.values() for name in dimension.when or {}}
    used |= plan.constraints.of_parameters.keys()
    for name, rule in plan.derived.items():
        path: KeyPath = ("derived", name)
        if name in NOT_PARAMETERS:
            yield Mistake(path, f"{name} is known of every configuration; take another name")
            continue
        unknown = _unknown(task, path, name)
        if unknown is None:
            for index, (_, value) in enumerate(rule.table or ()):
                yield from _value(plan, task, (*path, "table", index, 1), name, value)
        elif name in RESERVED:
            yield unknown
        elif name not in used:
            end = " " if unknown.message.endswith("?") else ". "
            yield Mistake(
                path,
                f"{unknown.message}{end}A value of another name must be used: by constraints, a when, or "
                "another derived value",
            )


def _constraints(plan: PlanDraft, task: Task) -> Iterator[Mistake]:
    for key in ("memory", "flops_per_token"):
        if getattr(plan.constraints, key) is not None and not isinstance(task, StatesDemand):
            yield Mistake(
                ("constraints", key),
                f"is not known for {task.name}; its class can state it with demand and demand_fields, "
                "see docs/tasks.md",
            )
    listed = {name for values in plan.only for name in values}
    known = {*plan.fixed, *plan.space, *plan.derived, *listed}
    for name in plan.constraints.of_parameters:
        path: KeyPath = ("constraints", name)
        if name not in known:
            names = [*type(plan.constraints).model_fields, *sorted(known)]
            yield Mistake(
                path,
                "is not a key here, nor is a parameter called so fixed, searched or derived"
                f"{accepted(name, names)}",
            )
            continue
        wrong = next((value for value in _possible(plan, name) if not _is_number(value)), None)
        if wrong is not None:
            yield Mistake(path, f"needs a number, but {name} can be {wrong!r}")


def _possible(plan: PlanDraft, name: str) -> list[Any]:
    """Return values that a parameter can have; none where the plan contradicts itself."""
    if derivation_mistakes(plan):
        return []
    return possible_values(plan, name)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _dimension(plan: PlanDraft, task: Task, name: str, dimension: AnyDimension) -> Iterator[Mistake]:
    path: KeyPath = ("space", name)
    unknown = _unknown(task, path, name)
    if unknown is not None:
        yield unknown
    elif isinstance(dimension, Choice):
        for index, value in enumerate(dimension.values):
            yield from _value(plan, task, (*path, "values", index), name, value)
    else:
        yield from _value(plan, task, (*path, "low"), name, dimension.low)
        if dimension.high != dimension.low:
            yield from _value(plan, task, (*path, "high"), name, dimension.high)


def _value(plan: PlanDraft, task: Task, path: KeyPath, name: str, value: Any) -> Iterator[Mistake]:
    """Check a parameter on its own: that it exists, and that the task takes this value."""
    unknown = _unknown(task, path, name)
    if unknown is not None:
        yield unknown
        return
    if name == CHECKPOINT_FIELD and isinstance(value, str) and not Path(value).is_file():
        yield Mistake(path, f"got {value!r}, but there is no such file; retrain writes checkpoint.pt files")
    try:
        alone = task.config_class.model_validate({name: value})
    except ValidationError as error:
        for mistake, _ in findings(error, {name: value}):
            # Findings about several fields at once depend on values that are not known here.
            if mistake.path[:1] == (name,):
                yield Mistake((*path, *mistake.path[1:]), mistake.message)
        return
    if plan.resources.gpu == 0 and alone.needs_gpu is not None:
        yield Mistake(
            path,
            f"got {value!r}, but trials get no GPU ({alone.needs_gpu}); take another, or state resources.gpu",
        )


def _unknown(task: Task, path: KeyPath, name: str) -> Mistake | None:
    if name in RESERVED:
        return Mistake(path, f"{name} is set by the search; see search.seed and search.seeds")
    known = set(task.config_class.model_fields) - RESERVED
    # A stored plan may have the names of an earlier version.
    if name in known or task.config_class.aliases.get(name) in known:
        return None
    return Mistake(path, f"is not a parameter of {task.name}{accepted(name, sorted(known))}")
