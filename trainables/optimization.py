"""AdamW as the training loop uses it: clipping, changing rates, and amplified slow gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig


class Optimization:
    """What turns the gradients of a model into a step, with all of its state.

    Args:
        model: the model; all of its parameters are optimized.
        config: rates, decays, clipping and gain.
    """

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        self._parameters = list(model.parameters())
        self._clip = config.grad_clip
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=config.lr, betas=(config.beta1, config.beta2), fused=True
        )
        self._slow = None
        if config.slow_gradient_gain > 0:
            self._slow = SlowGradients(config.slow_gradient_gain, config.slow_gradient_decay)

    def step(self, loss: Tensor, *, rate: float, weight_decay: float) -> None:
        """Compute the gradients of ``loss``, a scalar, and change the parameters."""
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if self._slow is not None:
            self._slow.amplify([p.grad for p in self._parameters if p.grad is not None])
        if self._clip > 0:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
        for group in self._optimizer.param_groups:
            group["lr"], group["weight_decay"] = rate, weight_decay
        self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs to go on; tensors are live."""
        slow = [] if self._slow is None else self._slow.averages
        return {"adamw": self._optimizer.state_dict(), "slow_gradients": slow}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self._optimizer.load_state_dict(state["adamw"])
        if self._slow is not None:
            device = self._parameters[0].device
            self._slow.averages = [average.to(device) for average in state["slow_gradients"]]


class SlowGradients:
    """Adds to each gradient a multiple of its exponential average (Grokfast-EMA, Lee et al., 2024)."""

    def __init__(self, gain: float, decay: float) -> None:
        self._gain, self._decay = gain, decay
        self.averages: list[Tensor] = []

    def amplify(self, gradients: list[Tensor]) -> None:
        """Change the gradients in place; the average begins with the first ones it sees."""
        if not self.averages:
            self.averages = [gradient.clone() for gradient in gradients]
        torch._foreach_lerp_(self.averages, gradients, 1 - self._decay)
        torch._foreach_add_(gradients, self.averages, alpha=self._gain)
