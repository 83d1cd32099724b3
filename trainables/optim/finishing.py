"""Optimizers for a trained model's last errors: many evaluations of one large batch.

Both come from libraries and use only the task's loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

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

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs, in plain values and tensors, which are live."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from what :meth:`state_dict` returned, with a model of the same weights as then."""
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

    def state_dict(self) -> dict[str, Any]:
        """Return the history of gradients and directions."""
        return {"lbfgs": self._optimizer.state_dict()["state"]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume with the same history."""
        settings = self._optimizer.state_dict()
        self._optimizer.load_state_dict({**settings, "state": state["lbfgs"]})


class CmaEsFinish:
    """CMA-ES, evolution of the weights without gradients (``cma``); the covariance is a full matrix."""

    def __init__(self, model: nn.Module, loss: Callable[[], Tensor], seed: int) -> None:
        self._loss = loss
        self._seed = seed
        self.evaluations = 0
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._begin(nn.utils.parameters_to_vector(self._parameters).detach().double().cpu())

    @torch.no_grad()
    def step(self) -> Tensor:
        """Improve the model by one generation; the model gets the best weights seen so far."""
        if self.evaluations == 0:
            # The initial weights are not a candidate of cma's.
            self._best_loss = self._first_loss = self._loss_of(self._best)
        candidates = self._strategy.ask()
        losses = [self._loss_of(candidate) for candidate in candidates]
        self._generations.append(losses)
        if not self._learn(candidates, losses):
            return torch.tensor(math.nan)
        self._set(self._best)
        return torch.tensor(self._best_loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the losses of all generations: with the seed, they make the same strategy again.

        The strategy's own state is a pickle, which a checkpoint must not contain.
        """
        first = self._first_loss
        return {"begun_at": self._begun_at, "first_loss": first, "generations": list(self._generations)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume by going through the generations again, without computing their losses."""
        self._begin(state["begun_at"])
        self._best_loss = self._first_loss = state["first_loss"]
        self.evaluations = 1 if state["generations"] else 0
        for losses in state["generations"]:
            self._learn(self._strategy.ask(), losses)
            self._generations.append(losses)
            self.evaluations += len(losses)

    def _begin(self, weights: Tensor) -> None:
        import cma

        # NumPy's seeds end at 2**32 - 1, and cma takes a seed of 0 as "by the clock".
        options = {"seed": 1 + self._seed % (2**32 - 1), "verbose": -9}
        self._begun_at = weights
        self._strategy = cma.CMAEvolutionStrategy(weights.numpy(), _CMA_SIGMA, options)
        self._generations: list[Sequence[float]] = []
        self.evaluations = 0
        self._best: Any = weights.numpy()
        self._first_loss = self._best_loss = math.nan

    def _learn(self, candidates: Sequence[Any], losses: Sequence[float]) -> bool:
        """Tell the strategy the losses of its candidates; return whether any of them is finite."""
        finite = [loss for loss in losses if math.isfinite(loss)]
        if not finite:
            return False
        self._strategy.tell(
            candidates, [loss if math.isfinite(loss) else 10 * max(finite) for loss in losses]
        )
        if min(finite) < self._best_loss or not math.isfinite(self._best_loss):
            self._best_loss = min(finite)
            self._best = candidates[losses.index(self._best_loss)]
        return True

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
