"""Attention masks: causal, within the document, within a window; the same for both attention functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

Mask = Tensor | BlockMask | None
"""True where a query attends, shape (B or 1, 1, T, T); or FlexAttention's own form; None is causal."""

Attend = Callable[[Tensor, Tensor, Tensor, Mask, float], Tensor]


def documents_of(tokens: Tensor, document_start: int) -> Tensor:
    """Return the number of the document that each token is in, shape (B, T), counted in each sequence."""
    return (tokens == document_start).cumsum(1)


def dense_mask(length: int, documents: Tensor | None, window: Tensor | None, device: torch.device) -> Mask:
    """Return the mask for :func:`attend_dense`; None if it is the causal one.

    Args:
        length: tokens of a sequence, T.
        documents: document numbers, shape (B, T), or None to ignore documents.
        window: tokens that attention reaches back in each sequence, shape (B,), or None without a limit.
        device: of the mask.
    """
    if documents is None and window is None:
        return None
    place = torch.arange(length, device=device)
    distance = place[:, None] - place[None, :]  # (T, T), query minus key
    mask = (distance >= 0)[None]
    if documents is not None:
        mask = mask & (documents[:, :, None] == documents[:, None, :])
    if window is not None:
        mask = mask & (distance < window[:, None, None])
    return mask[:, None]


def block_mask(length: int, documents: Tensor | None, window: Tensor | None, device: torch.device) -> Mask:
    """Return the same mask for :mod:`trainables.gpt2.block_attention`; arguments as of :func:`dense_mask`."""

    def may_look(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        allowed = query >= key
        if documents is not None:
            allowed = allowed & (documents[b, query] == documents[b, key])
        if window is not None:
            allowed = allowed & (query - key < window[b])
        return allowed

    # All heads share the mask. Without documents and window all sequences do too.
    different = documents if documents is not None else window
    sequences = None if different is None else len(different)
    create = _compiled() if device.type == "cuda" else create_block_mask
    return create(may_look, sequences, None, length, length, device=str(device))


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., BlockMask]:
    """Return the compiled function for block masks: uncompiled, it has the whole mask in memory."""
    return cast("Callable[..., BlockMask]", torch.compile(create_block_mask))


def attend_dense(query: Tensor, key: Tensor, value: Tensor, mask: Mask, scale: float) -> Tensor:
    """Attend by scaled dot products, with tensors of shape (B, heads, T, width)."""
    assert mask is None or isinstance(mask, Tensor)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scale
    )
