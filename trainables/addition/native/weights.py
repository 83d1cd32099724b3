"""What the kernel computes with: every matrix and vector of a model, derived ones included, in order.

Low ranks, ties and derived projections stay in PyTorch: the kernel sees full matrices, and autograd
propagates its gradients from there to the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from trainables.transformer.model import Block, Transformer
from trainables.transformer.norms import vectors_of


def weights_of(model: Transformer, length: int) -> list[Tensor]:
    """Return the kernel's inputs in the order of ``kernel/parameters.hpp``, without missing parts.

    Args:
        model: the model.
        length: tokens that it reads.
    """
    return list(_weights(model, length))


def _weights(model: Transformer, length: int) -> Iterator[Tensor]:
    table = model.embedding()
    yield table
    if model.positions is not None:
        yield model.positions()[:length]
    blocks = [cast("Block", block) for block in model.blocks]
    if blocks[0].attention.turns:
        yield blocks[0].attention.get_buffer("cos")[:length]
        yield blocks[0].attention.get_buffer("sin")[:length]
    for block in blocks:
        yield from _of_block(block)
    yield from vectors_of(model.final_norm)
    yield table if model.head is None else model.head


def _of_block(block: Block) -> Iterator[Tensor]:
    attention = block.attention
    yield from vectors_of(block.attention_norm)
    yield from attention.input_matrices()
    for norm in (attention.query_norm, attention.key_norm):
        if norm is not None:
            yield from vectors_of(norm)
    yield attention.output_matrix()
    yield from vectors_of(block.ffn_norm)
    yield from (part for part in block.feed_forward.matrices() if part is not None)


def flattened(weights: list[Tensor], out: Tensor) -> None:
    """Copy the weights one after the other into ``out``, of as many numbers, without a gradient."""
    torch.cat([weight.detach().reshape(-1) for weight in weights], out=out)
