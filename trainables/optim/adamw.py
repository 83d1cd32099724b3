"""AdamW (Loshchilov and Hutter, 2019) by PyTorch's fused kernel, without the weight of ``torch.optim``."""

from __future__ import annotations

import torch
from torch import Tensor

from trainables.optim.optimizer import Optimizer, of_one_kind


class AdamW(Optimizer):
    """``torch.optim.AdamW`` with ``fused=True``: the same kernel, bits, settings and state.

    A group states its ``params``, ``betas`` and ``eps``. The state of a parameter is ``step``, a float32
    scalar, ``exp_avg`` and ``exp_avg_sq``.
    """

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters that have a gradient by it."""
        for group in self.param_groups:
            for parameters in of_one_kind(group["params"]):
                states = [self.state_of(parameter) for parameter in parameters]
                steps = [state["step"] for state in states]
                torch._foreach_add_(steps, 1)
                torch._fused_adamw_(
                    parameters,
                    [parameter.grad for parameter in parameters if parameter.grad is not None],
                    [state["exp_avg"] for state in states],
                    [state["exp_avg_sq"] for state in states],
                    [],
                    steps,
                    lr=group["lr"],
                    beta1=group["betas"][0],
                    beta2=group["betas"][1],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    amsgrad=False,
                    maximize=False,
                )

    def state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return the live state of a parameter: zeros before its first step."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state
