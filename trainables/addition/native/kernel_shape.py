"""From a configuration to the constants that its kernel is compiled with."""

from __future__ import annotations

from trainables.addition.config import AdditionConfig

ACTIVATIONS = {"gelu": "Gelu", "relu": "Relu", "squared_relu": "SquaredRelu", "swiglu": "Silu"}
"""The kernel's activation, a struct in ``kernel/activation.hpp``; with swiglu that of the gate."""


def shape_header(config: AdditionConfig) -> str:
    """Return the text of ``shape.hpp`` for a configuration: equal shapes give equal texts."""
    layout = config.layout
    sizes = {
        "vocabulary": layout.vocabulary,
        "length": layout.input_length,
        "answers": layout.answer_length,
        "d_model": config.d_model,
        "layers": config.n_layers,
        "heads": config.n_heads,
        "head_width": config.width_of_head,
        "d_ff": config.d_ff,
        "turning_pairs": config.turning_features // 2 if config.position == "rotary" else 0,
    }
    has_norm = config.norm != "none"
    parts = {
        "has_final_norm": config.final_norm and has_norm,
        "has_qk_norm": config.qk_norm != "none",
        "is_gated": config.activation == "swiglu",
        "has_ffn_bias": config.ffn_bias,
        "adds_positions": config.position in ("learned", "sinusoidal"),
    }
    return "\n".join(
        [
            "#pragma once",
            '#include "activation.hpp"',
            '#include "norm.hpp"',
            *(f"constexpr int {name} = {size};" for name, size in sizes.items()),
            *(f"constexpr bool {name} = {str(value).lower()};" for name, value in parts.items()),
            f"constexpr NormKind norm_kind = NormKind::{config.norm};",
            f"using Activation = {ACTIVATIONS[config.activation]};",
            "",
        ]
    )
