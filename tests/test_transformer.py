"""The transformer: its exact parameter count, what each position may see, and how it begins."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.addition.config import AdditionConfig
from trainables.addition.layout import VOCABULARY, Layout
from trainables.tasks import TASKS
from trainables.transformer.model import Transformer, sinusoids
from trainables.transformer.shape import TransformerShape, count_parameters


@st.composite
def shapes(draw: st.DrawFn) -> TransformerShape:
    heads = draw(st.integers(1, 4))
    return TransformerShape(
        n_layers=draw(st.integers(1, 3)),
        n_heads=heads,
        d_model=heads * draw(st.integers(2 if heads == 1 else 1, 6)),
        d_ff=draw(st.integers(1, 40)),
        ffn_bias=draw(st.booleans()),
        tied_embeddings=draw(st.booleans()),
        final_norm=draw(st.booleans()),
        norm=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        position=draw(st.sampled_from(["learned", "sinusoidal"])),
    )


def unique_parameters(model: nn.Module) -> int:
    """Count numbers by the memory they live in: a weight that two layers share counts once."""
    return sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())


def exact_model(shape: TransformerShape, *, vocabulary: int = 14, positions: int = 12) -> Transformer:
    """Return a model in double precision, where rounding cannot be mistaken for influence."""
    torch.manual_seed(3)
    return Transformer(shape, vocabulary=vocabulary, positions=positions).double().eval()


def some_tokens(batch: int, length: int, *, vocabulary: int = 14) -> Tensor:
    return torch.randint(vocabulary, (batch, length), generator=torch.Generator().manual_seed(5))


# How many parameters


@settings(deadline=None, max_examples=200)
@given(shape=shapes(), vocabulary=st.integers(2, 40), positions=st.integers(1, 40))
def test_the_count_from_the_shape_is_what_the_model_has(
    shape: TransformerShape, vocabulary: int, positions: int
) -> None:
    table = count_parameters(shape, vocabulary=vocabulary, positions=positions)
    model = Transformer(shape, vocabulary=vocabulary, positions=positions)
    assert sum(table.values()) == unique_parameters(model)
    assert all(count > 0 for count in table.values()), "a component without parameters should be left out"


SMALL = {"d_model": 7, "d_ff": 28}
TINY = {"d_model": 7, "d_ff": 14}
UNTIED_BIAS = {"ffn_bias": True, "tied_embeddings": False}


@pytest.mark.parametrize(
    ("published", "shape"),
    [
        # Sources: the sweep of "gpt-acc-jax", and "pytorch-763" for the one without a final norm.
        (777, TINY),
        (763, {**TINY, "final_norm": False}),
        (679, {"d_model": 7, "d_ff": 7}),
        (762, {"d_model": 6, "d_ff": 24}),
        (575, {"d_model": 5, "d_ff": 20}),
        (875, {"d_model": 7, "d_ff": 21}),
        (973, SMALL),
        (952, {**SMALL, "norm": "rmsnorm"}),
        (728, {**SMALL, "position": "sinusoidal"}),
        (707, {**SMALL, "position": "sinusoidal", "norm": "rmsnorm"}),
        (1008, {**SMALL, "ffn_bias": True}),
        (1071, {**SMALL, "tied_embeddings": False}),
        (1106, {**SMALL, **UNTIED_BIAS}),
        (488, {"d_model": 4, "d_ff": 16, **UNTIED_BIAS}),
        (1360, {"d_model": 8, "d_ff": 32, **UNTIED_BIAS}),
        (2200, {"n_layers": 2, "d_model": 8, "d_ff": 32, **UNTIED_BIAS}),
        (4256, {"d_model": 16, "d_ff": 64, **UNTIED_BIAS}),
        (8688, {"n_heads": 2, "d_model": 24, "d_ff": 96, **UNTIED_BIAS}),
        (27232, {"n_layers": 2, "n_heads": 2, "d_model": 32, "d_ff": 128, **UNTIED_BIAS}),
        (87360, {"n_layers": 3, "n_heads": 2, "d_model": 48, "d_ff": 192, **UNTIED_BIAS}),
    ],
)
def test_published_ten_digit_models_have_their_published_counts(published: int, shape: dict) -> None:
    config = AdditionConfig(digits=10, **shape)
    assert sum(TASKS["addition"].parameter_table(config).values()) == published
    assert unique_parameters(Transformer(config, vocabulary=VOCABULARY, positions=Layout(10).positions)) == (
        published
    )


def test_a_width_that_the_heads_do_not_divide_is_refused_with_both_numbers() -> None:
    for kind in (TransformerShape, AdditionConfig):
        with pytest.raises(ValidationError, match=r"n_heads must divide d_model.*d_model=7, n_heads=2"):
            kind(d_model=7, n_heads=2)


# What each position sees


@settings(deadline=None, max_examples=60)
@given(shape=shapes(), length=st.integers(1, 12), data=st.data())
def test_asking_for_the_last_positions_gives_what_the_whole_sequence_gives_there(
    shape: TransformerShape, length: int, data: st.DataObject
) -> None:
    last = data.draw(st.integers(1, length))
    model, tokens = exact_model(shape), some_tokens(3, length)
    whole = model(tokens)
    assert whole.shape == (3, length, 14)
    torch.testing.assert_close(model(tokens, last=last), whole[:, -last:], rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=60)
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
    assert "positions" not in dict(model.named_parameters())
    assert "positions" not in model.state_dict()
    assert unique_parameters(learned) - unique_parameters(model) == 35 * 7
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
    spread_is(model.tokens.weight, d**-0.5)
    spread_is(model.positions, d**-0.5)
    dense = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    assert len(dense) == 2 * 5 + 1, "two blocks of query, key and value, output, up, down; and the head"
    for module in dense.values():
        spread_is(module.weight, module.in_features**-0.5)
        # LeCun normal as published cuts at two deviations of the normal before it is cut.
        assert module.weight.abs().max() <= 2.28 * module.in_features**-0.5
        assert module.bias is None or not module.bias.any()
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            assert bool((module.weight == 1).all())
            assert not module.bias.any()
            assert module.eps == 1e-6


def test_a_tied_head_begins_as_the_embedding_and_stays_it() -> None:
    torch.manual_seed(12)
    shape = TransformerShape(d_model=256, d_ff=8)
    model = Transformer(shape, vocabulary=512, positions=4)
    assert model.head.weight is model.tokens.weight
    # An untied head has about the same spread, but is cut: no normal of this size stays inside.
    spread_is(model.tokens.weight, 256**-0.5)
    assert model.tokens.weight.abs().max() > 2.6 * 256**-0.5


@pytest.mark.parametrize("norm", ["layernorm", "rmsnorm"])
@pytest.mark.parametrize("final_norm", [True, False])
def test_the_kind_of_norm_and_the_final_norm_are_the_ones_asked_for(norm: str, final_norm: bool) -> None:
    model = Transformer(
        TransformerShape(d_model=8, n_layers=3, norm=norm, final_norm=final_norm), vocabulary=14, positions=4
    )
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.LayerNorm | nn.RMSNorm)]
    expected = nn.LayerNorm if norm == "layernorm" else nn.RMSNorm
    assert kinds == [expected] * (3 * 2 + final_norm)
