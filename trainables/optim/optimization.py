"""The optimizers as the training loop uses them: groups, clipping, schedules, Grokfast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.optim.adamw import AdamW
from trainables.optim.muon import Muon
from trainables.optim.optimizer import Optimizer


@dataclass(frozen=True, kw_only=True)
class MomentumRise:
    """A momentum that rises linearly from ``begin`` to ``end`` over the first ``steps`` steps."""

    begin: float
    end: float
    steps: int

    def at(self, step: int) -> float:
        """Return the momentum of a step counted from 1."""
        share = min(1.0, (step - 1) / self.steps) if self.steps else 1.0
        return self.begin + share * (self.end - self.begin)


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Parameters that are optimized in the same way.

    ``rate_ratio`` is the group's learning rate as a multiple of the configuration's. Muon takes
    matrices only, and its momentum from ``momentum``; ``betas`` and ``eps`` are AdamW's. ``decays``
    is whether the configuration's weight decay applies.
    """

    name: str
    parameters: Sequence[nn.Parameter]
    optimizer: Literal["adamw", "muon"] = "adamw"
    rate_ratio: float = 1.0
    decays: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: MomentumRise = MomentumRise(begin=0.95, end=0.95, steps=0)


def one_group(model: nn.Module, config: TrainingConfig) -> list[ParameterGroup]:
    """Return all parameters of a model as one group of AdamW with the configuration's decays."""
    betas = (config.beta1, config.beta2)
    return [ParameterGroup(name="all", parameters=list(model.parameters()), betas=betas)]


class Optimization:
    """The optimizers of a model with their state: gradients to a step.

    Args:
        groups: the parameters; none may be in two groups.
        config: clipping and Grokfast.
        step: of the pass that they are for, counted from 1.

    Attributes:
        slow: Grokfast's averages, if it is used.
        decay_share: share of the stated weight decay that is in force; whoever takes the steps sets it.
    """

    def __init__(self, groups: Sequence[ParameterGroup], config: TrainingConfig, step: int = 1) -> None:
        self._parameters = [parameter for group in groups for parameter in group.parameters]
        assert len({id(p) for p in self._parameters}) == len(self._parameters), "a parameter in two groups"
        self._clip = config.grad_clip
        self._optimizers = _make_optimizers(groups)
        self.decay_share = 1.0
        self.slow: SlowGradients | None = None
        if (gain := config.grokfast_lamb_at(step)) > 0:
            self.slow = SlowGradients(gain, config.grokfast_alpha)

    def differentiate(self, losses: Iterable[Tensor]) -> None:
        """Replace the parameters' gradients by those of the sum of ``losses``.

        Args:
            losses: scalars; each is differentiated before the next is computed, so that an iterator
                needs the memory of one.
        """
        for optimizer in self._optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        for loss in losses:
            torch.autograd.backward(loss)

    def step(self, *, number: int, rate: float, weight_decay: float) -> None:
        """Change the parameters by their gradients.

        Args:
            number: the step's number, counted from 1.
            rate: its learning rate, of groups with a ratio of 1.
            weight_decay: its decoupled weight decay as stated, of groups that decay.
        """
        weight_decay *= self.decay_share
        if self.slow is not None:
            self.slow.amplify([p.grad for p in self._parameters if p.grad is not None])
        if self._clip > 0:
            nn.utils.clip_grad_norm_(self._parameters, self._clip)
        for optimizer in self._optimizers.values():
            for settings in optimizer.param_groups:
                group: ParameterGroup = settings["group"]
                settings["lr"] = rate * group.rate_ratio
                settings["weight_decay"] = weight_decay if group.decays else 0.0
                if group.optimizer == "muon":
                    settings["momentum"] = group.momentum.at(number)
            optimizer.step()

    def adamw_states(self, parameters: Sequence[nn.Parameter]) -> list[dict[str, Tensor]]:
        """Return AdamW's live state of each parameter, see there, for code that takes its steps."""
        adamw = self._optimizers["adamw"]
        assert isinstance(adamw, AdamW)
        return [adamw.state_of(parameter) for parameter in parameters]

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs to resume; tensors are live."""
        slow = [] if self.slow is None else self.slow.averages
        states = {name: _state_of(optimizer) for name, optimizer in self._optimizers.items()}
        return {**states, "grokfast": slow}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from what :meth:`state_dict` returned."""
        for name, optimizer in self._optimizers.items():
            # The loaded settings replace ours, except the reference to the group.
            groups = [settings["group"] for settings in optimizer.param_groups]
            optimizer.load_state_dict(state[name])
            for settings, group in zip(optimizer.param_groups, groups, strict=True):
                settings["group"] = group
        if self.slow is not None:
            device = self._parameters[0].device
            self.slow.averages = [average.to(device) for average in state["grokfast"]]


def _make_optimizers(groups: Sequence[ParameterGroup]) -> dict[str, Optimizer]:
    """Return one optimizer of each kind among the groups."""
    made: dict[str, Optimizer] = {}
    by_adamw = [
        {"params": list(group.parameters), "betas": group.betas, "eps": group.eps, "group": group}
        for group in groups
        if group.optimizer == "adamw" and group.parameters
    ]
    if by_adamw:
        made["adamw"] = AdamW(by_adamw)
    by_muon = [
        {"params": list(group.parameters), "group": group}
        for group in groups
        if group.optimizer == "muon" and group.parameters
    ]
    if by_muon:
        made["muon"] = Muon(by_muon)
    return made


def _state_of(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer's state as plain values and tensors: without our groups in its settings."""
    state = optimizer.state_dict()
    plain = [{k: v for k, v in settings.items() if k != "group"} for settings in state["param_groups"]]
    return {**state, "param_groups": plain}


class SlowGradients:
    """Adds to each gradient a multiple of its exponential average (Grokfast-EMA, Lee et al., 2024).

    Args:
        gain: the multiple.
        decay: of the average.
    """

    def __init__(self, gain: float, decay: float) -> None:
        self.gain, self.decay = gain, decay
        self.averages: list[Tensor] = []

    def amplify(self, gradients: list[Tensor]) -> None:
        """Change the gradients in place; the average starts with the first gradients."""
        if not self.averages:
            self.averages = [gradient.clone() for gradient in gradients]
        torch._foreach_lerp_(self.averages, gradients, 1 - self.decay)
        torch._foreach_add_(gradients, self.averages, alpha=self.gain)
