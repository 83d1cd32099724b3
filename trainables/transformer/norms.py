"""The norms of the residual stream and of queries and keys, with gains of their own, shared ones or none."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.transformer.shape import TransformerShape

NORM_EPS = 1e-6


class ScalarRMSNorm(nn.Module):
    """RMSNorm with one gain for all features: (..., width) to (..., width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised features."""
        return self.weight * F.rms_norm(x, (self.width,), eps=NORM_EPS)


class NormSupply:
    """Creates the norms of one model, with gains shared as its shape says."""

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


def query_and_key_norms(shape: TransformerShape) -> tuple[nn.Module | None, nn.Module | None]:
    """Return the norms of one block's queries and keys, which may be one module; None without norms."""
    if shape.qk_norm == "none":
        return None, None
    query = _rms_norm(shape.width_of_head, shape.qk_gain)
    return query, _rms_norm(shape.width_of_head, shape.qk_gain) if shape.qk_norm == "separate" else query


def vectors_of(norm: nn.Module) -> list[Tensor]:
    """Return what a norm multiplies features with, and adds to them, as vectors of shape (width,).

    That is a gain and a bias for LayerNorm, a gain for RMSNorm, and nothing where there is no norm.
    """
    if isinstance(norm, ScalarRMSNorm):
        return [norm.weight.expand(norm.width)]
    if isinstance(norm, nn.RMSNorm) and not norm.elementwise_affine:
        return [torch.ones(norm.normalized_shape)]
    return list(norm.parameters())


def _norm(shape: TransformerShape) -> nn.Module:
    if shape.norm == "layernorm":
        return nn.LayerNorm(shape.d_model, eps=NORM_EPS)
    return _rms_norm(shape.d_model, shape.norm_gain) if shape.norm == "rmsnorm" else nn.Identity()


def _rms_norm(width: int, gain: str) -> nn.Module:
    if gain == "scalar":
        return ScalarRMSNorm(width)
    return nn.RMSNorm(width, eps=NORM_EPS, elementwise_affine=gain == "vector")
