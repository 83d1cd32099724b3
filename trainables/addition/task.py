"""The addition task, as :class:`trainables.contract.Task` describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trainables.addition.config import DEMAND_FIELDS, SIZE_FIELDS, AdditionConfig
from trainables.base import BaseTask
from trainables.config import TrainingConfig
from trainables.contract import VALIDATION_LOSS, Diagnosis, Metric
from trainables.machines.demand import Demand

if TYPE_CHECKING:
    import torch

    from trainables.abilities import Export
    from trainables.addition.workload import AdditionWorkload
    from trainables.checkpoints import LoadedModel


def _add(loaded: LoadedModel, a: int, b: int) -> int | None:
    from trainables.addition.answers import answer

    return answer(loaded.model, a, b, cast("AdditionConfig", loaded.config))


def _adderboard(loaded: LoadedModel, path: Path, *, name: str | None, author: str) -> Export:
    from trainables.addition.adderboard.exporting import export

    return export(loaded.model, cast("AdditionConfig", loaded.config), path, name=name, author=author)


class AdditionTask(BaseTask):
    """Integer addition: two numbers in, their sum out, in one of several formats."""

    name = "addition"
    config_class: type[TrainingConfig] = AdditionConfig
    size_fields = SIZE_FIELDS
    demand_fields = DEMAND_FIELDS
    abilities: Mapping[str, Callable[..., Any]] = {"add": _add, "adderboard": _adderboard}
    metrics: tuple[Metric, ...] = (
        Metric(
            name="exact_match",
            direction="max",
            unit="share",
            description="share of validation problems whose whole greedy answer is right",
            best=1.0,
        ),
        Metric(
            name="token_accuracy",
            direction="max",
            unit="share",
            description="share of answer tokens of validation problems that are right",
            best=1.0,
        ),
        Metric(
            name=VALIDATION_LOSS,
            direction="min",
            unit="nats/token",
            description="mean cross-entropy of answer tokens of validation problems",
            best=0.0,
            worst=10.0,  # guessing among 103 tokens gives 4.63
        ),
    )

    def parameter_table(self, config: TrainingConfig) -> dict[str, int]:
        """Return the exact number of unique parameters by component."""
        return cast("AdditionConfig", config).parameter_table()

    def demand(self, config: TrainingConfig) -> Demand:
        """Return what training a configuration needs in PyTorch; the native engine needs less memory."""
        return cast("AdditionConfig", config).demand

    def compile_ahead(self, config: TrainingConfig) -> None:
        """Compile the configuration's kernel, if there will be one."""
        from trainables.addition.native.choice import compile_ahead

        compile_ahead(cast("AdditionConfig", config))

    def to_compile(self, config: TrainingConfig) -> str | None:
        """Return the name of the configuration's kernel, if it has one that is not compiled yet."""
        from trainables.addition.native.choice import to_compile

        return to_compile(cast("AdditionConfig", config))

    def diagnose(self) -> Sequence[Diagnosis]:
        """Say whether there is a native engine here, and what it has compiled so far."""
        from trainables.addition.native.diagnosis import diagnose

        return diagnose()

    def workload(self, config: TrainingConfig, device: torch.device) -> AdditionWorkload:
        """Return the configuration's model, batches, loss and measurements on ``device``."""
        # Imported here so that a space file can be checked without waiting for torch.
        from trainables.addition.workload import AdditionWorkload

        return AdditionWorkload(cast("AdditionConfig", config), device)
