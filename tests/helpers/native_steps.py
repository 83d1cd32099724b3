"""Training steps of a few configurations, by the kernel and by PyTorch, in either precision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from helpers.native_kernels import CPU, compiler, some_model, torch_loss
from trainables.addition.config import AdditionConfig
from trainables.addition.native.engine import NativeEngine
from trainables.addition.native.steps import NativeSteps
from trainables.addition.workload import AdditionWorkload
from trainables.optim.optimization import Optimization, one_group
from trainables.optim.schedules import rate_at

Weights = dict[str, Tensor]


class Trainee:
    """A model in training, which can change engines; weights and batches follow from the configuration."""

    def __init__(self, config: AdditionConfig, dtype: torch.dtype) -> None:
        self.config, self.step = config, 0
        self.model = some_model(config).to(dtype)
        self.stream = AdditionWorkload(config.model_copy(update={"engine": "torch"}), CPU).batch
        self.engine = NativeEngine(config, compiler(), dtype=dtype)
        assert self.engine.derivation is not None
        self.native = NativeSteps(self.engine, self.engine.derivation, self.model, config)
        self.optimization = Optimization(one_group(self.model, config), config)

    def by_pytorch(self, steps: int) -> list[float]:
        """Take steps, and return their losses."""
        losses = []
        for step in self._next(steps):
            self._begin_pass(step)
            loss = torch_loss(self.config, self.model, self.stream(step))
            self.optimization.differentiate([loss])
            decay = self.config.weight_decay_at(step)
            self.optimization.step(number=step, rate=rate_at(step, self.config), weight_decay=decay)
            losses.append(loss.item())
        return losses

    def by_kernel(self, steps: int, *, at_once: int = 7) -> list[float]:
        """Take steps, some in each call, and return their losses."""
        losses: list[float] = []
        ends = {end for end, _ in self.config.phases()} | {*self.config.pass_ends}
        new = self._next(steps)
        cuts = sorted(
            {*range(new.start, new.stop, at_once), *(end + 1 for end in ends if end + 1 in new), new.stop}
        )
        for begin, end in pairwise(cuts):
            self._begin_pass(begin)
            batches = torch.stack([self.stream(step) for step in range(begin, end)]).to(torch.uint8)
            losses += self.native.take(self.optimization, batches, begin)
        return losses

    def weights(self) -> Weights:
        """Return copies of all parameters."""
        return {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}

    def _begin_pass(self, step: int) -> None:
        if step - 1 in self.config.pass_ends:
            self.optimization = Optimization(one_group(self.model, self.config), self.config, step)

    def _next(self, steps: int) -> range:
        first, self.step = self.step + 1, self.step + steps
        return range(first, self.step + 1)


def distance(found: Weights, right: Weights) -> float:
    """Return the largest difference of a parameter, relative to its tensor's largest number."""
    return max(
        (found[name].double() - value.double()).abs().max().item() / (value.abs().max().item() + 1e-3)
        for name, value in right.items()
    )


def recipes() -> Sequence[dict[str, object]]:
    """Return recipes that together have every part of a step."""
    return [
        {"weight_decay": 0.1, "warmup": 0.2},
        {"grad_clip": 0.1, "beta1": 0.8, "beta2": 0.95, "final_lr": 0.0},
        {"grad_clip": 0.0, "schedule": "constant", "weight_decay": 0.0},
        {
            "schedule": "constant_linear",
            "warmup": 0.1,
            "cooldown": 0.5,
            "grokfast_lamb": 2.0,
            "grokfast_alpha": 0.9,
        },
        {"second_pass": {"share": 0.5, "lr": 0.004, "batch": 17, "weight_decay": 0.5}, "grokfast_lamb": 1.0},
        {
            "passes": [
                {"share": 0.3, "lr": 0.01, "grokfast_lamb": 2.0},
                {"share": 0.3, "lr": 0.004, "batch": 17, "grokfast_lamb": 0.0},
            ]
        },
        {
            "curriculum": [
                {"digits": [1, 1], "share": 1, "weight_decay": 0.3},
                {"digits": [1, 2], "share": 2},
            ]
        },
        {"chain_share": 0.7, "carries": "balanced"},
    ]
