"""The decoder-only transformer in PyTorch: pre-norm blocks of causal attention and feed-forward."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from trainables.transformer.attention import Attention
from trainables.transformer.embeddings import make_embedding, make_positions
from trainables.transformer.feed_forward import FeedForward
from trainables.transformer.norms import NormSupply
from trainables.transformer.projections import lecun_normal
from trainables.transformer.shape import TransformerShape


class Transformer(nn.Module):
    """A decoder-only transformer of the given shape.

    Args:
        shape: widths, depth and kinds of parts.
        vocabulary: number of different tokens.
        positions: longest sequence it can read.
    """

    def __init__(self, shape: TransformerShape, *, vocabulary: int, positions: int) -> None:
        super().__init__()
        norms = NormSupply(shape)
        self.embedding = make_embedding(shape, vocabulary)
        self.positions = make_positions(shape, positions)
        self.dropout = nn.Dropout(shape.dropout)
        self.blocks = nn.ModuleList(
            Block(shape, positions, *norms.for_block()) for _ in range(shape.n_layers)
        )
        self.final_norm = norms.final()
        self.head = None if shape.tied_embeddings else lecun_normal(vocabulary, shape.d_model)

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
        table = self.embedding()
        x = F.embedding(tokens, table)  # (B, T, d)
        if self.positions is not None:
            x = x + self.positions()[:length]
        x = self.dropout(x)
        for block in self.blocks[:-1]:
            x = block(x, length)
        x = self.blocks[-1](x, length if last is None else last)
        return F.linear(self.final_norm(x), table if self.head is None else self.head)


class Block(nn.Module):
    """Pre-norm attention and feed-forward, each added to the residual stream."""

    def __init__(
        self, shape: TransformerShape, positions: int, attention_norm: nn.Module, ffn_norm: nn.Module
    ) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = attention_norm, ffn_norm
        self.attention = Attention(shape, positions)
        self.feed_forward = FeedForward(shape)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, wanted: int) -> Tensor:
        """Map (B, T, d) to (B, wanted, d): the last ``wanted`` positions, which attend to all."""
        read = self.attention(self.attention_norm(x), wanted)
        x = x[:, -wanted:] + self.dropout(read)
        added: Tensor = self.dropout(self.feed_forward(self.ffn_norm(x)))
        return x + added
