"""Optimizers for a trained model's last errors: many evaluations of one large batch.

Both come from libraries and use only the task's loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig

_LBFGS_ITERATIONS = 20
"""Line searches in one step of L-BFGS."""

_CMA_SIGMA = 0.01
"""CMA-ES's first step size, in units of the weights: a finish begins where most answers are correct."""


class Finish(Protocol):
    """One step improves the model's loss on the batch, and returns the loss, as a scalar tensor."""

    evaluations: int
    """Losses computed so far."""

    def step(self) -> Tensor:
        """Improve the model."""
        ...


class LbfgsFinish:
    """L-BFGS with a line search (``torch.optim.LBFGS``)."""

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor]) -> None:
        self._loss = loss
        self._optimizer = torch.optim.LBFGS(
            model.parameters(),
            max_iter=_LBFGS_ITERATIONS,
            history_size=_LBFGS_ITERATIONS,
            line_search_fn="strong_wolfe",
        )
        self.evaluations = 0

    def step(self) -> Tensor:
        """Improve the model by up to 20 line searches."""

        def closure() -> Tensor:
            self._optimizer.zero_grad()
            loss = self._loss()
            torch.autograd.backward(loss)
            self.evaluations += 1
            return loss

        before: Tensor = self._optimizer.step(closure)  # type: ignore[no-untyped-call]
        return before.detach()


class CmaEsFinish:
    """CMA-ES, evolution of the weights without gradients (``cma``); the covariance is a full matrix."""

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor], seed: int) -> None:
        import cma

        self._loss = loss
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        begin = nn.utils.parameters_to_vector(self._parameters).detach().double().cpu().numpy()
        # NumPy's seeds end at 2**32 - 1, and cma takes a seed of 0 as "by the clock".
        options = {"seed": 1 + seed % (2**32 - 1), "verbose": -9}
        self._strategy = cma.CMAEvolutionStrategy(begin, _CMA_SIGMA, options)
        self.evaluations = 0
        self._best, self._best_loss = begin, math.nan

    @torch.no_grad()
    def step(self) -> Tensor:
        """Improve the model by one generation; the model gets the best weights seen so far."""
        if self.evaluations == 0:
            # The initial weights are not a candidate of cma's.
            self._best_loss = self._loss_of(self._best)
        candidates = self._strategy.ask()
        losses = [self._loss_of(candidate) for candidate in candidates]
        finite = [loss for loss in losses if math.isfinite(loss)]
        if not finite:
            return torch.tensor(math.nan)
        self._strategy.tell(
            candidates, [loss if math.isfinite(loss) else 10 * max(finite) for loss in losses]
        )
        if min(finite) < self._best_loss or not math.isfinite(self._best_loss):
            self._best_loss = min(finite)
            self._best = candidates[losses.index(self._best_loss)]
        self._set(self._best)
        return torch.tensor(self._best_loss)

    @torch.no_grad()
    def _loss_of(self, candidate: object) -> float:
        self._set(candidate)
        self.evaluations += 1
        return self._loss().item()

    def _set(self, weights: object) -> None:
        like = self._parameters[0]
        vector = torch.as_tensor(weights, dtype=like.dtype, device=like.device)
        nn.utils.vector_to_parameters(vector, self._parameters)


def make_finish(model: nn.Module, config: TrainingConfig, loss: Callable[[], Tensor]) -> Finish:
    """Return the configuration's finish for a model; ``loss`` computes the batch's loss."""
    if config.finish == "lbfgs":
        return LbfgsFinish(model, loss)
    assert config.finish == "cma_es", config.finish
    return CmaEsFinish(model, loss, config.seed)
