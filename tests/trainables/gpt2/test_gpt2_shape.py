"""The size of a GPT-2, by formula, against published numbers and against the real model."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.gpt2_shapes import COMBINATIONS, CORRECTED, ONE_SWITCH, OTHERS, PUBLISHED, shapes, small
from hypothesis import given, settings
from pydantic import ValidationError

from trainables.gpt2.masks import attend_dense
from trainables.gpt2.model import GPT2
from trainables.gpt2.shape import SIZE_FIELDS, GPT2Shape


def size(**fields: Any) -> int:
    return sum(GPT2Shape(**fields).parameter_table().values())


def assert_is_that_of_the_model(shape: GPT2Shape) -> None:
    model = GPT2(shape, attend_dense)
    unique = {parameter.data_ptr(): parameter.numel() for parameter in model.parameters()}
    table = shape.parameter_table()
    assert sum(table.values()) == sum(unique.values())
    assert all(count > 0 for count in table.values())


# Published numbers


def test_the_published_model_has_the_published_number_of_parameters() -> None:
    assert size(**PUBLISHED) == 268_665_606
    assert GPT2Shape(**PUBLISHED).active_parameters == 114_131_664


def test_the_published_models_components_are_those_that_its_shape_implies() -> None:
    table = 50_304 * 768
    assert GPT2Shape(**PUBLISHED).parameter_table() == {
        "token embedding": table,
        "value embeddings": 3 * table,
        "attention": 10 * 4 * 768**2,
        "feed-forward": 11 * 2 * 768 * 3072,
        "attention gates": 10 * 6 * 12,
        # Two of each block, six skips, one of each block with attention, and the backout.
        "mixing weights": 2 * 12 + 6 + 10 + 1,
        "smear gate": 12 + 1,
        "output head": table,
    }


def test_the_corrected_model_leaves_out_the_shares_of_blocks_without_a_value_stream() -> None:
    assert size(**CORRECTED) == 268_665_601 == size(**PUBLISHED) - 5


def test_the_corrected_models_outer_blocks_have_value_streams_of_their_own() -> None:
    """The first three and the last three share a table pairwise; block 0 has no attention to use it."""
    corrected, published = GPT2Shape(**CORRECTED), GPT2Shape(**PUBLISHED)
    assert corrected.value_table_of == {1: 1, 2: 2, 9: 0, 10: 1, 11: 2}
    assert corrected.value_tables == published.value_tables == 3
    assert published.value_table_of == dict.fromkeys([1, 2, 3, 4, 5, 6, 8, 9, 10, 11], 0)


def test_plain_gpt2_small_has_the_number_of_parameters_of_the_paper() -> None:
    gpt2 = {"vocabulary": 50_257, "context": 1024, "n_layers": 12, "d_model": 768, "n_heads": 12}
    assert size(**gpt2, d_ff=3072) == 124_439_808


def test_the_default_is_the_size_of_nanogpts_small_example() -> None:
    d = 128
    norm, attention, mlp = 2 * d, 4 * (d * d + d), 2 * d * 4 * d + 5 * d
    assert size() == 256 * d + 64 * d + 4 * (2 * norm + attention + mlp) + norm
    assert GPT2Shape().active_parameters == 4 * 12 * d * d + 256 * d


# Against the model


@pytest.mark.parametrize("changed", [{}, *ONE_SWITCH, *COMBINATIONS], ids=str)
def test_the_table_is_that_of_the_real_model_for_every_switch(changed: dict[str, Any]) -> None:
    assert_is_that_of_the_model(small(**changed))


@settings(max_examples=150)
@given(shape=shapes())
def test_the_table_is_that_of_the_real_model_for_any_shape(shape: GPT2Shape) -> None:
    assert_is_that_of_the_model(shape)


@settings(max_examples=100)
@given(shape=shapes())
def test_the_active_parameters_are_those_of_the_matrix_products_but_for_the_smear_gate(
    shape: GPT2Shape,
) -> None:
    model = GPT2(shape, attend_dense)
    products = [
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and name.startswith("blocks.")
    ]
    assert shape.active_parameters == sum(products) + shape.vocabulary * shape.d_model


@settings(max_examples=200)
@given(shape=shapes())
def test_every_value_table_of_the_corrected_form_is_used_and_mirrored(shape: GPT2Shape) -> None:
    used = shape.value_table_of
    assert set(used) <= set(shape.attention_layers)
    if shape.value_embeddings == "corrected":
        assert set(used.values()) == set(range(shape.value_tables))
        tables = min(3, shape.n_layers // 2)
        for layer in range(tables):
            mirrored = shape.n_layers - tables + layer
            if layer in used and mirrored in used:
                assert used[layer] == used[mirrored]


def test_every_field_of_a_shape_is_a_size_field_and_has_another_value_in_these_tests() -> None:
    assert set(GPT2Shape.model_fields) == SIZE_FIELDS == set(OTHERS)
    for changed in ONE_SWITCH:
        assert small(**changed) != small()


# Refusals


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"d_model": 10, "n_heads": 3}, r"n_heads must divide d_model.*d_model=10, n_heads=3"),
        ({"d_model": 6, "n_heads": 2, "position": "rotary"}, r"rotary needs heads.*that 2 divides.*got 3"),
        ({"d_model": 12, "n_heads": 2, "position": "half_rotary"}, r"half_rotary.*that 4 divides.*got 6"),
        ({"without_attention": [4]}, r"without_attention must name different blocks below n_layers=4.*\[4\]"),
        ({"without_mlp": [1, 1]}, r"without_mlp must name different blocks.*\[1, 1\]"),
        ({"without_mlp": [-1]}, r"without_mlp"),
        ({"without_attention": [0, 1, 2, 3]}, r"at least one block must have attention.*\[0, 1, 2, 3\]"),
        ({"n_layers": 1, "unet_skips": True}, r"unet_skips needs n_layers of 2 or more, but got 1"),
        ({"n_layers": 1, "value_embeddings": "corrected"}, r"corrected needs n_layers of 2 or more"),
        ({"n_layers": 3, "backout": True}, r"backout needs n_layers of 4 or more, but got 3"),
        (
            {"n_layers": 3, "value_embeddings": "corrected", "without_attention": [0, 2]},
            r"corrected needs attention in one of the first or last blocks.*\[0, 2\]",
        ),
        ({"attention_scale": 0.0}, r"attention_scale"),
        ({"logit_cap": -1.0}, r"logit_cap"),
        ({"vocabulary": 1}, r"vocabulary"),
        ({"vocabulary": 2**16 + 1}, r"vocabulary"),
        ({"context": 1}, r"context"),
        ({"without_attention": ["0"]}, r"without_attention"),
    ],
    ids=str,
)
def test_a_shape_that_cannot_be_is_refused_and_told_why(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        small(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"n_layers": 2, "unet_skips": True},
        {"n_layers": 4, "backout": True},
        {"n_layers": 3, "value_embeddings": "corrected", "without_attention": [0]},
        {"d_model": 6, "n_heads": 3, "position": "rotary"},
        {"d_model": 12, "n_heads": 3, "position": "half_rotary"},
        {"without_attention": [0, 1, 2], "without_mlp": [0, 1, 2, 3]},
    ],
    ids=str,
)
def test_the_least_that_each_switch_needs_is_enough(fields: dict[str, Any]) -> None:
    assert_is_that_of_the_model(small(**fields))


def test_layers_may_come_as_lists_as_in_a_space_file() -> None:
    assert small(without_attention=[3, 0]).attention_layers == [1, 2]
