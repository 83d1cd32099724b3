"""The feed-forward layer, plain or gated, with separate matrices or derived ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.transformer.projections import Matrix, turn_by
from trainables.transformer.shape import TransformerShape


def _gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _squared_relu(x: Tensor) -> Tensor:
    return F.relu(x).square()


_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": _gelu,
    "relu": F.relu,
    "squared_relu": _squared_relu,
}


class FeedForwardMatrices(NamedTuple):
    """Matrices and biases of a feed-forward layer; a gate only where the layer is gated."""

    up: Tensor  # (f, d)
    up_bias: Tensor | None  # (f,)
    gate: Tensor | None  # (f, d)
    gate_bias: Tensor | None  # (f,)
    down: Tensor  # (d, f)
    down_bias: Tensor | None  # (d,)


class FeedForward(nn.Module):
    """The feed-forward layer of a shape: (B, T, d) to (B, T, d).

    Args:
        shape: the shape.
        angle: a parameter that rotates the down projection, if it shares that with another part.
    """

    def __init__(self, shape: TransformerShape, angle: nn.Parameter | None = None) -> None:
        super().__init__()
        d, f, rank, std = shape.d_model, shape.d_ff, shape.ffn_rank, shape.init_std
        self.gated = shape.activation == "swiglu"
        self.activation = F.silu if self.gated else _ACTIVATIONS[shape.activation]
        self.gate_from, self.down_from = shape.gate_projection, shape.down_projection
        own_gate = self.gated and self.gate_from == "full"
        self.up = Matrix(d, f, rank=rank, std=std)
        self.gate = Matrix(d, f, rank=rank, std=std) if own_gate else None
        self.down = Matrix(f, d, rank=rank, std=std) if self.down_from == "full" else None
        if self.gate_from in ("scaled_up", "scaled_units"):
            self.gate_scale = nn.Parameter(torch.ones(f if self.gate_from == "scaled_units" else ()))
        if shape.rotates_down:
            self.down_angle = nn.Parameter(0.1 * torch.randn(())) if angle is None else angle
        has_bias = shape.ffn_bias
        self.up_bias = nn.Parameter(torch.zeros(f)) if has_bias else None
        self.gate_bias = nn.Parameter(torch.zeros(f)) if has_bias and own_gate else None
        self.down_bias = nn.Parameter(torch.zeros(d)) if has_bias else None

    def matrices(self) -> FeedForwardMatrices:
        """Return the matrices and biases; derived ones are computed from the up projection or the gate."""
        up, up_bias = self.up(), self.up_bias
        gate: Tensor | None = None
        gate_bias: Tensor | None = None
        if self.gate is not None:
            gate, gate_bias = self.gate(), self.gate_bias
        elif self.gated:
            gate, gate_bias = self._scaled(up), None if up_bias is None else self._scaled(up_bias)
        return FeedForwardMatrices(up, up_bias, gate, gate_bias, self._down(up, gate), self.down_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the residual stream."""
        w = self.matrices()
        up = F.linear(x, w.up, w.up_bias)  # (B, T, f)
        if w.gate is None:
            inner = self.activation(up)
        else:
            inner = self.activation(F.linear(x, w.gate, w.gate_bias)) * up
        return F.linear(inner, w.down, w.down_bias)

    def _scaled(self, up: Tensor) -> Tensor:
        """Return the matrix (f, d) or bias (f,) of the gate from that of the up projection."""
        if self.gate_from == "up":
            return up
        scale = self.gate_scale
        return (scale[:, None] if self.gate_from == "scaled_units" and up.ndim == 2 else scale) * up

    def _down(self, up: Tensor, gate: Tensor | None) -> Tensor:
        """Return the matrix of the down projection, (d, f), from those of the others, (f, d)."""
        if self.down is not None:
            matrix: Tensor = self.down()
            return matrix
        if self.down_from == "rotated_up":
            # Rotating the output rotates the rows of the up projection.
            return turn_by(up, self.down_angle).T
        if self.down_from == "rotated_units":
            return turn_by(up.T, self.down_angle)
        if self.down_from == "gate_transposed":
            assert gate is not None
            return gate.T
        return up.T
