"""Optimizers for a trained model's last errors: many looks at one large batch instead of one at many.

Both are generic, by libraries, and know nothing of the task but its loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig

_LBFGS_ITERATIONS = 20
"""Line searches in one step of L-BFGS."""

_CMA_SIGMA = 0.01
"""CMA-ES's first step size, in units of the weights: a finish begins where most answers are right."""


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
        self._parameters = list(model.parameters())
        flat = nn.utils.parameters_to_vector(self._parameters).detach()
        # cma takes a seed of 0 as "by the clock".
        options = {"seed": seed + 1, "verbose": -9}
        self._strategy = cma.CMAEvolutionStrategy(flat.double().cpu().numpy(), _CMA_SIGMA, options)
        self.evaluations = 0

    @torch.no_grad()
    def step(self) -> Tensor:
        """Improve the model by one generation; it gets the best weights seen so far."""
        candidates = self._strategy.ask()
        self._strategy.tell(candidates, [self._loss_of(candidate) for candidate in candidates])
        best = self._strategy.result
        self._set(best.xbest)
        return torch.tensor(best.fbest)

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
