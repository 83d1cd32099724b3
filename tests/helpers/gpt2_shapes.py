"""Shapes of GPT-2 for several tests: the published one, every switch by itself, and random ones."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from trainables.gpt2.shape import GPT2Shape

PUBLISHED_SWITCHES: dict[str, Any] = {
    "position": "rotary",
    "norm": "rms",
    "embedding_norm": True,
    "activation": "squared_relu",
    "bias": False,
    "qk_norm": True,
    "attention_scale": 0.1,
    "attention_gates": True,
    "logit_cap": 30.0,
    "tied_head": False,
    "zero_init": True,
    "initialisation": "fan_in",
    "embedding_mixing": True,
    "unet_skips": True,
    "backout": True,
    "value_embeddings": "published",
    "smear_gate": "published",
}
"""What the published run has beside plain GPT-2, but for its size and the layers it leaves out."""

CORRECTED_SWITCHES = PUBLISHED_SWITCHES | {"value_embeddings": "corrected", "smear_gate": "corrected"}

PUBLISHED: dict[str, Any] = {
    **PUBLISHED_SWITCHES,
    "vocabulary": 50_304,
    "context": 1024,
    "n_layers": 12,
    "d_model": 768,
    "n_heads": 6,
    "d_ff": 3072,
    "without_attention": (0, 7),
    "without_mlp": (0,),
}
CORRECTED = PUBLISHED | {"value_embeddings": "corrected", "smear_gate": "corrected"}

OTHERS: dict[str, list[Any]] = {
    "vocabulary": [12],
    "context": [5],
    "n_layers": [5, 6],
    "d_model": [8],
    "n_heads": [1],
    "d_ff": [3],
    "position": ["rotary", "half_rotary"],
    "norm": ["rms"],
    "embedding_norm": [True],
    "activation": ["relu", "squared_relu"],
    "bias": [False],
    "qk_norm": [True],
    "attention_scale": [0.3],
    "attention_gates": [True],
    "logit_cap": [2.0],
    "tied_head": [False],
    "parallel_blocks": [True],
    "zero_init": [True],
    "initialisation": ["fan_in"],
    "embedding_mixing": [True],
    "unet_skips": [True],
    "value_embeddings": ["published", "corrected"],
    "smear_gate": ["published", "corrected"],
    "backout": [True],
    "without_attention": [(0,), (1, 3)],
    "without_mlp": [(2,), (0, 3)],
}
"""For each field of a shape, values that differ from those of :func:`small`."""

ONE_SWITCH = [{name: value} for name, values in OTHERS.items() for value in values]
"""Each field changed by itself."""

COMBINATIONS: list[dict[str, Any]] = [
    PUBLISHED_SWITCHES,
    CORRECTED_SWITCHES,
    {**PUBLISHED_SWITCHES, "n_layers": 6, "without_attention": (0, 3), "without_mlp": (0,)},
    {**CORRECTED_SWITCHES, "n_layers": 6, "without_attention": (0, 3), "without_mlp": (0,)},
    {**CORRECTED_SWITCHES, "parallel_blocks": True, "without_attention": (1,), "without_mlp": (2,)},
    {"embedding_norm": True, "bias": False},
    {"unet_skips": True, "n_layers": 5, "embedding_mixing": True},
    {"tied_head": False, "zero_init": True, "logit_cap": 3.0},
    {"value_embeddings": "corrected", "n_layers": 7, "without_attention": (0, 6)},
    {"value_embeddings": "corrected", "n_layers": 2},
]
"""Fields that meet each other."""


def small(**changed: Any) -> GPT2Shape:
    """Return plain GPT-2 at a size for tests, with some fields changed."""
    size = {"vocabulary": 11, "context": 7, "n_layers": 4, "d_model": 16, "n_heads": 2, "d_ff": 10}
    return GPT2Shape(**{**size, **changed})


@st.composite
def shapes(draw: st.DrawFn) -> GPT2Shape:
    """Draw a shape that is allowed, over all fields."""

    def one_of(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    layers = one_of(1, 2, 3, 4, 5, 6, 7)
    heads = one_of(1, 2, 3)
    numbers = st.sets(st.integers(0, layers - 1))
    idle = draw(numbers.filter(lambda found: len(found) < layers))
    ends = min(3, layers // 2)
    has_value_stream = any(layer < ends or layer >= layers - ends for layer in set(range(layers)) - idle)
    return GPT2Shape(
        vocabulary=one_of(5, 11),
        context=one_of(6, 9),
        n_layers=layers,
        d_model=heads * one_of(4, 8),
        n_heads=heads,
        d_ff=one_of(1, 6),
        position=one_of("learned", "rotary", "half_rotary"),
        norm=one_of("layernorm", "rms"),
        embedding_norm=one_of(False, True),
        activation=one_of("gelu", "relu", "squared_relu"),
        bias=one_of(False, True),
        qk_norm=one_of(False, True),
        attention_scale=one_of(None, 0.3),
        attention_gates=one_of(False, True),
        logit_cap=one_of(0.0, 3.0),
        tied_head=one_of(False, True),
        parallel_blocks=one_of(False, True),
        zero_init=one_of(False, True),
        initialisation=one_of("gpt2", "fan_in"),
        embedding_mixing=one_of(False, True),
        unet_skips=layers > 1 and one_of(False, True),
        value_embeddings=one_of("none", "published", *(["corrected"] if has_value_stream else [])),
        smear_gate=one_of("none", "published", "corrected"),
        backout=layers > 3 and one_of(False, True),
        without_attention=tuple(sorted(idle)),
        without_mlp=tuple(sorted(draw(numbers))),
    )
