"""The decoder-only transformer in PyTorch: pre-norm blocks, causal attention, no attention bias."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.transformer.shape import TransformerShape

NORM_EPS = 1e-6
TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a unit normal cut at two standard deviations, as LeCun normal draws it."""


class Transformer(nn.Module):
    """A decoder-only transformer of the given shape.

    Args:
        shape: widths, depth and kinds of parts.
        vocabulary: number of different tokens.
        positions: longest sequence it can read.
    """

    positions: Tensor
    hidden: Tensor

    def __init__(self, shape: TransformerShape, *, vocabulary: int, positions: int) -> None:
        super().__init__()
        d = shape.d_model
        self.tokens = nn.Embedding(vocabulary, d)
        if shape.position == "learned":
            self.positions = nn.Parameter(torch.empty(positions, d))
            nn.init.normal_(self.positions, std=d**-0.5)
        else:
            self.register_buffer("positions", sinusoids(positions, d), persistent=False)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layers))
        self.final_norm = _norm(shape) if shape.final_norm else nn.Identity()
        self.head = nn.Linear(d, vocabulary, bias=False)
        _init_lecun(self.head)
        nn.init.normal_(self.tokens.weight, std=d**-0.5)
        if shape.tied_embeddings:
            self.head.weight = self.tokens.weight
        # True above the diagonal: what a query may not see.
        hidden = torch.ones(positions, positions, dtype=torch.bool).triu(1)
        self.register_buffer("hidden", hidden, persistent=False)

    def forward(self, tokens: Tensor, *, last: int | None = None) -> Tensor:
        """Return the logits that predict the token after each of the last positions.

        Args:
            tokens: int64 tensor of shape (batch, seq), seq at most the number of positions.
            last: how many positions to answer for, counted from the end; all of them by default.
                The last block computes queries and feed-forward for those only.

        Returns:
            Float tensor of shape (batch, last, vocabulary).
        """
        length = tokens.shape[1]
        wanted = length if last is None else last
        x = self.tokens(tokens) + self.positions[:length]  # (B, T, d)
        hidden = self.hidden[:length, :length]
        for block in self.blocks[:-1]:
            x = block(x, hidden, length)
        x = self.blocks[-1](x, hidden[length - wanted :], wanted)
        logits: Tensor = self.head(self.final_norm(x))
        return logits


class Block(nn.Module):
    """Pre-norm attention and feed-forward, each added to the residual stream."""

    def __init__(self, shape: TransformerShape) -> None:
        super().__init__()
        d, f = shape.d_model, shape.d_ff
        self.heads = shape.n_heads
        self.attention_norm = _norm(shape)
        self.query = nn.Linear(d, d, bias=False)
        self.key_value = nn.Linear(d, 2 * d, bias=False)
        self.output = nn.Linear(d, d, bias=False)
        self.ffn_norm = _norm(shape)
        self.up = nn.Linear(d, f, bias=shape.ffn_bias)
        self.down = nn.Linear(f, d, bias=shape.ffn_bias)
        for dense in (self.query, self.key_value, self.output, self.up, self.down):
            _init_lecun(dense)

    def forward(self, x: Tensor, hidden: Tensor, wanted: int) -> Tensor:
        """Map (B, T, d) to (B, wanted, d): the last ``wanted`` positions, which attend to all.

        ``hidden`` is a bool tensor of shape (wanted, T), True where a query may not look.
        """
        normed = self.attention_norm(x)
        x = x[:, -wanted:]
        query = self._split(self.query(normed[:, -wanted:]))  # (B, H, wanted, d/H)
        key, value = (self._split(part) for part in self.key_value(normed).chunk(2, dim=-1))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        # Widths here are far below what fused attention kernels are made for.
        weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        x = x + self.output(mixed)
        feed_forward: Tensor = self.down(F.gelu(self.up(self.ffn_norm(x)), approximate="tanh"))
        return x + feed_forward

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, d) to (B, H, T, d/H)."""
        batch, length, width = x.shape
        return x.view(batch, length, self.heads, width // self.heads).transpose(1, 2)


def sinusoids(positions: int, width: int) -> Tensor:
    """Return fixed positions of shape (positions, width): sines in even columns, cosines in odd.

    Column pairs turn with wavelengths from 2 pi to 10,000 * 2 pi (Vaswani et al., 2017). For an
    odd width the last cosine is left out.
    """
    angle = torch.arange(positions)[:, None] * torch.exp(
        torch.arange(0, width, 2) * (-math.log(10_000.0) / width)
    )
    table = torch.zeros(positions, width)
    table[:, 0::2] = angle.sin()
    table[:, 1::2] = angle.cos()[:, : width // 2]
    return table


def _norm(shape: TransformerShape) -> nn.Module:
    if shape.norm == "layernorm":
        return nn.LayerNorm(shape.d_model, eps=NORM_EPS)
    return nn.RMSNorm(shape.d_model, eps=NORM_EPS)


def _init_lecun(dense: nn.Linear) -> None:
    std = dense.in_features**-0.5 / TRUNCATED_STD
    nn.init.trunc_normal_(dense.weight, std=std, a=-2 * std, b=2 * std)
    if dense.bias is not None:
        nn.init.zeros_(dense.bias)
