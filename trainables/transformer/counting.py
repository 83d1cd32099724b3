"""The exact parameter count of a transformer's shape: sums of products, nothing is allocated.

The families of the published adder records are special cases. With V the vocabulary, T the positions,
d the width, f the feed-forward width, L the layers, n the parameters of one norm and r a rank:

- full matrices: ``V*d + T*d + L*(2n + 4*d*d + 2*d*f + bias*(f + d)) + n_final + untied*V*d``;
- low rank: ``V*d + r_pos*(T + d) + 3n + 4*r*d + 2*r_o*d + 2*r_f*(d + f)``;
- rotary, keys, values, output, gate and down projection derived: the embedding, the queries, and one number
  or none for each derived part.
"""

from __future__ import annotations

from trainables.transformer.shape import TransformerShape


def count_parameters(shape: TransformerShape, *, vocabulary: int, positions: int) -> dict[str, int]:
    """Return the number of unique parameters by component; components without any are left out.

    Args:
        shape: the transformer's shape.
        vocabulary: number of different tokens.
        positions: rows of a learned table of positions.
    """
    d, layers = shape.d_model, shape.n_layers
    norm = {"layernorm": 2 * d, "rmsnorm": _gains(shape.norm_gain, d), "none": 0}[shape.norm]
    qk_norms = {"none": 0, "separate": 2}.get(shape.qk_norm, 1)
    norms_of_blocks = {"none": 2 * layers, "block": layers, "all": 1}[shape.norm_sharing]
    learned = shape.position == "learned"
    table = {
        "token embedding": len(shape.trained_of_arc) if shape.embedding == "arc" else vocabulary * d,
        "position embedding": _matrix(positions, d, shape.position_rank) if learned else 0,
        "attention": layers * _attention(shape),
        "query and key norms": layers * qk_norms * _gains(shape.qk_gain, shape.width_of_head),
        "feed-forward": layers * _feed_forward(shape),
        "block norms": norms_of_blocks * norm,
        "final norm": norm if shape.final_norm and shape.norm_sharing != "all" else 0,
        "output head": 0 if shape.tied_embeddings else vocabulary * d,
    }
    return {component: count for component, count in table.items() if count}


def _gains(gain: str, width: int) -> int:
    return {"vector": width, "scalar": 1, "none": 0}[gain]


def _attention(shape: TransformerShape) -> int:
    d, width, rank = shape.d_model, shape.attention_width, shape.qkv_rank
    own = ["query"]
    own += [name for name in ("key", "value") if getattr(shape, f"{name}_projection") == "full"]
    if shape.qkv_shared_factor:
        assert rank is not None
        inward = rank * d + len(own) * rank * width
    else:
        whole = _matrix(width, d, rank)
        inward = sum(shape.triangular_entries if shape.is_triangular(name) else whole for name in own)
    key = {"full": 0, "scaled_query": 1, "rotated_query": 1, "query": 0}[shape.key_projection]
    outward = _matrix(d, width, shape.output_rank) if shape.output_projection == "full" else 0
    return inward + key + outward


def _feed_forward(shape: TransformerShape) -> int:
    d, f = shape.d_model, shape.d_ff
    matrix = _matrix(f, d, shape.ffn_rank)
    own_gate = shape.activation == "swiglu" and shape.gate_projection == "full"
    own = 1 + own_gate + (shape.down_projection == "full")
    scales = {"full": 0, "scaled_up": 1, "scaled_units": f, "up": 0}[shape.gate_projection]
    angle = shape.rotates_down and not shape.shared_angle
    biases = f + d + own_gate * f if shape.ffn_bias else 0
    return own * matrix + scales + angle + biases


def _matrix(rows: int, columns: int, rank: int | None) -> int:
    return rows * columns if rank is None else rank * (rows + columns)
