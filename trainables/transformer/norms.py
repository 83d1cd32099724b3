"""The norms of the residual stream, each with its own vector or a shared one."""

from __future__ import annotations

from torch import nn

from trainables.transformer.shape import TransformerShape

NORM_EPS = 1e-6


class NormSupply:
    """Creates the norms of one model, with vectors shared as its shape says."""

    def __init__(self, shape: TransformerShape) -> None:
        self._shape = shape
        self._common = _norm(shape) if shape.norm_sharing == "all" else None

    def for_block(self) -> tuple[nn.Module, nn.Module]:
        """Return the norms before attention and before the feed-forward layer of one more block."""
        if self._common is not None:
            return self._common, self._common
        first = _norm(self._shape)
        return first, first if self._shape.norm_sharing == "block" else _norm(self._shape)

    def final(self) -> nn.Module:
        """Return the norm before the head."""
        if not self._shape.final_norm:
            return nn.Identity()
        return _norm(self._shape) if self._common is None else self._common


def _norm(shape: TransformerShape) -> nn.Module:
    if shape.norm == "layernorm":
        return nn.LayerNorm(shape.d_model, eps=NORM_EPS)
    return nn.RMSNorm(shape.d_model, eps=NORM_EPS) if shape.norm == "rmsnorm" else nn.Identity()
