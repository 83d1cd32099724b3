"""Weight matrices of the attention and feed-forward layers: full, or as two factors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a unit normal truncated at two standard deviations, as in LeCun normal."""


class Matrix(nn.Module):
    """A matrix of shape (outputs, inputs), without bias; with a rank, the product of two factors.

    Calling it returns the matrix itself, so that others can be derived from it. Entries are LeCun
    normal: variance 1 / inputs, for the product too; or, with ``std``, normal in both factors.

    Args:
        inputs: columns.
        outputs: rows.
        rank: inner size of the two factors, or None for a full matrix.
        first: a first factor, of shape (rank, inputs), to be shared with other matrices.
        std: standard deviation of the initial entries; None is LeCun normal.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        rank: int | None = None,
        first: nn.Parameter | None = None,
        std: float | None = None,
    ) -> None:
        super().__init__()
        self.first = first
        if rank is not None:
            self.first = initial_matrix(rank, inputs, std) if first is None else first
        self.weight = initial_matrix(outputs, inputs if rank is None else rank, std)

    def forward(self) -> Tensor:
        """Return the matrix, shape (outputs, inputs)."""
        return self.weight if self.first is None else self.weight @ self.first


class TriangularMatrix(nn.Module):
    """A matrix of shape (outputs, inputs) whose rows begin with zeros.

    Calling it returns the matrix. Only the other entries are parameters, row by row.

    Args:
        inputs: columns.
        lengths: entries of each row that are parameters, the last ones.
        std: standard deviation of the initial entries; None is LeCun normal.
    """

    def __init__(self, inputs: int, lengths: Sequence[int], *, std: float | None = None) -> None:
        super().__init__()
        self.inputs, self.lengths = inputs, list(lengths)
        rows = zip(initial_matrix(len(self.lengths), inputs, std).detach(), self.lengths, strict=True)
        self.weight = nn.Parameter(torch.cat([row[inputs - length :] for row, length in rows]))

    def forward(self) -> Tensor:
        """Return the matrix, shape (outputs, inputs)."""
        rows = zip(torch.split(self.weight, self.lengths), self.lengths, strict=True)
        return torch.stack([F.pad(row, (self.inputs - length, 0)) for row, length in rows])


def initial_matrix(outputs: int, inputs: int, std: float | None = None) -> nn.Parameter:
    """Return a new matrix of shape (outputs, inputs): normal with a standard deviation, or LeCun normal.

    LeCun normal is a truncated normal of variance 1 / inputs.
    """
    weight = nn.Parameter(torch.empty(outputs, inputs))
    if std is not None:
        nn.init.normal_(weight, std=std)
        return weight
    whole = inputs**-0.5 / TRUNCATED_STD
    nn.init.trunc_normal_(weight, std=whole, a=-2 * whole, b=2 * whole)
    return weight


def turn_pairs(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate pairs of features: feature i with feature i + pairs, for i below pairs.

    Args:
        x: float tensor of shape (..., width).
        cos: cosines of shape (..., pairs), or one for all; 2 * pairs is at most width.
        sin: sines, the same.

    Returns:
        Tensor like ``x``; features from 2 * pairs on are unchanged.
    """
    pairs = cos.shape[-1]
    first, second, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    return torch.cat([first * cos - second * sin, second * cos + first * sin, rest], dim=-1)


def turn_by(x: Tensor, angle: Tensor) -> Tensor:
    """Rotate every pair of features of ``x``, shape (..., width), by one angle, a scalar tensor."""
    angles = angle.expand(x.shape[-1] // 2)
    return turn_pairs(x, angles.cos(), angles.sin())


def rotary_tables(
    positions: int, turning: int, theta: float, period: float | None = None
) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of shape (positions, turning / 2) for rotary positions.

    Pair i rotates by ``theta ** (-2 i / turning)`` from one position to the next (Su et al., 2021), or by
    ``2 pi / period`` times that.
    """
    frequency = torch.exp(torch.arange(0, turning, 2) * (-math.log(theta) / turning))
    if period is not None:
        frequency = frequency * (2 * math.pi / period)
    angle = torch.arange(positions)[:, None] * frequency
    return angle.cos(), angle.sin()
