"""Beginning again: a run whose loss has not fallen by an early step starts anew, with other weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from trainables.config import TrainingConfig
from trainables.gauges import RunningLoss


def seed_of_attempt(seed: int, number: int) -> int:
    """Return the seed of a run's attempt: number 0 has the run's own, others have one of 48 bits."""
    if number == 0:
        return seed
    digest = hashlib.blake2b(f"{seed} attempt {number}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big")


def of_attempt(config: TrainingConfig, number: int) -> TrainingConfig:
    """Return the configuration of a run's attempt: that of a run with another seed."""
    return config.model_copy(update={"seed": seed_of_attempt(config.seed, number)})


class Judge:
    """Tells whether an attempt is stuck, by its mean loss over the last tenth of the steps that it is given.

    Args:
        config: its configuration; without ``restarts`` none is stuck.
        device: where losses are summed.
        number: of the attempt, counted from 0.
        state: the sum so far, if it goes on.
    """

    def __init__(
        self, config: TrainingConfig, device: torch.device, number: int, state: Mapping[str, Any] | None
    ) -> None:
        self._rule = config.restarts
        self._ends = config.judged_after
        # One batch's loss is noise.
        self._begins = self._ends - max(1, round(self._ends / 10))
        self._number = number
        self._losses = RunningLoss(device)
        if state is not None:
            self._losses.load_state_dict(state)

    @property
    def pauses(self) -> set[int]:
        """Steps behind which no other may be taken at once."""
        return {self._begins, self._ends} if self._rule else set()

    def sums_at(self, step: int) -> list[RunningLoss]:
        """Return what the loss of a step counted from 1 has to be added to: one sum, or none."""
        return [self._losses] if self._rule and self._begins < step <= self._ends else []

    def may_give_up(self, step: int) -> bool:
        """Return whether an attempt after so many steps may still be given up for another."""
        return self._rule is not None and self._number < self._rule.most and step <= self._ends

    def is_above(self, step: int) -> bool:
        """Return whether it is judged after so many steps, and its loss is too large."""
        assert self._rule is not None
        return step == self._ends and self._losses.mean() > self._rule.above

    def told(self, step: int) -> str:
        """Return why an attempt was given up, in words."""
        loss = "diverged" if step < self._ends else f"had a loss of {self._losses.mean():.3f}"
        return f"attempt {self._number + 1} {loss} at step {step:,}"

    def state_dict(self) -> dict[str, Any]:
        """Return the sum, which is live, as ``judged``; nothing without restarts."""
        return {"judged": self._losses.state_dict()} if self._rule else {}
