"""The shape of the decoder-only transformer and its exact parameter count, without torch.

The count is family G of the adder records:
``V*d + T*d + L*(2n + 4*d*d + 2*d*f + bias*(f + d)) + n_final + untied*V*d``, with V the
vocabulary, T the positions, d the width, f the feed-forward width, L the layers and n the
parameters of one norm (2d for LayerNorm, d for RMSNorm).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator


class TransformerShape(BaseModel):
    """Everything that decides how many parameters the transformer has and how they are used."""

    n_layers: int = Field(1, ge=1, description="Transformer blocks.")
    n_heads: int = Field(1, ge=1, description="Attention heads; must divide `d_model`.")
    d_model: int = Field(16, ge=2, description="Width of the residual stream.")
    d_ff: int = Field(32, ge=1, description="Width of the feed-forward layer.")
    ffn_bias: bool = Field(False, description="Biases in the two feed-forward matrices.")
    tied_embeddings: bool = Field(True, description="The output head is the transposed token embedding.")
    final_norm: bool = Field(True, description="A norm between the last block and the head.")
    norm: Literal["layernorm", "rmsnorm"] = Field("layernorm", description="Kind of every norm.")
    position: Literal["learned", "sinusoidal"] = Field(
        "learned", description="A learned table of positions, or fixed sinusoids without parameters."
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.d_model % self.n_heads:
            raise ValueError(
                f"n_heads must divide d_model, but got (d_model={self.d_model}, n_heads={self.n_heads})"
            )
        return self


def count_parameters(shape: TransformerShape, *, vocabulary: int, positions: int) -> dict[str, int]:
    """Return the number of unique parameters by component; components without any are left out.

    Args:
        shape: the transformer's shape.
        vocabulary: number of different tokens.
        positions: rows of a learned table of positions.
    """
    d, f, layers = shape.d_model, shape.d_ff, shape.n_layers
    norm = 2 * d if shape.norm == "layernorm" else d
    table = {
        "token embedding": vocabulary * d,
        "position embedding": positions * d if shape.position == "learned" else 0,
        "attention norms": layers * norm,
        "attention": layers * 4 * d * d,
        "feed-forward norms": layers * norm,
        "feed-forward": layers * (2 * d * f + (f + d if shape.ffn_bias else 0)),
        "final norm": norm if shape.final_norm else 0,
        "output head": 0 if shape.tied_embeddings else vocabulary * d,
    }
    return {component: count for component, count in table.items() if count}
