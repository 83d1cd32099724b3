"""Gradients of a step by PyTorch: compiled if asked for, in parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.contract import Workload
from trainables.machines.execution import CompiledModel, forward_context
from trainables.machines.memory import micro_batch_of, samples_in, split
from trainables.optim.optimization import Optimization
from trainables.replay import Replay


class Gradients:
    """Differentiates the loss of a step.

    Args:
        workload: makes batches and the loss.
        replay: mixes samples into batches.
        model: the model. Its optimizer's averages must not be allocated yet: they are planned for.
        config: the configuration.
        device: where the model lives.
        memory_share: share of the device's memory that may be used.
    """

    def __init__(
        self,
        workload: Workload,
        replay: Replay,
        model: nn.Module,
        config: TrainingConfig,
        device: torch.device,
        memory_share: float,
    ) -> None:
        self._workload, self._replay, self._config = workload, replay, config
        self._model = CompiledModel(model, config, device)
        self._context = forward_context(model, config, device)
        self._micro_batch = micro_batch_of(config, workload, model, device, self._context, memory_share)
        self._has_dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules())

    @property
    def is_compiled(self) -> bool:
        """Whether the model is compiled, or will be at its first step."""
        return self._model.is_compiled

    def of_step(self, step: int, optimization: Optimization) -> list[Tensor]:
        """Compute the gradients of a step's loss, and return the loss in parts."""
        batch = self._replay.mixed(self._workload.batch(step), step)
        if self._model.is_compiled:
            try:
                return self._pass_through(step, batch, optimization)
            except torch.OutOfMemoryError:
                raise  # uncompiled, the model needs more
            except Exception as error:
                # Compilers fail in many ways, forward or backward; an error of the model itself is raised
                # again without one.
                self._model.give_up(error)
        return self._pass_through(step, batch, optimization)

    def _pass_through(self, step: int, batch: Any, optimization: Optimization) -> list[Tensor]:
        if self._has_dropout:
            # Drawn from the step, as batches are: a resumed run has the same dropout.
            torch.manual_seed((self._config.seed * 1_000_003 + step) % 2**63)
        losses: list[Tensor] = []
        optimization.differentiate(self._losses_of(step, batch, losses))
        return losses

    def _losses_of(self, step: int, batch: Any, seen: list[Tensor]) -> Iterator[Tensor]:
        """Yield the step's loss in parts that sum to it, and leave them in ``seen`` without their graphs."""
        parts = [batch] if self._micro_batch is None else split(batch, self._micro_batch)
        for part in parts:
            with self._context:
                loss = self._workload.loss(self._model.module, part)
            if len(parts) > 1:
                loss = loss * (samples_in(part) / self._config.batch_at(step))
            seen.append(loss.detach())
            yield loss
