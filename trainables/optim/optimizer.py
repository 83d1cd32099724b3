"""What the optimizers have in common, without the weight of ``torch.optim``: groups, gradients, state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor


class Optimizer:
    """Settings, gradients and state of groups of parameters, as ``torch.optim`` keeps them.

    Every optimizer of ``torch.optim`` imports PyTorch's compilers when it is made: 1.4 s of processor time
    and 70 MiB in each worker, as much as a short trial takes. Hooks, closures and options that nothing here
    uses are left out.

    Args:
        groups: of each its ``params`` and settings; others are kept too.

    Attributes:
        param_groups: the groups' settings, which may be set before every step.
        state: of each parameter that has taken a step.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"lr": 0.0, "weight_decay": 0.0}
    """Settings that a group need not state."""

    def __init__(self, groups: Iterable[Mapping[str, Any]]) -> None:
        self.param_groups: list[dict[str, Any]] = [{**self.defaults, **group} for group in groups]
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the parameters' gradients, or fill them with zeros."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.zero_()

    def step(self) -> None:
        """Change the parameters that have a gradient by it."""
        raise NotImplementedError

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
        """Take over what :meth:`state_dict` returned, or that of the same optimizer of ``torch.optim``.

        Raises:
            ValueError: it is of other groups of parameters, or of other shapes.
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
            if any(name != "step" and value.shape != parameter.shape for name, value in state.items()):
                raise ValueError(f"the saved state of parameter {number} has another shape than it")
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


def of_one_kind(parameters: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Return the parameters that have a gradient, in lists of one device and type, as kernels need."""
    found: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            found.setdefault((parameter.device, parameter.dtype), []).append(parameter)
    return found.values()
