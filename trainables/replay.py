"""Replay: fresh training samples that the model answers incorrectly become a part of later batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from paretune.errors import Error
from trainables.config import TrainingConfig
from trainables.contract import FindsHard, Workload


class NoReplayError(Error, ValueError):
    """A task whose answers are neither correct nor incorrect; the message says so."""


class Replay:
    """The samples that a model answered incorrectly when it was last asked, and their places in batches.

    It is asked at multiples of ``replay_every``, for fresh samples and for those kept so far. Those that
    it answers incorrectly are kept, fresh ones first, up to ``replay_pool``.

    Args:
        config: the configuration.
        workload: where samples come from.
        device: where they live.
        samples: what :attr:`samples` was, for a run that goes on.

    Attributes:
        samples: a batch of those that are kept; None if there are none.

    Raises:
        NoReplayError: the configuration asks for replay, and the workload has no correct answers.
    """

    def __init__(
        self, config: TrainingConfig, workload: Workload, device: torch.device, samples: Any
    ) -> None:
        self._config, self._workload = config, workload
        if config.has_replay and not isinstance(workload, FindsHard):
            raise NoReplayError(
                "replay_share needs a task whose answers are correct or incorrect, and those of "
                f"{type(workload).__name__} are not; set it to 0"
            )
        self.samples = None if samples is None else _each(lambda part: part.to(device), samples)

    @property
    def pauses(self) -> set[int]:
        """Steps behind which the model is asked, so that no others may be taken at once."""
        config = self._config
        return {*range(0, config.steps, config.replay_every)} if config.has_replay else set()

    def refresh(self, model: nn.Module, step: int) -> None:
        """Ask the model after so many steps, if it is time."""
        config = self._config
        if step % config.replay_every or config.replay_share_at(step + 1) == 0:
            return
        assert isinstance(self._workload, FindsHard)
        asked = self._workload.fresh_batch(step, config.replay_pool)
        if self.samples is not None:
            asked = _each(lambda *parts: torch.cat(parts), asked, self.samples)
        was_training = model.training
        model.eval()
        with torch.no_grad():
            kept = self._workload.is_incorrect(model, asked).nonzero().flatten()[: config.replay_pool]
        model.train(was_training)
        self.samples = _each(lambda part: part[kept], asked) if len(kept) else None

    def mixed(self, batch: Any, step: int) -> Any:
        """Return a step's batch whose first samples are kept ones, up to ``replay_share`` of it.

        Each of them at most once, so there may be fewer. They take turns, step by step.
        """
        if self.samples is None:
            return batch
        return _each(lambda part, kept: self._filled(part[None], kept, step)[0], batch, self.samples)

    def mixed_steps(self, batches: Tensor, first: int) -> Tensor:
        """Return the same for batches of shape (steps, batch, ...), of one pass, from step ``first`` on."""
        return batches if self.samples is None else self._filled(batches, self.samples, first)

    def _filled(self, batches: Tensor, kept: Tensor, first: int) -> Tensor:
        steps, size = batches.shape[:2]
        count = min(round(self._config.replay_share_at(first) * size), len(kept))
        if count == 0:
            return batches
        turn = torch.arange(first * count, (first + steps) * count, device=kept.device) % len(kept)
        filled = batches.clone()
        filled[:, :count] = kept[turn].view(steps, count, *kept.shape[1:]).to(batches.dtype)
        return filled

    def state_dict(self) -> dict[str, Any]:
        """Return the samples as ``replay``; nothing if there are none."""
        return {} if self.samples is None else {"replay": self.samples}


def _each(change: Callable[..., Tensor], *batches: Any) -> Any:
    """Return the batch of what ``change`` makes of batches, tensor by tensor."""
    if isinstance(batches[0], Tensor):
        return change(*batches)
    parts = [_each(change, *parts) for parts in zip(*batches, strict=True)]
    return type(batches[0])(*parts) if hasattr(batches[0], "_fields") else type(batches[0])(parts)
