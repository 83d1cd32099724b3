"""Whole training steps in the kernel: weights from parameters, loss, gradient, clipping, AdamW."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.native.derivation import Derivation
from trainables.addition.native.engine import NativeEngine
from trainables.addition.native.library import DerivationStruct, RecipeStruct, TrainingStruct
from trainables.optim.optimization import Optimization, SlowGradients, one_group
from trainables.optim.schedules import rate_at
from trainables.transformer.model import Transformer


class NativeSteps:
    """Takes the steps of one model, whose parameters and optimizer stay where PyTorch has them.

    They are copied to the kernel before a call's first step, and back after its last.

    Args:
        engine: the native engine.
        derivation: the model's, of weights from parameters.
        model: the model.
        config: its configuration.
    """

    def __init__(
        self, engine: NativeEngine, derivation: Derivation, model: Transformer, config: AdditionConfig
    ) -> None:
        self._library, self._config = engine.library, config
        named = dict(model.named_parameters())
        self._parameters = [named[name] for name in derivation.names]
        sizes = [parameter.numel() for parameter in self._parameters]
        first, count = len(derivation.constants), sum(sizes)

        def numbers(size: int) -> Tensor:
            return torch.zeros(size, dtype=self._library.dtype)

        values, d_values = numbers(derivation.values), numbers(derivation.values)
        weights, d_weights = (numbers(self._library.weight_count) for _ in range(2))
        mean, square, slow = (numbers(count) for _ in range(3))
        values[:first] = derivation.constants
        arrays = (values, d_values, weights, d_weights, mean, square, slow)
        pointers = [*(array.data_ptr() for array in arrays[:-1]), None]
        lengths = torch.tensor(sizes)
        group = one_group(model, config)[0]
        self._training = TrainingStruct(
            DerivationStruct(
                *(derivation.values, first, count, len(derivation.operations)),
                *(derivation.operations.data_ptr(), derivation.weights.data_ptr()),
            ),
            RecipeStruct(*group.betas, group.eps, config.grad_clip, 0.0, 0.0),
            *(*pointers, len(sizes), lengths.data_ptr()),
        )
        self._slow = slow
        self._alive = (derivation, arrays, lengths)  # the kernel has only their addresses

    @torch.no_grad()
    def take(self, optimization: Optimization, batches: Tensor, first: int) -> list[float]:
        """Take a step on each batch, and return the loss before each.

        Args:
            optimization: that of the model.
            batches: uint8 tensor of shape (steps, batch, length of a whole problem).
            first: number of the first step, counted from 1.
        """
        states = optimization.adamw_states(self._parameters)
        counts = [state["step"] for state in states]
        theirs: list[Tensor] = [*self._parameters]
        for name in ("exp_avg", "exp_avg_sq"):
            theirs += [state[name] for state in states]
        self._use(optimization.slow)
        if (slow := optimization.slow) is not None:
            if not slow.averages:
                slow.averages = [torch.zeros_like(parameter) for parameter in self._parameters]
            theirs += slow.averages
        losses = self._library.take_steps(
            self._training,
            theirs,
            batches.transpose(1, 2).contiguous(),
            rates=[rate_at(step, self._config) for step in range(first, first + len(batches))],
            # Batches that are drawn together are in one phase and pass, which have one decay.
            decay=self._config.weight_decay_at(first) * optimization.decay_share,
            number=int(counts[0]) + 1,
        )
        torch._foreach_add_(counts, len(batches))
        return losses

    def _use(self, slow: SlowGradients | None) -> None:
        """Amplify the slow part of gradients as the pass does, or not at all."""
        recipe = self._training.recipe
        recipe.slow_gain, recipe.slow_decay = (0.0, 0.0) if slow is None else (slow.gain, slow.decay)
        self._training.slow = None if slow is None else self._slow.data_ptr()
