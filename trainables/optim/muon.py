"""Muon (Jordan et al., 2024): its iteration batched, in a precision that the hardware multiplies fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainables.machines.execution import multiplies_bf16
from trainables.optim.optimizer import Optimizer, of_one_kind

_TOGETHER = 2**24
"""Numbers in a stack of matrices: 64 MiB in float32, several times that with products."""

_GRAM_FROM = 1.5
"""Width over height from which the iteration on Gram matrices needs fewer operations; see ``_by_gram``."""

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_LEAST_NORM = 1e-7
"""Of the iteration, as Keller Jordan and ``torch.optim.Muon`` have them."""


class Muon(Optimizer):
    """``torch.optim.Muon`` with Nesterov momentum: the same mathematics and state, at a lower cost.

    PyTorch iterates in bf16, one matrix after the other. A processor without bf16 arithmetic emulates it,
    at some twenty times the cost of float32. Here matrices of one shape are stacked, and the iteration is
    in :func:`iteration_type` of their device.

    A group states its ``params``, all of them matrices. The state of a parameter is ``momentum_buffer``.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"lr": 0.0, "weight_decay": 0.0, "momentum": 0.95}

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters that have a gradient by it."""
        for group in self.param_groups:
            for weights in of_one_kind(group["params"]):
                self._step(weights, group)

    def _step(self, weights: list[Tensor], settings: Mapping[str, Any]) -> None:
        rate, momentum = settings["lr"], settings["momentum"]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        averages = [self._average_of(weight) for weight in weights]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        looking_ahead = torch._foreach_lerp(gradients, averages, momentum)
        updates = orthogonalize(looking_ahead, iteration_type(weights[0].device, weights[0].dtype))
        torch._foreach_mul_(weights, 1 - rate * settings["weight_decay"])
        for weight, update in zip(weights, updates, strict=True):
            rows, columns = weight.shape
            weight.add_(update, alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def _average_of(self, weight: Tensor) -> Tensor:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight, requires_grad=False)
        return state["momentum_buffer"]


def iteration_type(device: torch.device, dtype: torch.dtype = torch.float32) -> torch.dtype:
    """Return the type that Muon iterates in for weights of ``dtype``.

    It is bf16 where the device multiplies it in hardware, and otherwise the weights' own type, at least
    float32. Both are precise enough: the iteration brings singular values to between 0.7 and 1.2 only.
    """
    if dtype != torch.float64 and multiplies_bf16(device):
        return torch.bfloat16
    return torch.promote_types(dtype, torch.float32)


def orthogonalize(matrices: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Bring the singular values of each matrix to about 1, by Newton and Schulz's iteration.

    Args:
        matrices: each of shape (rows, columns); shapes may differ.
        dtype: what to iterate in.

    Returns:
        matrices of the same shapes, of type ``dtype``.
    """
    wide = [matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix for matrix in matrices]
    alike: dict[torch.Size, list[int]] = {}
    for index, matrix in enumerate(wide):
        alike.setdefault(matrix.shape, []).append(index)
    found: dict[int, Tensor] = {}
    for shape, places in alike.items():
        count = max(1, _TOGETHER // shape.numel())
        for first in range(0, len(places), count):
            part = places[first : first + count]
            stack = torch.stack([wide[index] for index in part]).to(dtype)
            stack /= torch.linalg.vector_norm(stack, dim=(-2, -1), keepdim=True).clamp(min=_LEAST_NORM)
            by_gram = dtype != torch.bfloat16 and shape[1] > _GRAM_FROM * shape[0]
            iterate = _by_gram if by_gram else _by_products
            found.update(zip(part, iterate(stack).unbind(), strict=True))
    return [
        found[index].mT if matrix.shape[0] > matrix.shape[1] else found[index]
        for index, matrix in enumerate(matrices)
    ]


def _by_products(stack: Tensor) -> Tensor:
    """Iterate X <- aX + (bG + cG²)X with G = XXᵀ, on matrices of shape (n, rows, columns)."""
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        gram = stack @ stack.mT
        stack = torch.baddbmm(stack, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), stack, beta=a)
    return stack


def _by_gram(stack: Tensor) -> Tensor:
    """Return the same by iterating on the Gram matrices alone.

    A step multiplies X from the left by P = aI + bG + cG², and G becomes PGP. Where there are fewer rows than
    columns, these products are the smaller ones; X itself is multiplied once, by the product of all P. A
    rounding error of G grows with P², more than bf16 allows.
    """
    a, b, c = _COEFFICIENTS
    gram = stack @ stack.mT
    product: Tensor | None = None
    for step in range(1, _STEPS + 1):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=-2, dim2=-1).add_(a)
        product = factor if product is None else factor @ product
        if step < _STEPS:
            gram = factor @ gram @ factor
    assert product is not None
    return product @ stack


def describe(device: torch.device) -> str:
    """Return in a few words what the iteration computes in."""
    if iteration_type(device) == torch.bfloat16:
        return "Muon in bf16"
    name = "GPU" if device.type == "cuda" else "processor"
    return f"Muon in float32, since this {name} has no bf16 arithmetic"
