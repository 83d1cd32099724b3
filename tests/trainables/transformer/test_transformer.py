"""The transformer: its exact parameter count, what each position may see, and how it begins."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from helpers.transformer_shapes import shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.addition.config import AdditionConfig
from trainables.transformer.embeddings import sinusoids
from trainables.transformer.model import Transformer
from trainables.transformer.projections import Matrix
from trainables.transformer.shape import TransformerShape


def exact_model(shape: TransformerShape, *, vocabulary: int = 14, positions: int = 12) -> Transformer:
    """Return a model in double precision, where rounding cannot be mistaken for influence."""
    torch.manual_seed(3)
    return Transformer(shape, vocabulary=vocabulary, positions=positions).double().eval()


def some_tokens(batch: int, length: int, *, vocabulary: int = 14) -> Tensor:
    return torch.randint(vocabulary, (batch, length), generator=torch.Generator().manual_seed(5))


# What is refused


def test_a_width_that_the_heads_do_not_divide_is_refused_with_both_numbers() -> None:
    for kind in (TransformerShape, AdditionConfig):
        with pytest.raises(ValidationError, match=r"n_heads must divide d_model.*d_model=7, n_heads=2"):
            kind(d_model=7, n_heads=2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"position": "none", "position_rank": 2}, r"position_rank needs position learned.*position=none"),
        ({"rope_period": 12.0}, r"rope_period needs position rotary, not learned"),
        (
            {"output_projection": "value_transposed", "value_projection": "query"},
            r"value_transposed needs value_projection full, but got query",
        ),
        ({"rope_theta": 3.0}, r"rope_theta needs position rotary, not learned, but got rope_theta=3.0"),
        ({"rotary_width": 2}, r"rotary_width needs position rotary, not learned, but got rotary_width=2"),
        ({"position": "rotary", "rotary_width": 3}, r"rotary_width must be even.*rotary_width=3"),
        ({"position": "rotary", "head_width": 4, "rotary_width": 6}, r"rotary_width=6, width of a head=4"),
        ({"position": "rotary", "head_width": 1}, r"width 2 or more, but got width 1"),
        ({"key_projection": "rotated_query", "head_width": 1}, r"rotated_query needs.*width 1"),
        ({"norm": "none", "norm_sharing": "all"}, r"norm_sharing needs a norm.*norm_sharing=all"),
        ({"gate_projection": "up"}, r"gate_projection needs activation swiglu, not gelu.*gate_projection=up"),
        ({"norm_gain": "scalar"}, r"norm_gain needs norm rmsnorm, not layernorm.*norm_gain=scalar"),
        (
            {"norm": "rmsnorm", "norm_gain": "none", "norm_sharing": "all"},
            r"norm_sharing needs gains to share, not norm_gain none, but got norm_sharing=all",
        ),
        ({"d_ff": 1, "down_projection": "rotated_units"}, r"rotated_units need d_ff 2 or more.*d_ff=1"),
        (
            {"d_ff": 1, "activation": "swiglu", "gate_projection": "scaled_units"},
            r"need d_ff 2 or more.*gate_projection=scaled_units",
        ),
        ({"down_projection": "gate_transposed"}, r"gate_transposed needs activation swiglu.*activation=gelu"),
        (
            {"activation": "swiglu", "gate_projection": "up", "down_projection": "gate_transposed"},
            r"a gate other than the up projection.*gate_projection=up",
        ),
        (
            {"shared_angle": True, "key_projection": "rotated_query"},
            r"shared_angle needs.*not rotated_query and full, but got shared_angle=True",
        ),
        ({"triangular": "query", "qkv_rank": 2}, r"triangular needs full matrices.*triangular=query"),
        ({"triangular": "query", "head_width": 1}, r"width 2 to d_model, but got \(width of a head=1"),
        ({"triangular": "value", "head_width": 17}, r"width 2 to d_model.*d_model=16"),
        (
            {"triangular": "query_value", "value_projection": "key"},
            r"triangular needs value_projection full, not key, but got triangular=query_value",
        ),
        ({"arc_fixed": "start"}, r"arc_fixed needs embedding arc, not table, but got arc_fixed=start"),
        ({"embedding": "arc", "arc_fixed": "amplitude_start_stride"}, r"Input should be 'none'"),
        ({"qkv_shared_factor": True}, r"qkv_shared_factor needs qkv_rank, but got qkv_shared_factor=True"),
        (
            {"output_projection": "query_transposed", "output_rank": 2},
            r"output_rank needs output_projection full, but got output_rank=2",
        ),
        ({"d_model": 4, "position_rank": 5}, r"position_rank must be at most.*4, but got 5"),
        ({"head_width": 3, "qkv_rank": 4}, r"qkv_rank must be at most.*3, but got 4"),
        ({"head_width": 3, "output_rank": 4}, r"output_rank must be at most.*3, but got 4"),
        ({"d_ff": 2, "ffn_rank": 3}, r"ffn_rank must be at most.*2, but got 3"),
        ({"dropout": 1.0}, r"less than 1"),
        ({"arc_init": (1.0, 0.0, 0.3)}, r"arc_init needs embedding arc, not table"),
        ({"embedding": "arc", "arc_init": (0.0, 1.0, 0.3)}, r"arc_init.*other than 0.*\[0.0, 1.0, 0.3\]"),
        ({"embedding": "arc", "arc_init": (1.0, 0.0, 0.0)}, r"all tokens would begin as one"),
        ({"init_std": 0.0}, r"greater than 0"),
    ],
)
def test_what_cannot_go_together_is_refused_with_its_values(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TransformerShape(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"d_model": 7, "position": "rotary"},  # an odd head: its last feature does not turn
        {"d_model": 7, "n_heads": 2, "head_width": 3},
        {"position": "rotary", "rotary_width": 2},
        {"norm": "none", "qk_norm": "shared"},
        {"activation": "swiglu", "ffn_bias": True, "down_projection": "rotated_up"},
        {"embedding": "arc", "tied_embeddings": False},
    ],
)
def test_what_can_go_together_is_allowed(values: dict[str, Any]) -> None:
    TransformerShape(**values)


# What each position sees


@settings(max_examples=60)
@given(shape=shapes(), length=st.integers(1, 12), data=st.data())
def test_asking_for_the_last_positions_gives_what_the_whole_sequence_gives_there(
    shape: TransformerShape, length: int, data: st.DataObject
) -> None:
    last = data.draw(st.integers(1, length))
    model, tokens = exact_model(shape), some_tokens(3, length)
    whole = model(tokens)
    assert whole.shape == (3, length, 14)
    torch.testing.assert_close(model(tokens, last=last), whole[:, -last:], rtol=1e-9, atol=1e-9)


@settings(max_examples=60)
@given(shape=shapes(), changed=st.integers(1, 11), other=st.integers(1, 13))
def test_no_logit_depends_on_a_later_token(shape: TransformerShape, changed: int, other: int) -> None:
    model, tokens = exact_model(shape), some_tokens(3, 12)
    altered = tokens.clone()
    altered[:, changed] = (altered[:, changed] + other) % 14
    before, after = model(tokens), model(altered)
    torch.testing.assert_close(after[:, :changed], before[:, :changed], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("position", ["learned", "sinusoidal"])
def test_every_earlier_token_and_its_place_matter(position: str) -> None:
    """Without this, a model that ignores its context would pass for a causal one."""
    # One layer: from two on, the causal mask alone tells the order.
    model = exact_model(TransformerShape(d_model=12, n_heads=3, d_ff=24, n_layers=1, position=position))
    tokens = some_tokens(1, 12)
    last_logits = model(tokens)[:, -1]
    for changed in range(12):
        altered = tokens.clone()
        altered[:, changed] = (altered[:, changed] + 1) % 14
        assert (model(altered)[:, -1] - last_logits).abs().max() > 1e-6, f"token {changed} has no influence"
    swapped = tokens.clone()
    swapped[0, 2], swapped[0, 5] = 3, 7
    reordered = swapped.clone()
    reordered[0, 2], reordered[0, 5] = 7, 3
    assert (model(swapped)[:, -1] - model(reordered)[:, -1]).abs().max() > 1e-6


# Positions


@pytest.mark.parametrize("width", [2, 3, 7, 16])
def test_sinusoids_follow_their_formula_for_odd_and_even_widths(width: int) -> None:
    table = sinusoids(35, width)
    assert table.shape == (35, width)
    for position in (0, 1, 17, 34):
        for column in range(width):
            angle = position / 10_000 ** ((column - column % 2) / width)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[position, column].item() == pytest.approx(expected, abs=1e-5)


def test_sinusoids_are_neither_trained_nor_stored() -> None:
    shape = TransformerShape(d_model=7, d_ff=14, position="sinusoidal")
    model = Transformer(shape, vocabulary=14, positions=35)
    learned = Transformer(shape.model_copy(update={"position": "learned"}), vocabulary=14, positions=35)
    assert not [name for name, _ in model.named_parameters() if "positions" in name]
    assert not [name for name in model.state_dict() if "positions" in name]
    assert set(learned.state_dict()) - set(model.state_dict()) == {"positions.weight"}
    assert model(some_tokens(2, 35)).shape == (2, 35, 14)


# How it begins


def spread_is(weights: Tensor, std: float) -> None:
    """Check mean and standard deviation of freshly drawn weights.

    For n normal draws the mean strays by std / sqrt(n) and the measured deviation by
    std / sqrt(2 n); a truncated normal strays less. Six of these are allowed: a correct model
    fails one of the some twenty checks of this file for fewer than one seed in ten million.
    """
    n = weights.numel()
    assert n >= 50_000, "too few weights for a narrow check"
    assert abs(weights.mean().item()) < 6 * std / math.sqrt(n)
    assert weights.std().item() == pytest.approx(std, rel=6 / math.sqrt(2 * n))


def test_weights_begin_with_the_published_spread() -> None:
    torch.manual_seed(11)
    d, f = 256, 384
    shape = TransformerShape(d_model=d, d_ff=f, n_heads=4, n_layers=2, ffn_bias=True, tied_embeddings=False)
    model = Transformer(shape, vocabulary=512, positions=300)
    spread_is(model.embedding(), d**-0.5)
    spread_is(model.positions(), d**-0.5)
    matrices = [module for module in model.modules() if isinstance(module, Matrix)]
    assert len(matrices) == 2 * 6, "two blocks of query, key, value, output, up and down"
    for weight in (*(matrix() for matrix in matrices), model.head):
        inputs = weight.shape[1]
        spread_is(weight, inputs**-0.5)
        # LeCun normal as published cuts at two deviations of the normal before it is cut.
        assert weight.abs().max() <= 2.28 * inputs**-0.5
    assert not any(parameter.any() for name, parameter in model.named_parameters() if "bias" in name)
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            assert bool((module.weight == 1).all())
            assert not module.bias.any()
            assert module.eps == 1e-6


def test_every_matrix_and_table_begins_with_the_spread_that_is_asked_for() -> None:
    torch.manual_seed(13)
    shape = TransformerShape(
        d_model=256, d_ff=384, n_heads=4, activation="swiglu", tied_embeddings=False, init_std=0.3
    )
    factored = shape.model_copy(update={"position_rank": 200, "qkv_rank": 200, "ffn_rank": 200})
    for asked, count in ((shape, 10), (factored, 17)):
        model = Transformer(asked, vocabulary=512, positions=300)
        weights = [weight for weight in model.parameters() if weight.ndim == 2]
        assert len(weights) == count
        for weight in weights:
            spread_is(weight, 0.3)


def test_an_arc_begins_where_it_is_asked_to_or_near_half_a_circle() -> None:
    def begun(**values: Any) -> list[float]:
        torch.manual_seed(14)
        model = Transformer(TransformerShape(embedding="arc", **values), vocabulary=10, positions=4)
        return [getattr(model.embedding, name).item() for name in ("amplitude", "start", "stride")]

    assert begun(arc_init=(2.5, -1.2, 0.29)) == pytest.approx([2.5, -1.2, 0.29])
    near = begun()
    assert near == pytest.approx([1.0, 0.0, math.pi / 10], rel=0.5, abs=0.1)
    assert near != pytest.approx([1.0, 0.0, math.pi / 10], rel=1e-4, abs=1e-4), "seeds should differ"


def test_a_tied_head_begins_as_the_embedding_and_stays_it() -> None:
    torch.manual_seed(12)
    shape = TransformerShape(d_model=256, d_ff=8)
    model = Transformer(shape, vocabulary=512, positions=4)
    assert model.head is None
    # An untied head has about the same spread, but is cut: no normal of this size stays inside.
    spread_is(model.embedding.weight, 256**-0.5)
    assert model.embedding.weight.abs().max() > 2.6 * 256**-0.5


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("final_norm", [True, False])
def test_the_kind_of_norm_and_the_final_norm_are_the_ones_asked_for(norm: str, final_norm: bool) -> None:
    model = Transformer(
        TransformerShape(d_model=8, n_layers=3, norm=norm, final_norm=final_norm), vocabulary=14, positions=4
    )
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.LayerNorm | nn.RMSNorm)]
    expected = nn.LayerNorm if norm == "layernorm" else nn.RMSNorm
    assert kinds == [expected] * (3 * 2 + final_norm)
