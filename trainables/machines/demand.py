"""What a configuration needs of a machine, known before it is trained: memory, and arithmetic per token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from trainables.config import TrainingConfig

BYTES = 4
"""Of a number in float32, in which weights, gradients and averages are kept."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What training a configuration needs, by formulas.

    ``memory`` is in bytes: weights, gradients, what the optimizer keeps, and what a forward pass keeps for
    the backward pass. ``flops_per_token`` are the operations of both passes, as in PaLM's appendix B.
    """

    memory: int
    flops_per_token: float


@runtime_checkable
class StatesDemand(Protocol):
    """A task that knows what its configurations need, so that a space file can limit it."""

    demand_fields: frozenset[str]
    """The configuration's fields that it depends on."""

    def demand(self, config: TrainingConfig) -> Demand:
        """Return what training a configuration needs."""
        ...


def memory_of(config: TrainingConfig, *, parameters: int, averages: int, kept: int) -> int:
    """Return the bytes that training needs.

    Args:
        config: the configuration.
        parameters: all of the model's.
        averages: numbers that the optimizer keeps.
        kept: numbers that a forward pass keeps for the backward pass.
    """
    # Grokfast keeps an average of the gradient.
    slow = parameters if config.has_slow_gradients else 0
    return BYTES * (2 * parameters + averages + slow + kept)


def samples_together(config: TrainingConfig) -> int:
    """Return the samples of a configuration's largest forward pass; with ``micro_batch: auto`` one."""
    most = max(config.batch_at(end) for end in config.pass_ends)
    if config.micro_batch is None:
        return most
    return 1 if config.micro_batch == "auto" else min(config.micro_batch, most)


FIELDS = frozenset({"batch", "micro_batch", "second_pass", "passes", "grokfast_lamb"})
"""Fields that the memory of every task depends on, beside those of its model."""
