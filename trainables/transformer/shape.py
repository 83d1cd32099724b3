"""The shape of the decoder-only transformer: every choice, and the valid combinations."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

ARC = ("amplitude", "start", "stride")
"""The numbers of an arc of tokens."""


class TransformerShape(BaseModel):
    """Everything that determines the transformer's parameters and their use.

    A part without its own parameters is derived from another one: keys from queries, values from
    keys, and so on. Ranks are None for full matrices.
    """

    n_layers: int = Field(1, ge=1, le=10_000, description="Transformer blocks.")
    d_model: int = Field(16, ge=2, description="Width of the residual stream.")

    embedding: Literal["table", "arc"] = Field(
        "table",
        description="A learned vector per token, or tokens at equal distances on an arc of a circle in the "
        "first two features: amplitude, start and stride are its three parameters.",
    )
    arc_fixed: Literal[
        "none", "amplitude", "start", "stride", "amplitude_start", "amplitude_stride", "start_stride"
    ] = Field(
        "none",
        description="Numbers of an arc that are constants instead of parameters: their initial values, "
        "without a seed's variation. At least one of the three is trained.",
    )
    position: Literal["learned", "sinusoidal", "rotary", "none"] = Field(
        "learned",
        description="A learned table added to the tokens, fixed sinusoids without parameters added to them, "
        "queries and keys that turn with their position, or nothing.",
    )
    position_rank: int | None = Field(
        None, ge=1, description="Rank of a learned table of positions, stored as two factors."
    )
    rope_theta: float = Field(
        10_000.0,
        gt=1,
        description="Rotary positions: about how much slower the slowest feature pair rotates.",
    )
    rope_period: float | None = Field(
        None,
        ge=2,
        description="Rotary positions: positions in which the fastest feature pair turns once; by default "
        "2 pi, an angle of 1 from one position to the next.",
    )
    rotary_width: int | None = Field(
        None,
        ge=2,
        description="Rotary positions: features of a head that rotate, an even number; by default all, or "
        "all but one where the head's width is odd.",
    )

    norm: Literal["layernorm", "rmsnorm", "none"] = Field("layernorm", description="Kind of every norm.")
    norm_sharing: Literal["none", "block", "all"] = Field(
        "none",
        description="Gains for each norm, for both norms of a block, or for all of the model.",
    )
    norm_gain: Literal["vector", "scalar", "none"] = Field(
        "vector",
        description="Gains of an RMSNorm: a number for each feature, one for all features, or none.",
    )
    final_norm: bool = Field(True, description="A norm between the last block and the head.")
    qk_norm: Literal["none", "separate", "shared", "scalar", "unit"] = Field(
        "none",
        description="RMSNorm of each head's queries and keys: none, with a vector of gains for each of the "
        "two or one for both, with one number for both, or without gains.",
    )

    n_heads: int = Field(1, ge=1, description="Attention heads; must divide `d_model` without `head_width`.")
    head_width: int | None = Field(
        None, ge=1, description="Features of a head; by default `d_model` / `n_heads`."
    )
    key_projection: Literal["full", "scaled_query", "rotated_query", "query"] = Field(
        "full",
        description="Keys by their own matrix, or queries scaled by one number, rotated by one angle, or "
        "unchanged.",
    )
    value_projection: Literal["full", "key", "query"] = Field(
        "full", description="Values by their own matrix, or equal to the keys or the queries."
    )
    output_projection: Literal["full", "query_transposed", "value_transposed"] = Field(
        "full",
        description="Output projection by its own matrix, or by the transposed one of the queries or of the "
        "values.",
    )
    qkv_rank: int | None = Field(
        None, ge=1, description="Rank of the matrices of queries, keys and values, stored as two factors."
    )
    qkv_shared_factor: bool = Field(
        False, description="One shared first factor for queries, keys and values; needs `qkv_rank`."
    )
    output_rank: int | None = Field(
        None, ge=1, description="Rank of the output projection, stored as two factors."
    )
    triangular: Literal["none", "query", "value", "query_value"] = Field(
        "none",
        description="Matrices of queries or values that have, in each head, zeros below the diagonal and "
        "fewer parameters. Every matrix has this form in some basis of a head's features.",
    )

    d_ff: int = Field(32, ge=1, description="Width of the feed-forward layer.")
    activation: Literal["gelu", "relu", "squared_relu", "swiglu"] = Field(
        "gelu",
        description="Of the feed-forward layer; with swiglu a gate, through the SiLU, multiplies the up "
        "projection.",
    )
    ffn_bias: bool = Field(False, description="Biases in the feed-forward matrices.")
    ffn_rank: int | None = Field(
        None, ge=1, description="Rank of the feed-forward matrices, each stored as two factors."
    )
    gate_projection: Literal["full", "scaled_up", "scaled_units", "up"] = Field(
        "full",
        description="The gate of swiglu by its own matrix, or equal to the up projection: scaled by one "
        "number, by one for each unit, or unchanged.",
    )
    down_projection: Literal["full", "up_transposed", "rotated_up", "rotated_units", "gate_transposed"] = (
        Field(
            "full",
            description="The down projection by its own matrix, by the transposed up projection, unchanged, "
            "with its output or with its units rotated by one angle, or by the transposed gate.",
        )
    )
    shared_angle: bool = Field(
        False, description="One angle rotates keys and down projection; needs both to be rotated."
    )

    tied_embeddings: bool = Field(True, description="The output head is the transposed token embedding.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout in training, after each part.")

    init_std: float | None = Field(
        None,
        gt=0,
        description="Standard deviation of the initial entries of every matrix and table, which are normal; "
        "by default 1 / sqrt(inputs) of a matrix, and 1 / sqrt(columns) of a table.",
    )
    arc_init: Annotated[tuple[float, float, float] | None, Field(strict=False)] = Field(
        None,
        description="Initial amplitude, start and stride of an arc, the same for every seed; by default near "
        "half a circle of radius 1.",
    )

    @property
    def width_of_head(self) -> int:
        """Features of one head."""
        return self.head_width or self.d_model // self.n_heads

    @property
    def attention_width(self) -> int:
        """Features of all heads together."""
        return self.n_heads * self.width_of_head

    @property
    def turning_features(self) -> int:
        """Features of a head that rotary positions rotate, an even number."""
        return self.rotary_width or self.width_of_head // 2 * 2

    @property
    def trained_of_arc(self) -> list[str]:
        """The numbers of an arc that are parameters; the others are constants."""
        return [name for name in ARC if name not in self.arc_fixed.split("_")]

    @property
    def qk_gain(self) -> Literal["vector", "scalar", "none"]:
        """Gains of a norm of queries or keys, as ``norm_gain`` names them; where there is such a norm."""
        return "scalar" if self.qk_norm == "scalar" else "none" if self.qk_norm == "unit" else "vector"

    @property
    def triangular_rows(self) -> list[int]:
        """Entries that a triangular matrix stores of each of its rows, head by head."""
        return [self.d_model - zeros for zeros in range(self.width_of_head)] * self.n_heads

    @property
    def triangular_entries(self) -> int:
        """Entries that a triangular matrix stores, of however many rows, without a list of them."""
        width = self.width_of_head
        return self.n_heads * (width * self.d_model - width * (width - 1) // 2)

    def is_triangular(self, name: str) -> bool:
        """Tell whether the matrix of ``query``, ``key`` or ``value`` is triangular."""
        return name in self.triangular.split("_")

    @property
    def rotates_down(self) -> bool:
        """Whether the down projection is the up projection rotated by an angle."""
        return self.down_projection in ("rotated_up", "rotated_units")

    @model_validator(mode="after")
    def _heads(self) -> Self:
        if self.head_width is None and self.d_model % self.n_heads:
            raise ValueError(
                "n_heads must divide d_model, or head_width be given, but got "
                f"(d_model={self.d_model}, n_heads={self.n_heads})"
            )
        if self.key_projection == "rotated_query" and self.width_of_head < 2:
            raise ValueError("key_projection rotated_query needs heads of width 2 or more, but got width 1")
        if self.triangular != "none" and not 2 <= self.width_of_head <= self.d_model:
            raise ValueError(
                f"triangular {self.triangular} needs heads of width 2 to d_model, but got "
                f"(width of a head={self.width_of_head}, d_model={self.d_model})"
            )
        if "value" in self.triangular and self.value_projection != "full":
            _only_default(self, "triangular", needs=f"value_projection full, not {self.value_projection}")
        if self.value_projection != "full" and self.output_projection == "value_transposed":
            raise ValueError(
                "output_projection value_transposed needs value_projection full, but got "
                f"{self.value_projection}"
            )
        return self

    @model_validator(mode="after")
    def _arc(self) -> Self:
        if self.embedding != "arc":
            _only_default(self, "arc_init", "arc_fixed", needs=f"embedding arc, not {self.embedding}")
        if self.arc_init is not None and (self.arc_init[0] == 0 or self.arc_init[2] == 0):
            raise ValueError(
                "arc_init must have an amplitude and a stride other than 0, or all tokens would begin as "
                f"one, but got {list(self.arc_init)}"
            )
        return self

    @model_validator(mode="after")
    def _positions(self) -> Self:
        if self.position != "learned" and self.position_rank is not None:
            raise ValueError(
                f"position_rank needs position learned, but got (position={self.position}, "
                f"position_rank={self.position_rank})"
            )
        if self.position != "rotary":
            rotary = ("rope_theta", "rope_period", "rotary_width")
            _only_default(self, *rotary, needs=f"position rotary, not {self.position}")
            return self
        width, turning = self.width_of_head, self.turning_features
        if width < 2:
            raise ValueError(
                "rotary positions rotate pairs of a head's features, so heads must have width 2 or more, but "
                f"got width {width}"
            )
        if turning % 2 or turning > width:
            raise ValueError(
                f"rotary_width must be even and at most the head's width, but got (rotary_width={turning}, "
                f"width of a head={width})"
            )
        return self

    @model_validator(mode="after")
    def _norms(self) -> Self:
        if self.norm == "none":
            _only_default(self, "norm_sharing", needs="a norm, not norm none")
        if self.norm != "rmsnorm":
            _only_default(self, "norm_gain", needs=f"norm rmsnorm, not {self.norm}")
        if self.norm_gain == "none":
            _only_default(self, "norm_sharing", needs="gains to share, not norm_gain none")
        return self

    @model_validator(mode="after")
    def _feed_forward(self) -> Self:
        if self.activation != "swiglu":
            _only_default(self, "gate_projection", needs=f"activation swiglu, not {self.activation}")
        gate, down = self.gate_projection, self.down_projection
        if self.d_ff < 2 and "units" in (gate.removeprefix("scaled_"), down.removeprefix("rotated_")):
            raise ValueError(
                "scaled_units and rotated_units need d_ff 2 or more, but got "
                f"(gate_projection={gate}, down_projection={down}, d_ff={self.d_ff})"
            )
        if down == "gate_transposed" and (self.activation != "swiglu" or gate == "up"):
            raise ValueError(
                "down_projection gate_transposed needs activation swiglu and a gate other than the up "
                f"projection, but got (activation={self.activation}, gate_projection={gate})"
            )
        if self.key_projection != "rotated_query" or not self.rotates_down:
            _only_default(
                self,
                "shared_angle",
                needs="key_projection rotated_query and a down_projection that is rotated, not "
                f"{self.key_projection} and {down}",
            )
        return self

    @model_validator(mode="after")
    def _ranks(self) -> Self:
        if self.qkv_rank is None:
            _only_default(self, "qkv_shared_factor", needs="qkv_rank")
        if self.qkv_rank is not None:
            _only_default(self, "triangular", needs="full matrices, not a qkv_rank")
        if self.output_projection != "full":
            _only_default(self, "output_rank", needs="output_projection full")
        d = self.d_model
        for name, smaller in (
            ("position_rank", d),
            ("qkv_rank", min(d, self.attention_width)),
            ("output_rank", min(d, self.attention_width)),
            ("ffn_rank", min(d, self.d_ff)),
        ):
            rank = getattr(self, name)
            if rank is not None and rank > smaller:
                raise ValueError(
                    f"{name} must be at most the smaller side of its matrix, {smaller}, but got {rank}"
                )
        return self


def _only_default(shape: BaseModel, *names: str, needs: str) -> None:
    """Refuse values without effect: a search over them would compare equal models."""
    for name in names:
        value = getattr(shape, name)
        if value != type(shape).model_fields[name].default:
            raise ValueError(f"{name} needs {needs}, but got {name}={value}")
