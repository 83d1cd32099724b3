"""AdamW (Loshchilov and Hutter, 2019) by PyTorch's fused kernel, without the weight of ``torch.optim``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor


class AdamW:
    """``torch.optim.AdamW`` with ``fused=True``: the same kernel, bits, settings and state.

    Every optimizer of ``torch.optim`` imports PyTorch's compilers when it is made: 1.4 s of processor time
    and 70 MiB in each worker, as much as a short trial takes. Hooks, closures and options that nothing here
    uses are left out.

    Args:
        groups: of each its ``params``, ``betas`` and ``eps``; other keys are kept. ``lr`` and
            ``weight_decay`` may be set before every step.

    Attributes:
        param_groups: the groups' settings.
        state: of each parameter that has taken a step: ``step``, a float32 scalar, ``exp_avg`` and
            ``exp_avg_sq``.
    """

    def __init__(self, groups: Iterable[Mapping[str, Any]]) -> None:
        self.param_groups: list[dict[str, Any]] = [
            {"lr": 0.0, "weight_decay": 0.0, **group} for group in groups
        ]
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the parameters' gradients, or fill them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters that have a gradient by it."""
        for group in self.param_groups:
            for parameters in _of_one_kind(group["params"]):
                states = [self._state_of(parameter) for parameter in parameters]
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

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state in the layout of ``torch.optim``; tensors are live."""
        numbers = self._numbers()
        groups = [
            {**group, "params": [numbers[parameter] for parameter in group["params"]]}
            for group in self.param_groups
        ]
        return {
            "state": {numbers[parameter]: dict(state) for parameter, state in self.state.items() if state},
            "param_groups": groups,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned, or that of ``torch.optim.AdamW``.

        Raises:
            ValueError: it is of other groups of parameters.
        """
        theirs, ours = (
            [len(group["params"]) for group in groups]
            for groups in (saved["param_groups"], self.param_groups)
        )
        if theirs != ours:
            raise ValueError(f"the saved groups have {theirs} parameters, but these have {ours}")
        parameters = {number: parameter for parameter, number in self._numbers().items()}
        self.state.clear()
        for number, state in saved["state"].items():
            parameter = parameters[number]
            self.state[parameter] = {
                # The count stays in float32 whatever the weights are in.
                name: value.to(parameter.device, torch.float32 if name == "step" else parameter.dtype)
                for name, value in state.items()
            }
        for group, others in zip(self.param_groups, saved["param_groups"], strict=True):
            known = group.keys() - {"params"}
            group.update({name: value for name, value in others.items() if name in known})

    def _numbers(self) -> dict[Tensor, int]:
        every = (parameter for group in self.param_groups for parameter in group["params"])
        return {parameter: number for number, parameter in enumerate(every)}

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state


def _of_one_kind(parameters: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Return the parameters that have a gradient, in lists of one device and type, as the kernel needs."""
    found: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            found.setdefault((parameter.device, parameter.dtype), []).append(parameter)
    return found.values()
