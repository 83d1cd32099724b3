"""The decoder-only transformer in PyTorch: pre-norm blocks of causal attention and feed-forward."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.transformer.attention import Attention
from trainables.transformer.embeddings import make_embedding, make_positions
from trainables.transformer.feed_forward import FeedForward
from trainables.transformer.norms import NormSupply
from trainables.transformer.projections import initial_matrix
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
        own_head = not shape.tied_embeddings
        self.head = initial_matrix(vocabulary, shape.d_model, shape.init_std) if own_head else None

    def forward(self, tokens: Tensor, *, last: int | None = None) -> Tensor:
        """Return the logits that predict the token after each of the last positions.

        Args:
            tokens: int64 tensor of shape (batch, seq), seq at most the number of positions.
            last: number of positions, counted from the end; all by default.
                The last block computes queries and feed-forward for those only.

        Returns:
            Float tensor of shape (batch, last, vocabulary).
        """
        length, table = tokens.shape[1], self.embedding()
        first, *others = [cast("Block", block) for block in self.blocks]
        # The number of positions that each block computes.
        wanted = [length] * len(others) + [length if last is None else last]
        x = first(self._first_inputs(first, tokens, table, wanted[0]))
        for block, count in zip(others, wanted[1:], strict=True):
            x = block(block.inputs(x, count))
        return F.linear(self.final_norm(x), table if self.head is None else self.head)

    def _first_inputs(self, first: Block, tokens: Tensor, table: Tensor, wanted: int) -> BlockInputs:
        """Return the input of the first block, which depends only on position and token.

        With more sequences than tokens it is computed once for every token at every position, and looked
        up.
        """
        length = tokens.shape[1]
        # Dropout differs between equal tokens.
        looks_up = len(table) < len(tokens) and not (self.training and self.dropout.p > 0)
        read = torch.arange(len(table), device=tokens.device).expand(length, -1).T if looks_up else tokens
        x = F.embedding(read, table)  # (B, T, d), or with every token for a sequence (V, T, d)
        if self.positions is not None:
            x = x + self.positions()[:length]
        inputs = first.inputs(self.dropout(x), wanted)
        return inputs.looked_up(tokens) if looks_up else inputs


class BlockInputs(NamedTuple):
    """Inputs of a block: stream and queries of the wanted positions, keys and values of all."""

    x: Tensor  # (B, wanted, d)
    query: Tensor  # (B, wanted, H, width)
    key: Tensor  # (B, T, H, width)
    value: Tensor  # (B, T, H, width)

    def looked_up(self, tokens: Tensor) -> BlockInputs:
        """Return the inputs of sequences, (B, T), looked up in those of every token at every position."""
        d, (wanted, heads, width) = self.x.shape[-1], self.query.shape[1:]
        asked = _look_up(torch.cat([self.x, self.query.flatten(2)], dim=-1), tokens[:, -wanted:])
        read = _look_up(torch.cat([self.key.flatten(2), self.value.flatten(2)], dim=-1), tokens)
        x, query = asked[..., :d], asked[..., d:]
        key, value = read.chunk(2, dim=-1)
        return BlockInputs(x, *(part.view(*part.shape[:2], heads, width) for part in (query, key, value)))


def _look_up(every: Tensor, tokens: Tensor) -> Tensor:
    """Look up tokens, (B, T), in a table of every token at every position, (V, T, features)."""
    length = tokens.shape[1]
    return F.embedding(tokens * length + torch.arange(length, device=tokens.device), every.flatten(0, 1))


class Block(nn.Module):
    """Pre-norm attention and feed-forward, each added to the residual stream."""

    def __init__(
        self, shape: TransformerShape, positions: int, attention_norm: nn.Module, ffn_norm: nn.Module
    ) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = attention_norm, ffn_norm
        self.attention = Attention(shape, positions)
        self.feed_forward = FeedForward(shape, self.attention.key_angle if shape.shared_angle else None)
        self.dropout = nn.Dropout(shape.dropout)

    def inputs(self, x: Tensor, wanted: int) -> BlockInputs:
        """Return the block's inputs from the stream, (B, T, d), for the last ``wanted`` positions."""
        return BlockInputs(x[:, -wanted:], *self.attention.project(self.attention_norm(x), wanted))

    def forward(self, inputs: BlockInputs) -> Tensor:
        """Map (B, T, d), as :meth:`inputs` prepares it, to (B, wanted, d)."""
        x: Tensor = inputs.x + self.dropout(self.attention.attend(inputs.query, inputs.key, inputs.value))
        added: Tensor = self.dropout(self.feed_forward(self.ffn_norm(x)))
        return x + added
