"""Checkpoints to start from that are none, or that hold another model than any that is trained."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from paretune.plan.binding import CHECKPOINT_FIELD, BoundPlan
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.plan import Values
from search_spaces.sampling import examples
from trainables.config import TrainingConfig
from trainables.contract import CheckpointError, Task, parameter_count
from trainables.tasks import TaskError, get_task

_DRAWS = 500


def unfit_beginnings(bound: BoundPlan) -> Iterator[Mistake]:
    """Find stated checkpoints that no configuration can start from.

    A model has other shapes if its own configuration builds other parameters. Only where ``start_from``
    is stated is anything loaded, and torch imported.
    """
    plan = bound.plan
    stated = CHECKPOINT_FIELD in {*plan.fixed, *plan.space, *plan.derived}
    if not stated and not any(CHECKPOINT_FIELD in values for values in plan.only):
        return
    asked: dict[str, list[Values]] = {}
    for values in examples(plan, random.Random(0), _DRAWS):
        name = values.get(CHECKPOINT_FIELD)
        if isinstance(name, str) and bound.refusal(values) is None:
            asked.setdefault(name, []).append(values)
    for name, configurations in asked.items():
        place = _place(bound, name)
        try:
            theirs = _parameters_in(Path(name), bound.task)
        except CheckpointError as error:
            yield Mistake(place, f"got {name!r}, but {error}")
            continue
        ours = [bound.config(values) for values in configurations]
        if theirs is not None and not any(_fits(theirs, bound.task, config) for config in ours):
            count, other = sum(theirs.values()), parameter_count(bound.task, ours[0])
            yield Mistake(
                place,
                f"got {name!r}, which holds a model of {count:,} parameters, but the model to be trained has "
                f"{_difference(theirs, bound.task.parameter_table(ours[0]), other)}; both need one shape",
            )


def _place(bound: BoundPlan, name: str) -> KeyPath:
    plan = bound.plan
    for key in ("space", "derived"):
        if CHECKPOINT_FIELD in getattr(plan, key):
            return (key, CHECKPOINT_FIELD)
    for index, values in enumerate(plan.only):
        if values.get(CHECKPOINT_FIELD) == name:
            return ("only", index, CHECKPOINT_FIELD)
    return ("fixed", CHECKPOINT_FIELD)


def _parameters_in(path: Path, task: Task) -> dict[str, int] | None:
    """Return the parameters of a checkpoint's model by component; None where its task is not known here.

    Raises:
        CheckpointError: the file is no checkpoint.
    """
    from trainables.checkpoints import load

    content = load(path)
    try:
        # A task that is code runs only if it is the plan's own, which was permitted.
        theirs = task if content["task"] == task.name else get_task(content["task"])
        return theirs.parameter_table(theirs.config_class.model_validate(content["config"]))
    except TaskError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: {error}") from error


def _fits(theirs: dict[str, int], task: Task, config: TrainingConfig) -> bool:
    return theirs == task.parameter_table(config)


def _difference(theirs: dict[str, int], ours: dict[str, int], count: int) -> str:
    """Say where two models with as many parameters differ, or how many the other has."""
    if sum(theirs.values()) != count:
        return f"{count:,}"
    other = next(name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))
    return f"{ours.get(other, 0):,} in its {other}, not {theirs.get(other, 0):,}"
