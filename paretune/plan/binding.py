"""A plan and its task together: from parameter values to a configuration, or to the reason there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from paretune.errors import InputError
from paretune.plan.holding import cannot_hold, most_evaluations
from paretune.plan.learned import Learned
from paretune.plan.slots import Shares, size_of
from search_spaces.deriving import with_derived
from search_spaces.mistakes import Mistake
from search_spaces.parts.limits import in_words
from search_spaces.plan import Plan, PlanDraft, Values
from search_spaces.wording import accepted, finding
from trainables.config import TrainingConfig
from trainables.contract import LOOP_METRICS, Metric, Target, Task, parameter_count
from trainables.machines.demand import StatesDemand
from trainables.tasks import TASKS, TaskError, get_task, is_code, task_names

PARAMS = Metric(
    name="params",
    direction="min",
    unit="parameters",
    description="exact number of unique parameters",
    is_cost=True,
)
RESERVED = frozenset({"seed"})
"""Fields of a configuration that the search sets itself."""

CHECKPOINT_FIELD = "start_from"
"""The field of a configuration that names a file."""

MAX_PARAMS = 10**11
"""Parameters of a model that may be trained: beyond, weights and optimizer need more than a terabyte."""


@dataclass(frozen=True)
class BoundPlan:
    """A plan whose task is known."""

    plan: Plan
    task: Task
    learned: Learned | None = None
    """What its sampler knows from earlier searches; None if that is nothing."""
    shares: Shares | None = None
    """Shares of a GPU that ``gpu: auto`` came to; None where the plan states one, or none is measured yet."""
    fake_gpus: int = 0
    """GPUs that Ray only counts, on a machine whose trials train on the CPU."""

    @property
    def trains_on_cpu(self) -> bool:
        """Whether trials train on the processor: they get no GPU, or one that is none."""
        return not self.least_gpus or self.fake_gpus > 0

    @property
    def least_gpus(self) -> float:
        """The GPUs of the trials that get least, or of all, where all get the same."""
        return self.plan.resources.gpus if self.shares is None else self.shares.least

    @property
    def gpus_differ(self) -> bool:
        """Whether trials get different shares of a GPU."""
        return self.shares is not None and self.shares.differ

    @property
    def gpu_record(self) -> dict[str, Any]:
        """What the provenance of a session keeps of its GPUs, beside what the plan states."""
        record: dict[str, Any] = {} if self.shares is None else {"gpu_auto": self.shares.measured}
        return record | ({"fake_gpus": self.fake_gpus} if self.fake_gpus else {})

    @property
    def gpu_context(self) -> int | None:
        """Bytes that a process takes of a GPU besides its tensors, where that was measured."""
        measured = None if self.shares is None else self.shares.measured
        return None if measured is None else measured.get("context")

    def gpu_columns(self, values: Values) -> dict[str, Any]:
        """Return what rows say of the GPUs of a configuration's trials."""
        gpus = self.gpus(values)
        found: dict[str, Any] = {"gpu": gpus} if gpus else {}
        return found | ({"fake_gpus": self.fake_gpus} if self.fake_gpus else {})

    def gpus(self, values: Values) -> float:
        """Return the GPUs, or the share of one, that a configuration's trials get."""
        if self.shares is None:
            return self.plan.resources.gpus
        return self.shares.of(size_of(self.task, self.config(values)))

    def config(self, values: Values, seed: int = 0) -> TrainingConfig:
        """Return the task's configuration.

        Raises:
            ValidationError: the task refuses these values.
        """
        # A trial runs in a folder of its own.
        return self._validated(values, seed).with_absolute_paths()

    def params(self, values: Values) -> int:
        """Return the exact parameter count of values that the task accepts."""
        return parameter_count(self.task, self.config(values))

    def refusal(self, values: Values) -> str | None:
        """Return why a configuration must not be trained, or None if it may."""
        mistake = self.refused(values)
        return None if mistake is None else mistake.message

    def trained_params(self, values: Values) -> int | None:
        """Return the exact parameter count of a configuration that may be trained; None if it may not."""
        judged = self._judged(values)
        return None if isinstance(judged, Mistake) else judged

    def refused(self, values: Values) -> Mistake | None:
        """Return why a configuration must not be trained, and where that is stated; None if it may."""
        judged = self._judged(values)
        return judged if isinstance(judged, Mistake) else None

    def measured(self, values: Values) -> dict[str, float] | None:
        """Return the parameter count of a configuration and all else that the plan limits, by its key.

        None if the configuration may not be trained.
        """
        judged = self._judged(values)
        if isinstance(judged, Mistake):
            return None
        if not self._limits_more:
            return {PARAMS.name: judged}
        return {PARAMS.name: judged, **self._limited(self._validated(values), self.completed(values))}

    def completed(self, values: Values) -> Values:
        """Return values with those that are derived from them, where these are not there yet."""
        derived = self.plan.derived
        return values if derived.keys() <= values.keys() else with_derived(self.plan, values)

    @property
    def deciding(self) -> frozenset[str]:
        """The parameters that decide the size, and whether a configuration is within the plan's limits."""
        fields = self.task.size_fields | self.plan.constraints.of_parameters.keys()
        if self._limits_demand and isinstance(self.task, StatesDemand):
            fields |= self.task.demand_fields
        return fields

    @cached_property
    def _limits_more(self) -> bool:
        return self._limits_demand or bool(self.plan.constraints.of_parameters)

    @property
    def _limits_demand(self) -> bool:
        constraints = self.plan.constraints
        return constraints.memory is not None or constraints.flops_per_token is not None

    def _judged(self, values: Values) -> int | Mistake:
        """Return the parameter count of a configuration, or why it must not be trained."""
        try:
            config = self._validated(values)
        except ValidationError as error:
            return self._refused(error)
        params = parameter_count(self.task, config)
        bounds = self.plan.constraints.params
        if bounds is not None and not bounds.allow(params):
            return Mistake(
                ("constraints", "params"), f"params must be within {bounds.stated}, but is {params:,}"
            )
        if params > MAX_PARAMS:
            return Mistake(
                ("space",),
                f"params must be at most {MAX_PARAMS:,}, which no machine holds, but is {params:,}",
            )
        if self.plan.target is not None and (most := most_evaluations(config)) < self.plan.target_hold:
            return Mistake(("target_hold",), cannot_hold(self.plan.target_hold, most, config))
        return (self._beyond(config, values) if self._limits_more else None) or params

    def _beyond(self, config: TrainingConfig, values: Values) -> Mistake | None:
        """Return the limit beside that on the parameter count that a configuration does not keep."""
        constraints = self.plan.constraints
        limits = {
            "memory": constraints.memory,
            "flops_per_token": constraints.flops_per_token,
            **constraints.of_parameters,
        }
        for name, value in self._limited(config, self.completed(values)).items():
            bounds = limits[name]
            if bounds is not None and not bounds.allow(value):
                return Mistake(
                    ("constraints", name),
                    f"{name} must be within {bounds.stated}, but is {written(name, value)}",
                )
        return None

    def _limited(self, config: TrainingConfig, values: Values) -> dict[str, float]:
        """Return what the plan limits of a configuration, beside the parameter count, by its key."""
        constraints = self.plan.constraints
        found: dict[str, float] = {}
        if self._limits_demand:
            # That the task states it, the checks have made sure of.
            assert isinstance(self.task, StatesDemand)
            demand = self.task.demand(config)
            if constraints.memory is not None:
                found["memory"] = demand.memory
            if constraints.flops_per_token is not None:
                found["flops_per_token"] = demand.flops_per_token
        for name in constraints.of_parameters:
            value = values.get(name)
            if isinstance(value, int | float):
                found[name] = value
        return found

    def _refused(self, error: ValidationError) -> Mistake:
        """Return why the task refuses a configuration, at the key that decides it."""
        detail, message = error.errors()[0], first_message(error)
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if name not in self.plan.derived:
            return Mistake(("space",), message)
        if self.plan.derived[name].lookup is None and isinstance(detail["input"], float):
            message += "; multiple_of: 1 rounds it"
        return Mistake(("derived", name), message)

    def _validated(self, values: Values, seed: int = 0) -> TrainingConfig:
        if self._derives:
            completed = self.completed(values)
            values = {name: value for name, value in completed.items() if name not in self._helpers}
        return self.task.config_class.model_validate({**values, "seed": seed})

    @cached_property
    def _derives(self) -> bool:
        return bool(self.plan.derived)

    @cached_property
    def _helpers(self) -> frozenset[str]:
        """Derived values that are no parameters of the task: limits, conditions and others use them."""
        config_class = self.task.config_class
        return frozenset(self.plan.derived) - config_class.model_fields.keys() - config_class.aliases.keys()

    @property
    def defaults(self) -> dict[str, Any]:
        """The task's parameters that have a default, with it, as plain values."""
        fields = self.task.config_class.model_fields
        return {
            name: to_jsonable_python(field.get_default(call_default_factory=True))
            for name, field in fields.items()
            if name not in RESERVED and not field.is_required()
        }

    @property
    def target(self) -> Target | None:
        """The plan's target in the terms of the training loop."""
        if self.plan.target is None:
            return None
        ((name, value),) = self.plan.target.items()
        direction = self.metrics[name].direction
        return Target(metric=name, value=value, direction=direction, hold=self.plan.target_hold)

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every metric of a trial by name: the task's, the parameter count, and the loop's."""
        return metrics_of(self.task)


def metrics_of(task: Task) -> dict[str, Metric]:
    """Return every metric of a trial of a task by name: the task's, the parameter count, and the loop's."""
    return {metric.name: metric for metric in (*task.metrics, PARAMS, *LOOP_METRICS)}


def written(name: str, value: float) -> str:
    """Write what a plan limits, by the key of its limits."""
    if name == "memory":
        return in_words(value) if value >= 1024 else f"{value:.3g} B"
    if name == "flops_per_token":
        return f"{value:,.0f}" if value < 1e6 else f"{value:.3g}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,}" if isinstance(value, int) and abs(value) < 1e15 else f"{value:,.6g}"


def bind(plan: Plan, *, allow_task_code: bool = False) -> BoundPlan:
    """Return the plan with its task.

    Args:
        plan: the plan.
        allow_task_code: whether a task that the plan names by its file or module may run.

    Raises:
        InputError: there is no such task, it may not run, or it cannot be loaded.
    """
    mistake = unknown_task(plan, allow_task_code=allow_task_code)
    if mistake is not None:
        raise InputError(str(mistake))
    return BoundPlan(plan, get_task(plan.task, allow_code=allow_task_code))


def unknown_task(plan: PlanDraft, *, allow_task_code: bool = False) -> Mistake | None:
    """Return the mistake that a plan names no task that there is, or that may run; None if it does."""
    # Built-in tasks first: which others are installed takes a look at every package.
    if plan.task not in TASKS and not is_code(plan.task) and plan.task not in (names := task_names()):
        # As every wrong word in a space file is told.
        return Mistake(("task",), f"got {plan.task!r}, not a task{accepted(plan.task, names)}")
    try:
        get_task(plan.task, allow_code=allow_task_code)
    except TaskError as error:
        return Mistake(("task",), str(error))
    return None


def canonical(values: Values) -> str:
    """Return a text that is equal for equal values only, whatever the order of their keys."""
    return json.dumps(values, sort_keys=True)


def first_message(error: ValidationError) -> str:
    """Return the first finding of a configuration class in plain words."""
    detail = error.errors()[0]
    place = ".".join(map(str, detail["loc"]))
    return f"{place}: {finding(detail)}" if place else finding(detail)
