"""A model in words: a sentence about its shape, and a line for each unusual feature."""

from __future__ import annotations

from collections.abc import Iterator

from trainables.addition.config import AdditionConfig
from trainables.transformer.shape import TransformerShape

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NORMS = {"layernorm": "LayerNorm", "rmsnorm": "RMSNorm", "none": "no norms"}
_ACTIVATIONS = {"gelu": "GELU", "relu": "ReLU", "squared_relu": "squared ReLU", "swiglu": "SwiGLU"}


def architecture(shape: TransformerShape) -> str:
    """Return one sentence on the parts of a model and their sizes."""
    positions = {
        "learned": "learned positions",
        "sinusoidal": "sinusoidal positions",
        "rotary": "rotary positions",
        "none": "no positions",
    }[shape.position]
    return (
        f"A decoder-only transformer of {_count(shape.n_layers, 'pre-norm block')}: "
        f"{shape.d_model} features, "
        f"{_count(shape.n_heads, 'attention head')} of width {shape.width_of_head}, "
        f"{_ACTIVATIONS[shape.activation]} feed-forward of width {shape.d_ff}, {_NORMS[shape.norm]}, "
        f"{positions}, {'tied' if shape.tied_embeddings else 'own'} output head."
    )


def tricks(config: AdditionConfig, notation: str) -> list[str]:
    """Return the unusual features of a model and its training, starting with the format of problems."""
    return [
        notation,
        *_of_embeddings(config),
        *_of_attention(config),
        *_of_feed_forward(config),
        *_of_norms(config),
        *_of_training(config),
    ]


def _of_embeddings(shape: TransformerShape) -> Iterator[str]:
    if shape.embedding == "arc":
        fixed = " and ".join(shape.arc_fixed.split("_")) if shape.arc_fixed != "none" else ""
        yield f"digits on a circular arc{f', its {fixed} fixed' * bool(fixed)}"
    if shape.tied_embeddings:
        yield "output head tied to the embedding"
    if shape.position == "rotary":
        turning = shape.rotary_width is not None and shape.rotary_width < shape.width_of_head
        part = f", {shape.rotary_width} of {shape.width_of_head} features turn" if turning else ""
        period = "" if shape.rope_period is None else f", period {_plain(shape.rope_period)}"
        yield f"rotary positions, theta {_plain(shape.rope_theta)}{period}{part}"
    elif shape.position == "sinusoidal":
        yield "fixed sinusoidal positions"
    elif shape.position == "none":
        yield "no positions"
    elif shape.position_rank is not None:
        yield f"positions of rank {shape.position_rank}"


def _of_attention(shape: TransformerShape) -> Iterator[str]:
    if shape.attention_width != shape.d_model:
        yield f"attention of width {shape.attention_width} on {shape.d_model} features"
    if shape.key_projection != "full":
        how = {"scaled_query": " scaled by one number", "rotated_query": " turned by one angle", "query": ""}
        yield f"keys are the queries{how[shape.key_projection]}"
    if shape.value_projection != "full":
        yield f"values are the {'keys' if shape.value_projection == 'key' else 'queries'}"
    if shape.output_projection != "full":
        of = shape.output_projection.removesuffix("_transposed")
        yield f"output projection is the transposed {of} projection"
    if shape.qkv_rank is not None:
        own = ["queries"]
        own += ["keys"] if shape.key_projection == "full" else []
        own += ["values"] if shape.value_projection == "full" else []
        shared = ", one factor shared" if shape.qkv_shared_factor and len(own) > 1 else ""
        yield f"{', '.join(own)} of rank {shape.qkv_rank}{shared}"
    if shape.triangular != "none":
        matrices = shape.triangular.replace("query", "queries").replace("value", "values").split("_")
        yield f"zeros below the diagonal of {' and '.join(matrices)}"
    if shape.output_rank is not None:
        yield f"output projection of rank {shape.output_rank}"


def _of_feed_forward(shape: TransformerShape) -> Iterator[str]:
    if shape.activation != "gelu":
        yield _ACTIVATIONS[shape.activation]
    if shape.gate_projection != "full":
        scaled = {"scaled_up": ", scaled by one number", "scaled_units": ", each unit scaled", "up": ""}
        yield f"the gate is the up projection{scaled[shape.gate_projection]}"
    if shape.down_projection == "gate_transposed":
        yield "the down projection is the transposed gate"
    elif shape.down_projection != "full":
        angle = "the keys' angle" if shape.shared_angle else "one angle"
        turned = {
            "rotated_up": f", its output turned by {angle}",
            "rotated_units": f", its units turned by {angle}",
            "up_transposed": "",
        }
        yield f"the down projection is the transposed up projection{turned[shape.down_projection]}"
    if shape.ffn_rank is not None:
        yield f"feed-forward matrices of rank {shape.ffn_rank}"
    if shape.ffn_bias:
        yield "biases in the feed-forward layer"


def _of_norms(shape: TransformerShape) -> Iterator[str]:
    if shape.norm != "layernorm":
        yield _NORMS[shape.norm]
    if shape.norm_gain != "vector":
        yield f"norms {'without gains' if shape.norm_gain == 'none' else 'with one gain for all features'}"
    if shape.norm_sharing != "none":
        yield f"one norm for {'each block' if shape.norm_sharing == 'block' else 'the whole model'}"
    if shape.norm != "none" and not shape.final_norm:
        yield "no final norm"
    if shape.qk_norm != "none":
        gains = {
            "separate": "",
            "shared": ", one vector for both",
            "scalar": ", one gain for all features of both",
            "unit": " without gains",
        }
        yield f"RMSNorm on queries and keys{gains[shape.qk_norm]}"


def _of_training(config: AdditionConfig) -> Iterator[str]:
    """Describe the recipe; parts that depend on success could be absent from the run."""
    if config.curriculum:
        yield "curriculum of operand lengths"
    if config.carries == "balanced":
        yield "every number of carries equally often in training"
    if config.chain_share > 0:
        yield f"long carry chains in training, at first {_percent(config.chain_share)}"
    if config.has_slow_gradients:
        yield "slow part of the gradient amplified (Grokfast)"
    if config.second_pass is not None:
        yield f"second pass with a fresh schedule, the last {_percent(config.second_pass.share)} of the steps"
    if config.passes:
        shares = " and ".join(_percent(one.share) for one in config.passes)
        yield f"passes with fresh schedules, the last {shares} of the steps"
    if config.has_replay:
        yield "training problems answered incorrectly replayed in later batches"
    if config.adaptive_decay is not None:
        yield "weight decay that fades with the validation loss"
    if config.restarts is not None:
        yield f"begun again with another seed where the loss was above {config.restarts.above:g} early on"
    if config.start_from is not None:
        yield "trained on from an earlier model"
    if config.finish != "none":
        finish = {"lbfgs": "L-BFGS", "cma_es": "CMA-ES"}[config.finish]
        yield f"{finish} in the end, once {_percent(config.finish_above)} of answers are correct"


def _count(number: int, thing: str) -> str:
    return f"{_NUMBERS[number] if number < len(_NUMBERS) else number} {thing}{'s' * (number != 1)}"


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _plain(value: float) -> str:
    """Write a number without the .0 of a whole one."""
    return repr(int(value)) if value == int(value) else repr(value)
