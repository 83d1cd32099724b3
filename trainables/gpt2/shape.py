"""The architecture of a GPT-2, and its exact size, without torch."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from trainables.config import STRICT

GATE_WIDTH = 12
"""Number of first features of a token that gates read."""

VALUE_TABLES = 3
"""Value embeddings of the published run."""

LOGITS_AT_A_TIME = 2**26
"""Logits in memory at a time: 256 MiB in float32, several times that with temporaries."""

Layers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]


class GPT2Shape(BaseModel):
    """The architecture. The defaults are plain GPT-2, and every switch changes one part of it."""

    model_config = STRICT

    vocabulary: int = Field(
        256, ge=2, le=2**16, description="Rows of the token embedding: at least the tokens of the data."
    )
    context: int = Field(64, ge=2, description="Tokens of a sequence.")
    n_layers: int = Field(4, ge=1, le=10_000, description="Blocks.")
    d_model: int = Field(128, ge=2, description="Width of the residual stream.")
    n_heads: int = Field(4, ge=1, description="Attention heads of a block; they divide the width equally.")
    d_ff: int = Field(512, ge=1, description="Width of the feed-forward layers.")
    position: Literal["learned", "rotary", "half_rotary"] = Field(
        "learned",
        description="A learned table; or rotary positions in all features of a head, or in half of them.",
    )
    norm: Literal["layernorm", "rms"] = Field(
        "layernorm", description="LayerNorm with learned scales, or RMSNorm without parameters."
    )
    embedding_norm: bool = Field(False, description="A norm on the embedding, before the first block.")
    activation: Literal["gelu", "relu", "squared_relu"] = Field(
        "gelu", description="Of the feed-forward layers."
    )
    bias: bool = Field(True, description="Biases in all linear layers and norms of the blocks.")
    qk_norm: bool = Field(False, description="RMSNorm, without parameters, on queries and keys.")
    attention_scale: float | None = Field(
        None,
        gt=0,
        description="Factor of the attention's products; by default 1 / sqrt(width of a head).",
    )
    attention_gates: bool = Field(
        False, description="Each head's output times a gate between 0 and 1, read from its token."
    )
    logit_cap: float = Field(
        0.0, ge=0, description="Bounds the logits smoothly: cap * tanh(logits / cap); 0 is off."
    )
    tied_head: bool = Field(True, description="The head shares the token embedding's table.")
    parallel_blocks: bool = Field(
        False,
        description="Attention and feed-forward layer read the same input, instead of in sequence.",
    )
    zero_init: bool = Field(
        False, description="Projections into the residual stream, and an untied head, start at zero."
    )
    initialisation: Literal["gpt2", "fan_in"] = Field(
        "gpt2",
        description="Normal with std 0.02, less where blocks write into the stream; or uniform by "
        "the number of inputs, with embeddings of unit size, as in the published run.",
    )
    embedding_mixing: bool = Field(
        False, description="Each block first mixes the stream with the embedding, by two learned weights."
    )
    unet_skips: bool = Field(
        False, description="Outputs of the first half's blocks are added before those of the second half."
    )
    value_embeddings: Literal["none", "published", "corrected"] = Field(
        "none",
        description="Embedding tables mixed into the values of attention: none; three, all layers using the "
        "first, as published; or one for each of the first and last layers.",
    )
    smear_gate: Literal["none", "published", "corrected"] = Field(
        "none",
        description="Adds a gated share of the previous token's embedding: none; with a gate that is never "
        "trained, as published; or trained.",
    )
    backout: bool = Field(
        False,
        description="Subtracts a learned share of the stream after two thirds of the blocks at the end.",
    )
    without_attention: Layers = Field((), description="Blocks without attention, counted from 0.")
    without_mlp: Layers = Field((), description="Blocks without a feed-forward layer, counted from 0.")

    @property
    def head_width(self) -> int:
        """Features of one head."""
        return self.d_model // self.n_heads

    @property
    def gate_width(self) -> int:
        """Features that a gate reads."""
        return min(GATE_WIDTH, self.d_model)

    @property
    def attention_layers(self) -> list[int]:
        """The blocks that have attention."""
        return [layer for layer in range(self.n_layers) if layer not in self.without_attention]

    @property
    def backout_layer(self) -> int:
        """The block after which backout reads the stream."""
        return 2 * self.n_layers // 3

    @property
    def value_table_of(self) -> dict[int, int]:
        """The value table of each block that uses one."""
        if self.value_embeddings == "published":
            return dict.fromkeys(self.attention_layers, 0)
        if self.value_embeddings == "none":
            return {}
        tables = min(VALUE_TABLES, self.n_layers // 2)
        first = {layer: layer for layer in range(tables)}
        last = {self.n_layers - tables + table: table for table in range(tables)}
        attending = self.attention_layers
        used = {layer: table for layer, table in (first | last).items() if layer in attending}
        # Numbered without gaps, so that no table is unused.
        number = {table: index for index, table in enumerate(sorted(set(used.values())))}
        return {layer: number[table] for layer, table in used.items()}

    @property
    def value_tables(self) -> int:
        """Number of value tables; of the published three, two are unused."""
        if self.value_embeddings == "published":
            return VALUE_TABLES
        return len(set(self.value_table_of.values()))

    def parameter_table(self) -> dict[str, int]:
        """Return the exact number of unique parameters by component; empty components are left out."""
        d, layers, heads = self.d_model, self.n_layers, self.n_heads
        attention, mlp = len(self.attention_layers), layers - len(self.without_mlp)
        norm = (d + self.bias * d) if self.norm == "layernorm" else 0
        if self.parallel_blocks:
            norms = sum(
                layer in self.attention_layers or layer not in self.without_mlp for layer in range(layers)
            )
        else:
            norms = attention + mlp
        bias = int(self.bias)
        table = {
            "token embedding": self.vocabulary * d,
            "position embedding": self.context * d if self.position == "learned" else 0,
            "value embeddings": self.value_tables * self.vocabulary * d,
            "attention": attention * (4 * d * d + bias * 4 * d),
            "feed-forward": mlp * (2 * d * self.d_ff + bias * (d + self.d_ff)),
            "norms": norms * norm + norm + self.embedding_norm * norm,
            "attention gates": self.attention_gates * attention * heads * self.gate_width,
            "mixing weights": self.embedding_mixing * 2 * layers
            + self.unet_skips * (layers // 2)
            + len(self.value_table_of)
            + int(self.backout),
            "smear gate": 0 if self.smear_gate == "none" else self.gate_width + 1,
            "output head": 0 if self.tied_head else self.vocabulary * d,
        }
        return {component: count for component, count in table.items() if count}

    @property
    def active_parameters(self) -> int:
        """Parameters in matrix products."""
        d = self.d_model
        gates = self.attention_gates * self.n_heads * self.gate_width
        return (
            len(self.attention_layers) * (4 * d * d + gates)
            + (self.n_layers - len(self.without_mlp)) * 2 * d * self.d_ff
            + self.vocabulary * d
        )

    @property
    def block_matrices(self) -> int:
        """Parameters in matrices of the blocks, which optimizer muon trains by Muon."""
        return self.active_parameters - self.vocabulary * self.d_model

    @property
    def kept_per_token(self) -> int:
        """Numbers of a token that a forward pass keeps for the backward pass, those of the logits left out.

        A matrix product keeps its input, a norm its input, attention its inputs, its output and a number for
        each head, and an activation its input.
        """
        d = self.d_model
        attention = 5 * d + self.n_heads  # input, queries, keys, values, output
        # Queries and keys that are turned or normalised are kept as they were too.
        attention += 3 * d * (self.position != "learned" or self.qk_norm) + d * self.attention_gates
        mlp = 2 * self.d_ff + (0 if self.parallel_blocks else d)
        norms = d if self.parallel_blocks else 2 * d
        mixing = d * (self.embedding_mixing + bool(self.value_table_of))
        attending, feeding = len(self.attention_layers), self.n_layers - len(self.without_mlp)
        return attending * attention + feeding * mlp + self.n_layers * (norms + mixing) + 2 * d

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        if self.d_model % self.n_heads:
            raise ValueError(
                f"n_heads must divide d_model, but got (d_model={self.d_model}, n_heads={self.n_heads})"
            )
        turned = {"learned": 1, "rotary": 2, "half_rotary": 4}[self.position]
        if self.head_width % turned:
            raise ValueError(
                f"position {self.position} needs heads of a width that {turned} divides, but got "
                f"{self.head_width} (d_model={self.d_model}, n_heads={self.n_heads})"
            )
        return self

    @model_validator(mode="after")
    def _layers_exist(self) -> Self:
        for name in ("without_attention", "without_mlp"):
            layers: tuple[int, ...] = getattr(self, name)
            if any(layer >= self.n_layers for layer in layers) or len(set(layers)) < len(layers):
                raise ValueError(
                    f"{name} must name different blocks below n_layers={self.n_layers}, but got "
                    f"{list(layers)}"
                )
        if not self.attention_layers:
            raise ValueError(
                "at least one block must have attention, but got "
                f"without_attention={list(self.without_attention)}"
            )
        return self

    @model_validator(mode="after")
    def _deep_enough(self) -> Self:
        for name, is_on, least in (
            ("unet_skips", self.unet_skips, 2),
            ("value_embeddings corrected", self.value_embeddings == "corrected", 2),
            # With fewer blocks, the stream after two thirds of them is that at the end.
            ("backout", self.backout, 4),
        ):
            if is_on and self.n_layers < least:
                raise ValueError(f"{name} needs n_layers of {least} or more, but got {self.n_layers}")
        if self.value_embeddings == "corrected" and not self.value_table_of:
            raise ValueError(
                "value_embeddings corrected needs attention in one of the first or last blocks, but got "
                f"without_attention={list(self.without_attention)}"
            )
        return self


SIZE_FIELDS = frozenset(GPT2Shape.model_fields)
"""Fields that the parameter count, or a shape's validity, depends on."""
