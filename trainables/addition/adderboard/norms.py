"""The code of norms: modules of torch, and one that torch lacks."""

from __future__ import annotations

from trainables.addition.adderboard.parts import Part
from trainables.transformer.norms import NORM_EPS
from trainables.transformer.shape import TransformerShape


def add_norm(part: Part, shape: TransformerShape, name: str, *, source: str) -> None:
    """Add a norm of the residual stream, if the shape has one."""
    if shape.norm == "layernorm":
        call = f"nn.LayerNorm({shape.d_model}, eps={NORM_EPS})"
        part.module(name, call, {"weight": "weight", "bias": "bias"}, source=source)
    elif shape.norm == "rmsnorm":
        _add_rms_norm(part, name, shape.d_model, shape.norm_gain, source=source)


def add_query_and_key_norms(part: Part, shape: TransformerShape) -> str | None:
    """Add the norms of queries and keys, and return the line that applies them; None without norms."""
    if shape.qk_norm == "none":
        return None
    width, gain = shape.width_of_head, shape.qk_gain
    if shape.qk_norm == "separate":
        for name in ("query_norm", "key_norm"):
            _add_rms_norm(part, name, width, gain, source=name)
        return "q, k = self.query_norm(q), self.key_norm(k)"
    _add_rms_norm(part, "qk_norm", width, gain, source="query_norm")
    return "q, k = self.qk_norm(q), self.qk_norm(k)"


def norm_classes(shape: TransformerShape) -> list[str]:
    """Return the classes of norms that a shape needs and torch lacks."""
    has_scalar = shape.qk_norm == "scalar" or shape.norm_gain == "scalar"
    return [_SCALAR_RMS_NORM.format(eps=NORM_EPS)] if has_scalar else []


def _add_rms_norm(part: Part, name: str, width: int, gain: str, *, source: str) -> None:
    trained = {} if gain == "none" else {"weight": "weight"}
    call = {
        "vector": f"nn.RMSNorm({width}, eps={NORM_EPS})",
        "scalar": "ScalarRMSNorm()",
        "none": f"nn.RMSNorm({width}, eps={NORM_EPS}, elementwise_affine=False)",
    }[gain]
    part.module(name, call, trained, source=source)


_SCALAR_RMS_NORM = '''\
class ScalarRMSNorm(nn.Module):
    """RMSNorm with one gain for all features."""

    def __init__(self):
        super().__init__()
        self.weight = parameter()

    def forward(self, x):
        """Map (..., width) to (..., width)."""
        return self.weight * F.rms_norm(x, x.shape[-1:], eps={eps})'''
