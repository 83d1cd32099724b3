"""The code of attention and the feed-forward layer: only the parts of a shape, in order of computation.

The modules written here compute the same as :mod:`trainables.transformer.attention` and
:mod:`trainables.transformer.feed_forward`, with every choice already made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from trainables.addition.adderboard.norms import add_query_and_key_norms
from trainables.addition.adderboard.parts import Matrix, Part
from trainables.transformer.shape import TransformerShape

_DERIVED_KEYS = {
    "scaled_query": "k = self.key_scale * q  # keys are the queries scaled",
    "rotated_query": "k = turn(q, self.key_angle.expand({pairs}))  # keys are the queries turned",
    "query": "k = q  # keys are the queries",
}
_NUMBERS_OF_KEYS = {"scaled_query": "key_scale", "rotated_query": "key_angle"}
_DERIVED_VALUES = {"key": "v = k  # values are the keys", "query": "v = q  # values are the queries"}
_DERIVED_GATES = {
    "scaled_up": "gate = self.gate_scale * up  # the gate is the up projection scaled",
    "scaled_units": "gate = self.gate_scale * up  # the gate is the up projection, each unit scaled",
    "up": "gate = up  # the gate is the up projection",
}
_INNER = {
    "gelu": 'inner = F.gelu(up, approximate="tanh")',
    "relu": "inner = F.relu(up)",
    "squared_relu": "inner = F.relu(up).square()",
    "swiglu": "inner = F.silu(gate) * up",
}


class _AttentionMatrices(NamedTuple):
    """The matrices of attention; None for those that are derived."""

    query: Matrix
    key: Matrix | None
    value: Matrix | None
    output: Matrix | None


def attention(shape: TransformerShape) -> Part:
    """Return the code of self-attention."""
    part, own = Part(), _attention_matrices(shape)
    _add_matrices(part, own)
    if shape.key_projection in _NUMBERS_OF_KEYS:
        name = _NUMBERS_OF_KEYS[shape.key_projection]
        part.parameter(name, source=name)
    normalised = add_query_and_key_norms(part, shape)
    part.forward += [*_queries_keys_values(shape, own, normalised), *_reading(shape, own)]
    return part


def feed_forward(shape: TransformerShape) -> Part:
    """Return the code of the feed-forward layer."""
    part = Part()
    d, f, rank = shape.d_model, shape.d_ff, shape.ffn_rank
    is_gated, biases = shape.activation == "swiglu", shape.ffn_bias
    up = _matrix("up", f, d, rank)
    gate = _matrix("gate", f, d, rank) if is_gated and shape.gate_projection == "full" else None
    down = _matrix("down", d, f, rank) if shape.down_projection == "full" else None
    _add_matrices(part, (up, gate, down))
    if shape.gate_projection in ("scaled_up", "scaled_units"):
        part.parameter("gate_scale", *[f] * (shape.gate_projection == "scaled_units"), source="gate_scale")
    if shape.rotates_down and not shape.shared_angle:
        part.parameter("down_angle", source="down_angle")
    if biases:
        part.parameter("up_bias", f, source="up_bias")
        if gate is not None:
            part.parameter("gate_bias", f, source="gate_bias")
        part.parameter("down_bias", d, source="down_bias")

    part.forward.append(f"up = F.linear(x, {up.value}{', self.up_bias' * biases})  # (B, T, {f})")
    if gate is not None:
        part.forward.append(f"gate = F.linear(x, {gate.value}{', self.gate_bias' * biases})")
    elif is_gated:
        part.forward.append(_DERIVED_GATES[shape.gate_projection])
    part.forward.append(_INNER[shape.activation])
    if down is not None:
        part.forward.append(f"return F.linear(inner, {down.value}{', self.down_bias' * biases})")
    else:
        part.forward += _derived_down(shape, up, gate)
    return part


def _derived_down(shape: TransformerShape, up: Matrix, gate: Matrix | None) -> list[str]:
    """Return the down projection of the units, ``inner``, by the matrix of the up projection or the gate."""
    bias = ", self.down_bias" * shape.ffn_bias
    angle = "angle" if shape.shared_angle else "self.down_angle"
    if shape.down_projection == "up_transposed":
        return [f"return F.linear(inner, {up.transposed}{bias})  # up transposed"]
    if shape.down_projection == "rotated_up":
        turned = f"turn(down, {angle}.expand({shape.d_model // 2}))"
        return [
            f"down = F.linear(inner, {up.transposed})  # up transposed",
            f"return {turned}{' + self.down_bias' * shape.ffn_bias}  # and turned",
        ]
    if shape.down_projection == "rotated_units":
        turned = f"turn({up.transposed}, {angle}.expand({shape.d_ff // 2}))"
        return [f"down = {turned}  # up transposed and turned", f"return F.linear(inner, down{bias})"]
    transposed = f"self.gate_scale * {up.transposed}" if gate is None else gate.transposed
    return [f"down = {transposed}  # the gate transposed", f"return F.linear(inner, down{bias})"]


def _queries_keys_values(
    shape: TransformerShape, own: _AttentionMatrices, normalised: str | None
) -> list[str]:
    """Return the computation of queries, keys and values from the features, norms and rotation included."""

    def projected(matrix: Matrix) -> str:
        product = f"F.linear(x, {matrix.value})"
        return product if shape.n_heads == 1 else f"split({product})"

    lines = [f"q = {projected(own.query)}  # {_of_heads(shape, 'T', str(shape.width_of_head))}"]
    if own.key is not None:
        lines.append(f"k = {projected(own.key)}")
    else:
        lines.append(_DERIVED_KEYS[shape.key_projection].format(pairs=shape.width_of_head // 2))
    lines.append(
        f"v = {projected(own.value)}" if own.value is not None else _DERIVED_VALUES[shape.value_projection]
    )
    if normalised is not None:
        lines.append(normalised)
    if shape.position == "rotary":
        lines.append("q, k = rotary(q), rotary(k)")
    return lines


def _reading(shape: TransformerShape, own: _AttentionMatrices) -> list[str]:
    """Return the weighted sum of values of each token and those before it."""
    joined = "weights @ v" if shape.n_heads == 1 else "(weights @ v).transpose(1, 2).flatten(2)"
    if own.output is not None:
        output = f"F.linear(read, {own.output.value})"
    elif shape.output_projection == "query_transposed":
        output = f"F.linear(read, {own.query.transposed})  # queries transposed"
    else:
        assert own.value is not None
        output = f"F.linear(read, {own.value.transposed})  # values transposed"
    return [
        f"scores = q @ k.transpose(-1, -2) * {shape.width_of_head}**-0.5  # {_of_heads(shape, 'T', 'T')}",
        "later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)  # later tokens are masked",
        'weights = scores.masked_fill(later, float("-inf")).softmax(-1)',
        f"read = {joined}  # (B, T, {shape.attention_width})",
        f"return {output}",
    ]


def _of_heads(shape: TransformerShape, *inner: str) -> str:
    """Return the shape of a tensor with features per head."""
    heads = [] if shape.n_heads == 1 else [str(shape.n_heads)]
    return f"({', '.join(['B', *heads, *inner])})"


def _attention_matrices(shape: TransformerShape) -> _AttentionMatrices:
    d, width, rank = shape.d_model, shape.attention_width, shape.qkv_rank
    own_key, own_value = shape.key_projection == "full", shape.value_projection == "full"
    shared = "shared_right" if shape.qkv_shared_factor and (own_key or own_value) else None
    own_output = shape.output_projection == "full"

    def inward(name: str) -> Matrix:
        entries = shape.triangular_entries if shape.is_triangular(name) else None
        return replace(_matrix(name, width, d, rank, shared), entries=entries)

    return _AttentionMatrices(
        query=inward("query"),
        key=inward("key") if own_key else None,
        value=inward("value") if own_value else None,
        output=_matrix("output", d, width, shape.output_rank) if own_output else None,
    )


def _matrix(name: str, rows: int, columns: int, rank: int | None, shared: str | None = None) -> Matrix:
    return Matrix(
        name=name,
        rows=rows,
        columns=columns,
        rank=rank,
        source=f"{name}.weight",
        right_source=f"{name}.first",
        shared_right=shared,
    )


def _add_matrices(part: Part, matrices: tuple[Matrix | None, ...]) -> None:
    for matrix in matrices:
        if matrix is not None:
            part.matrix(matrix)
