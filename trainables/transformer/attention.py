"""Causal self-attention, with separate projections or derived ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.transformer.norms import query_and_key_norms
from trainables.transformer.projections import Matrix, TriangularMatrix, rotary_tables, turn_by, turn_pairs
from trainables.transformer.shape import TransformerShape


class Attention(nn.Module):
    """Self-attention of a shape, for sequences of at most ``positions`` tokens.

    A derived key, value or output has no matrix: it is computed from that of the queries, before the norm
    and the rotation of queries and keys.
    """

    hidden: Tensor

    def __init__(self, shape: TransformerShape, positions: int) -> None:
        super().__init__()
        d, width, std = shape.d_model, shape.attention_width, shape.init_std
        self.heads, self.width = shape.n_heads, shape.width_of_head
        self.key_from, self.value_from = shape.key_projection, shape.value_projection
        self.query = self._own(shape, "query")
        shared = self.query.first if isinstance(self.query, Matrix) and shape.qkv_shared_factor else None
        self.key = self._own(shape, "key", shared) if self.key_from == "full" else None
        self.value = self._own(shape, "value", shared) if self.value_from == "full" else None
        if self.key_from == "scaled_query":
            self.key_scale = nn.Parameter(torch.ones(()))
        elif self.key_from == "rotated_query":
            self.key_angle = nn.Parameter(0.1 * torch.randn(()))
        self.output_from = shape.output_projection
        own_output = self.output_from == "full"
        self.output = Matrix(width, d, rank=shape.output_rank, std=std) if own_output else None
        self.query_norm, self.key_norm = query_and_key_norms(shape)
        self.dropout = nn.Dropout(shape.dropout)
        self.turns = shape.position == "rotary"
        if self.turns:
            cos, sin = rotary_tables(positions, shape.turning_features, shape.rope_theta, shape.rope_period)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)
        # True above the diagonal: positions that a query may not attend to.
        hidden = torch.ones(positions, positions, dtype=torch.bool).triu(1)
        self.register_buffer("hidden", hidden, persistent=False)

    @staticmethod
    def _own(
        shape: TransformerShape, name: str, first: nn.Parameter | None = None
    ) -> Matrix | TriangularMatrix:
        """Return a new matrix of queries, keys or values, with a first factor that may be shared."""
        d, std = shape.d_model, shape.init_std
        if shape.is_triangular(name):
            return TriangularMatrix(d, shape.triangular_rows, std=std)
        return Matrix(d, shape.attention_width, rank=shape.qkv_rank, first=first, std=std)

    def input_matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the matrices of queries, keys and values, each (H * width, d), derived ones included."""
        query: Tensor = self.query()
        key = self._derived_key(query) if self.key is None else self.key()
        derived = key if self.value_from == "key" else query
        value: Tensor = derived if self.value is None else self.value()
        return query, key, value

    def output_matrix(self) -> Tensor:
        """Return the matrix of the output, (d, H * width)."""
        if self.output is not None:
            own: Tensor = self.output()
            return own
        # Values have a matrix of their own where the output is their transposed one.
        source = self.value if self.output_from == "value_transposed" else self.query
        assert source is not None
        transposed: Tensor = source().T
        return transposed

    def project(self, x: Tensor, wanted: int) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, T, d) to the queries of the last ``wanted`` positions, and the keys and values of all.

        Returns:
            Tensors of shape (B, wanted, H, width), (B, T, H, width) and (B, T, H, width).
        """
        length = x.shape[1]
        of_query, of_key, of_value = self.input_matrices()
        # Queries only for the wanted positions; keys and values in one product.
        query = self._split(F.linear(x[:, -wanted:], of_query))
        key, value = map(self._split, F.linear(x, torch.cat([of_key, of_value])).chunk(2, dim=-1))
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if self.turns:
            # (T, 1, pairs): the same for every head.
            cos = self.get_buffer("cos")[:length, None]
            sin = self.get_buffer("sin")[:length, None]
            query = turn_pairs(query, cos[length - wanted :], sin[length - wanted :])
            key = turn_pairs(key, cos, sin)
        return query, key, value

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Map what :meth:`project` returned to what is added to the residual stream, (B, wanted, d)."""
        wanted, length = query.shape[1], key.shape[1]
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))  # (B, H, T, width)
        scores = query @ key.transpose(-1, -2) * self.width**-0.5
        # Widths here are far too small for fused attention kernels.
        weights = scores.masked_fill(self.hidden[length - wanted : length, :length], -torch.inf).softmax(-1)
        read = (self.dropout(weights) @ value).transpose(1, 2).flatten(2)  # (B, wanted, H * width)
        return F.linear(read, self.output_matrix())

    def _derived_key(self, query: Tensor) -> Tensor:
        """Return the keys' matrix, from that of the queries."""
        if self.key_from == "scaled_query":
            return self.key_scale * query
        if self.key_from == "query":
            return query
        features = query.T.reshape(-1, self.heads, self.width)  # (d, H, width)
        return turn_by(features, self.key_angle).flatten(1).T

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, H * width) to (B, T, H, width)."""
        return x.view(*x.shape[:2], self.heads, self.width)
