"""What the checks of a task share: its configuration, its workload, a short training, and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args, get_origin

import torch
from pydantic import ValidationError
from torch import Tensor

from trainables.checkpoints import Snapshot
from trainables.config import TrainingConfig
from trainables.contract import Report, Task, Workload
from trainables.loop import Start, train

CPU = torch.device("cpu")

_VALUES: dict[str, list[Any]] = {
    "second_pass": [{"share": 0.5, "lr": 0.1, "batch": 8}],
    "passes": [[{"share": 0.5, "lr": 0.1, "batch": 8}, {"share": 0.25, "lr": 0.05}]],
    "restarts": [{"at": 0.5, "above": 0.1, "most": 2}],
    "adaptive_decay": [{"below": 0.5}],
    "start_from": ["some/checkpoint.pt"],
    "micro_batch": [3, "auto"],
}
"""Values of the fields that every task has and whose type suggests none."""


class Checks:
    """A task to be checked, and what the checks do with it."""

    task: Task
    """The task to check."""
    config: TrainingConfig | None = None
    """A configuration that trains quickly; the task's default if None."""
    other_values: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Valid values other than the default, of fields whose type suggests none, such as lists."""

    def _configured(self, **changes: Any) -> TrainingConfig:
        given = {} if self.config is None else self.config.model_dump(mode="json", exclude_unset=True)
        return self.task.config_class.model_validate({**given, **changes})

    def _workload(self, **changes: Any) -> Workload:
        return self.task.workload(self._configured(**changes), CPU)

    def _trained(
        self, config: TrainingConfig, resume: Snapshot | None = None
    ) -> tuple[list[Report], list[Snapshot]]:
        reports: list[Report] = []
        snapshots: list[Snapshot] = []

        def note(report: Report, snapshot: Any) -> None:
            reports.append(report)
            if len(snapshots) < 1:  # the weights in it are live
                snapshots.append(copied(snapshot()))

        train(self.task, config, device=CPU, report=note, start=Start(resume=resume))
        return reports, snapshots

    def _changes(self, name: str) -> list[TrainingConfig]:
        """Return valid configurations in which one field has another value than the configuration has."""
        made = []
        for value in self._values(name):
            try:
                made.append(self._configured(**{name: value}))
            except ValidationError:
                continue
        return made

    def _values(self, name: str) -> Sequence[Any]:
        known = {**_VALUES, **self.other_values}
        if name in known:
            return known[name]
        default, kind = (
            getattr(self._configured(), name),
            self.task.config_class.model_fields[name].annotation,
        )
        if get_origin(kind) is Literal:
            return [value for value in get_args(kind) if value != default]
        if kind is bool:
            return [not default]
        if kind is int:
            near = (default + 1, 2 * default + 1, default - 1, default // 2)
            return [value for value in near if value != default]
        if kind == int | None:
            return [2, 40]
        if kind is float:
            return [default / 2, default * 0.75] if default else [0.5]
        raise AssertionError(f"state other_values of the field {name}: {{{name!r}: [a valid value]}}")


def refused(attempt: Callable[[], object]) -> str:
    """Return what pydantic says against an attempt; nothing if it says nothing."""
    try:
        attempt()
    except ValidationError as error:
        return str(error)
    return ""


def samples_in(batch: Any) -> int:
    """Return the samples of a batch, which is a tensor or a tuple or dict of them."""
    if isinstance(batch, Tensor):
        return len(batch)
    return samples_in(next(iter(batch.values() if isinstance(batch, dict) else batch)))


def rows_of(batch: Any) -> set[bytes]:
    """Return the samples of a batch by their first tensor, so that they can be looked for elsewhere."""
    while not isinstance(batch, Tensor):
        batch = batch[0]
    return {row.numpy().tobytes() for row in batch.contiguous()}


def same(first: Any, second: Any) -> bool:
    """Compare two batches, which are tensors or tuples and dicts of them."""
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return len(first) == len(second) and all(map(same, first, second))


def copied(content: Any) -> Any:
    """Return plain values and tensors that nothing changes any more."""
    if isinstance(content, Tensor):
        return content.detach().clone()
    if isinstance(content, Mapping):
        return {key: copied(value) for key, value in content.items()}
    return [copied(value) for value in content] if isinstance(content, list) else content
