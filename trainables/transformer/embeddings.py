"""Token embeddings and positions: the input of the first block."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from trainables.transformer.shape import ARC, TransformerShape


class TableEmbedding(nn.Module):
    """A learned vector for every token; calling it returns the table, shape (vocabulary, d).

    Entries are normal at first, with the shape's standard deviation or variance 1 / d.
    """

    def __init__(self, shape: TransformerShape, vocabulary: int) -> None:
        super().__init__()
        self.weight = _initial_table(vocabulary, shape.d_model, shape.init_std)

    def forward(self) -> Tensor:
        """Return the table."""
        return self.weight


class ArcEmbedding(nn.Module):
    """Tokens at equal distances on an arc of a circle in the first two features, zeros in the others.

    Three numbers: the circle's radius, the angle of token 0, and the angle between neighbours. Each is a
    parameter, or a constant where the shape fixes it. By default parameters begin near half a circle.
    """

    amplitude: Tensor
    start: Tensor
    stride: Tensor

    def __init__(self, shape: TransformerShape, vocabulary: int) -> None:
        super().__init__()
        self.vocabulary, self.width = vocabulary, shape.d_model
        for name, value in initial_arc(shape, vocabulary).items():
            exact = torch.tensor(value)
            if name in shape.trained_of_arc:
                setattr(self, name, nn.Parameter(_near(value) if shape.arc_init is None else exact))
            else:
                self.register_buffer(name, exact, persistent=False)

    def forward(self) -> Tensor:
        """Return the table, shape (vocabulary, width)."""
        angle = self.start + self.stride * torch.arange(self.vocabulary, device=self.start.device)
        on_circle = self.amplitude * torch.stack([angle.cos(), angle.sin()], dim=1)
        return nn.functional.pad(on_circle, (0, self.width - 2))


class LearnedPositions(nn.Module):
    """A learned table of shape (positions, d), full or as two factors."""

    def __init__(self, shape: TransformerShape, positions: int) -> None:
        super().__init__()
        width, rank, std = shape.d_model, shape.position_rank, shape.init_std
        self.weight = _initial_table(positions, width if rank is None else rank, std)
        self.second = None if rank is None else _initial_table(rank, width, std)

    def forward(self) -> Tensor:
        """Return the table."""
        return self.weight if self.second is None else self.weight @ self.second


class FixedPositions(nn.Module):
    """Sinusoids of shape (positions, d), without parameters."""

    table: Tensor

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(positions, width), persistent=False)

    def forward(self) -> Tensor:
        """Return the table."""
        return self.table


def initial_arc(shape: TransformerShape, vocabulary: int) -> dict[str, float]:
    """Return the amplitude, start and stride that an arc is to begin with, by name.

    By default that is half a circle, on which all tokens are separate and in order.
    """
    values = shape.arc_init or (1.0, 0.0, math.pi / vocabulary)
    return dict(zip(ARC, values, strict=True))


def make_embedding(shape: TransformerShape, vocabulary: int) -> TableEmbedding | ArcEmbedding:
    """Return the token embedding of a shape."""
    kind = ArcEmbedding if shape.embedding == "arc" else TableEmbedding
    return kind(shape, vocabulary)


def make_positions(shape: TransformerShape, positions: int) -> LearnedPositions | FixedPositions | None:
    """Return the positions added to token embeddings, or None: rotary positions rotate queries and keys."""
    if shape.position == "learned":
        return LearnedPositions(shape, positions)
    return FixedPositions(positions, shape.d_model) if shape.position == "sinusoidal" else None


def _initial_table(rows: int, columns: int, std: float | None) -> nn.Parameter:
    """Return a new table, normal with a standard deviation, by default of variance 1 / columns."""
    table = nn.Parameter(torch.empty(rows, columns))
    nn.init.normal_(table, std=columns**-0.5 if std is None else std)
    return table


def _near(value: float) -> Tensor:
    """Return a random number near a value."""
    return value * (1 + 0.1 * torch.randn(())) + 0.01 * torch.randn(())


def sinusoids(positions: int, width: int) -> Tensor:
    """Return fixed positions of shape (positions, width): sines in even columns, cosines in odd.

    Column pairs have wavelengths from 2 pi to 10,000 * 2 pi (Vaswani et al., 2017). For an
    odd width the last cosine is left out.
    """
    angle = torch.arange(positions)[:, None] * torch.exp(
        torch.arange(0, width, 2) * (-math.log(10_000.0) / width)
    )
    table = torch.zeros(positions, width)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()[:, : width // 2]
    return table
