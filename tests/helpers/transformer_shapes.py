"""Drawing shapes of transformers over all of their parts, for tests that hold for every one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from trainables.transformer.shape import TransformerShape

FIXED_OF_ARCS = (
    "none", "amplitude", "start", "stride", "amplitude_start", "amplitude_stride", "start_stride"
)  # fmt: skip


@st.composite
def shapes(draw: st.DrawFn, **given: Any) -> TransformerShape:
    """Draw a shape that is allowed; values that are given stay as they are."""

    def one_of(name: str, *values: Any) -> Any:
        return given[name] if name in given else draw(st.sampled_from(values))

    heads = one_of("n_heads", 1, 2, 3)
    head_width = one_of("head_width", None, 2, 3, 4)
    d = given.get("d_model") or (
        heads * draw(st.integers(2, 4)) if head_width is None else draw(st.integers(2, 9))
    )
    width = head_width or d // heads
    f = one_of("d_ff", 1, 2, 5, 9)
    position = one_of("position", "learned", "sinusoidal", "rotary", "none")
    activation = one_of("activation", "gelu", "relu", "squared_relu", "swiglu")
    norm = one_of("norm", "layernorm", "rmsnorm", "none")
    norm_gain = one_of("norm_gain", "vector", "scalar", "none") if norm == "rmsnorm" else "vector"
    has_gains = norm != "none" and norm_gain != "none"
    embedding = one_of("embedding", "table", "arc")
    key = one_of("key_projection", "full", "scaled_query", "rotated_query", "query")
    # Scaling or rotating the units takes two of them.
    of_units = f > 1
    gates = ["full", "scaled_up", *["scaled_units"] * of_units, "up"]
    gate = one_of("gate_projection", *gates) if activation == "swiglu" else "full"
    has_gate = activation == "swiglu" and gate != "up"
    downs = ["full", "up_transposed", "rotated_up", *["rotated_units"] * of_units]
    down = one_of("down_projection", *downs, *["gate_transposed"] * has_gate)
    both_rotated = key == "rotated_query" and down in ("rotated_up", "rotated_units")
    value = one_of("value_projection", "full", "key", "query")
    of_value = ["value_transposed"] * (value == "full")
    output = one_of("output_projection", "full", "query_transposed", *of_value)
    triangular = ["none", "query", *["value", "query_value"] * (value == "full")]
    small, attention = min(2, d), min(2, d, heads * width)
    qkv_rank = one_of("qkv_rank", None, 1, attention)
    return TransformerShape(
        n_layers=one_of("n_layers", 1, 2, 3),
        d_model=d,
        embedding=embedding,
        arc_fixed=one_of("arc_fixed", *FIXED_OF_ARCS) if embedding == "arc" else "none",
        position=position,
        position_rank=one_of("position_rank", None, small) if position == "learned" else None,
        rope_theta=one_of("rope_theta", 3.0, 10_000.0) if position == "rotary" else 10_000.0,
        rope_period=one_of("rope_period", None, 12.0) if position == "rotary" else None,
        rotary_width=one_of("rotary_width", None, 2) if position == "rotary" else None,
        norm=norm,
        norm_sharing=one_of("norm_sharing", "none", "block", "all") if has_gains else "none",
        norm_gain=norm_gain,
        final_norm=one_of("final_norm", True, False),
        qk_norm=one_of("qk_norm", "none", "separate", "shared", "scalar", "unit"),
        n_heads=heads,
        head_width=head_width,
        key_projection=key,
        value_projection=value,
        output_projection=output,
        qkv_rank=qkv_rank,
        qkv_shared_factor=qkv_rank is not None and one_of("qkv_shared_factor", False, True),
        output_rank=one_of("output_rank", None, attention) if output == "full" else None,
        d_ff=f,
        activation=activation,
        ffn_bias=one_of("ffn_bias", False, True),
        ffn_rank=one_of("ffn_rank", None, 1, min(2, d, f)),
        gate_projection=gate,
        down_projection=down,
        triangular=one_of("triangular", *triangular) if qkv_rank is None and 2 <= width <= d else "none",
        shared_angle=both_rotated and one_of("shared_angle", False, True),
        tied_embeddings=one_of("tied_embeddings", True, False),
        dropout=given.get("dropout", 0.0),
    )
