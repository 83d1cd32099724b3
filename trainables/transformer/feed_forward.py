"""The feed-forward layer, plain or gated, with matrices of its own or derived from one another."""

from __future__ import annotations

from collections.abc import Callable

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


class FeedForward(nn.Module):
    """The feed-forward layer of a shape: (B, T, d) to (B, T, d)."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        d, f, rank = shape.d_model, shape.d_ff, shape.ffn_rank
        self.gated = shape.activation == "swiglu"
        self.activation = F.silu if self.gated else _ACTIVATIONS[shape.activation]
        self.gate_from, self.down_from = shape.gate_projection, shape.down_projection
        own_gate = self.gated and self.gate_from == "full"
        self.up = Matrix(d, f, rank=rank)
        self.gate = Matrix(d, f, rank=rank) if own_gate else None
        self.down = Matrix(f, d, rank=rank) if self.down_from == "full" else None
        if self.gate_from == "scaled_up":
            self.gate_scale = nn.Parameter(torch.ones(()))
        if self.down_from == "rotated_up":
            self.down_angle = nn.Parameter(0.1 * torch.randn(()))
        has_bias = shape.ffn_bias
        self.up_bias = nn.Parameter(torch.zeros(f)) if has_bias else None
        self.gate_bias = nn.Parameter(torch.zeros(f)) if has_bias and own_gate else None
        self.down_bias = nn.Parameter(torch.zeros(d)) if has_bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the residual stream."""
        up_matrix = self.up()
        up = F.linear(x, up_matrix, self.up_bias)  # (B, T, f)
        inner = self.activation(self._gate(x, up)) * up if self.gated else self.activation(up)
        if self.down is not None:
            return F.linear(inner, self.down(), self.down_bias)
        down = F.linear(inner, up_matrix.T)
        if self.down_from == "rotated_up":
            down = turn_by(down, self.down_angle)
        return down if self.down_bias is None else down + self.down_bias

    def _gate(self, x: Tensor, up: Tensor) -> Tensor:
        if self.gate is not None:
            return F.linear(x, self.gate(), self.gate_bias)
        return self.gate_scale * up if self.gate_from == "scaled_up" else up
