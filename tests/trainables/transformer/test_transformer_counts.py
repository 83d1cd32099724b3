"""The exact parameter count: of every published record, of the published sweep, and of drawn shapes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.mutations import must_be_ours
from helpers.published import bound_of
from helpers.transformer_shapes import shapes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainables.addition.config import AdditionConfig
from trainables.addition.task import AdditionTask
from trainables.contract import parameter_count
from trainables.transformer.counting import count_parameters
from trainables.transformer.model import Transformer
from trainables.transformer.shape import TransformerShape

TASK = AdditionTask()

PLAIN = {"d_model": 7, "d_ff": 14}
LOW_RANK = {
    **PLAIN,
    "position_rows": 33,
    "position_rank": 3,
    "qkv_rank": 3,
    "qkv_shared_factor": True,
    "output_rank": 3,
    "ffn_rank": 3,
}
SHARED = {**LOW_RANK, "norm": "rmsnorm", "value_projection": "key"}
ROTARY = {
    "format": "aligned",
    "d_model": 3,
    "head_width": 4,
    "position": "rotary",
    "rope_theta": 3.0,
    "norm": "rmsnorm",
    "qk_norm": "separate",
    "activation": "swiglu",
    "d_ff": 2,
}
TIED_OUTPUT = {**ROTARY, "output_projection": "query_transposed"}
TIED = {**TIED_OUTPUT, "value_projection": "query"}
ARC = {**TIED, "embedding": "arc"}
ONE_NORM = {**ARC, "norm_sharing": "all", "qk_norm": "shared"}

RECORDS: list[tuple[int, dict[str, Any]]] = [
    (777, PLAIN),
    (763, {**PLAIN, "final_norm": False}),
    (973, {**PLAIN, "d_ff": 28}),
    (512, LOW_RANK),
    (491, {**LOW_RANK, "norm": "rmsnorm"}),
    (456, {**SHARED, "output_rank": 2}),
    (311, {**SHARED, "d_model": 4, "d_ff": 8}),
    (305, {**SHARED, "d_model": 4, "d_ff": 9, "output_rank": 2, "pad_token": False}),
    (262, {**SHARED, "d_model": 4, "d_ff": 6, "position_rank": 2}),
    (122, {**ROTARY, "d_ff": 3}),
    (101, TIED_OUTPUT),
    (89, TIED),
    (86, {**TIED, "norm_sharing": "block"}),
    (83, {**TIED, "norm_sharing": "all"}),
    (62, ARC),
    (
        55,
        {
            **ARC,
            "value_projection": "full",
            "key_projection": "scaled_query",
            "gate_projection": "scaled_up",
            "norm_sharing": "block",
        },
    ),
    (52, ONE_NORM),
    (44, {**ARC, "key_projection": "query", "norm_sharing": "all"}),
    (36, {**ONE_NORM, "key_projection": "rotated_query", "down_projection": "rotated_units"}),
]

SMALLEST = RECORDS[-1][1]
BARE = {**SMALLEST, "norm_sharing": "none", "norm_gain": "none", "qk_norm": "scalar"}
TWO_WIDE = {
    **SMALLEST,
    "head_width": 2,
    "value_projection": "full",
    "output_projection": "value_transposed",
    "norm_gain": "scalar",
    "qk_norm": "scalar",
}

TIES: list[tuple[int, dict[str, Any]]] = [
    (36, {**SMALLEST, "down_projection": "rotated_up"}),
    (32, {**SMALLEST, "gate_projection": "scaled_units"}),
    (31, {**SMALLEST, "gate_projection": "scaled_up"}),
    (30, {**SMALLEST, "gate_projection": "up"}),
    (35, {**SMALLEST, "down_projection": "gate_transposed"}),
    (35, {**SMALLEST, "shared_angle": True}),
    (33, {**SMALLEST, "qk_norm": "scalar"}),
    (32, {**SMALLEST, "qk_norm": "unit"}),
    (34, {**SMALLEST, "norm_gain": "scalar"}),
    (36, {**SMALLEST, "norm_gain": "scalar", "norm_sharing": "none"}),
    (33, {**SMALLEST, "norm_gain": "none", "norm_sharing": "none"}),
    (35, {**SMALLEST, "arc_fixed": "amplitude"}),
    (34, {**SMALLEST, "arc_fixed": "start_stride"}),
    (30, BARE),
    (29, {**BARE, "arc_fixed": "start"}),
    (24, {**BARE, "arc_fixed": "start", "gate_projection": "scaled_up"}),
    (21, {**BARE, "arc_fixed": "start_stride", "gate_projection": "up", "shared_angle": True}),
    (31, TWO_WIDE),
    (29, {**TWO_WIDE, "triangular": "query_value"}),
    (27, {**TWO_WIDE, "triangular": "query_value", "arc_fixed": "amplitude_start"}),
    (23, {**BARE, "d_ff": 1, "down_projection": "up_transposed"}),
]
"""Of the family of the smallest records; they have no published count, but one by hand."""

SWEEP = (
    # In the order of search_spaces/gpt_acc_jax_sweep.yaml, by the published formula. For the two
    # models of 917 and 896 parameters one version of the report states 945 and 924.
    (875, 777, 679, 777, 679, 762, 952, 917, 896, 728, 707, 700, 679),
    (728, 707, 700, 679, 630, 483, 510, 366, 510, 365),
    (973, 1071, 1008, 1106, 792, 846, 762, 876, 876, 575, 670, 488),
    (1360, 1360, 1360, 1360, 2200, 2200, 2616, 4256, 4256, 4452, 7472),
    (8688, 14656, 15816, 15816, 27232, 87360, 103616),
)


def unique_parameters(model: nn.Module) -> int:
    """Count numbers by the memory they live in: a weight that two parts share counts once."""
    return sum({p.data_ptr(): p.numel() for p in model.parameters()}.values())


def counted_and_built(config: AdditionConfig) -> tuple[int, int]:
    model = TASK.workload(config, torch.device("cpu")).build_model()
    return parameter_count(TASK, config), unique_parameters(model)


@pytest.mark.parametrize(("published", "shape"), RECORDS, ids=[str(count) for count, _ in RECORDS])
def test_every_published_record_has_its_count_by_formula_and_in_memory(
    published: int, shape: dict[str, Any]
) -> None:
    assert counted_and_built(AdditionConfig(digits=10, **shape)) == (published, published)


@pytest.mark.parametrize(("by_hand", "shape"), TIES)
def test_every_further_tie_saves_as_many_parameters_as_it_should(by_hand: int, shape: dict[str, Any]) -> None:
    assert counted_and_built(AdditionConfig(digits=10, **shape)) == (by_hand, by_hand)


def test_all_53_configurations_of_the_published_sweep_have_their_counts() -> None:
    plan = bound_of("gpt_acc_jax_sweep").plan
    configs = [AdditionConfig.model_validate({**plan.fixed, **values}) for values in plan.only]
    expected = [count for group in SWEEP for count in group]
    assert len(expected) == 53
    assert [counted_and_built(config) for config in configs] == [(count, count) for count in expected]


@settings(max_examples=300)
@given(shape=shapes(), vocabulary=st.integers(2, 40), positions=st.integers(8, 40))
def test_the_count_from_the_shape_is_what_the_model_has(
    shape: TransformerShape, vocabulary: int, positions: int
) -> None:
    table = count_parameters(shape, vocabulary=vocabulary, positions=positions)
    model = Transformer(shape, vocabulary=vocabulary, positions=positions)
    assert sum(table.values()) == unique_parameters(model)
    assert all(count > 0 for count in table.values()), "a component without parameters should be left out"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"triangular": "query_value", "position": "rotary", "norm": "rmsnorm"},
        {"embedding": "arc", "position": "rotary", "activation": "swiglu", "gate_projection": "scaled_units"},
        {"n_heads": 10**6},
        {"n_layers": 1000, "ffn_bias": True},
    ],
    ids=str,
)
def test_a_shape_of_any_size_is_counted_without_its_memory(changes: dict[str, Any]) -> None:
    """Whatever a space file or a checkpoint asks for is counted before anything is built."""
    shape = TransformerShape(**{"d_model": 10**12, "d_ff": 10**12, **changes})
    table = must_be_ours(lambda: count_parameters(shape, vocabulary=14, positions=35))
    assert sum(table.values()) > 10**24


sizes = st.integers(4, 30)


@given(v=sizes, t=sizes, d=sizes, f=sizes, layers=st.integers(1, 3), data=st.data())
def test_plain_shapes_follow_the_published_formula(
    v: int, t: int, d: int, f: int, layers: int, data: st.DataObject
) -> None:
    norm = data.draw(st.sampled_from(["layernorm", "rmsnorm"]))
    bias, untied, final = (data.draw(st.booleans()) for _ in range(3))
    shape = TransformerShape(
        n_layers=layers,
        d_model=d,
        d_ff=f,
        norm=norm,
        ffn_bias=bias,
        tied_embeddings=not untied,
        final_norm=final,
    )
    n = 2 * d if norm == "layernorm" else d
    formula = v * d + t * d + layers * (2 * n + 4 * d * d + 2 * d * f + bias * (f + d)) + final * n
    counted = count_parameters(shape, vocabulary=v, positions=t)
    assert sum(counted.values()) == formula + untied * v * d


@given(v=sizes, t=sizes, d=sizes, f=sizes, data=st.data())
def test_low_rank_shapes_follow_the_published_formula(
    v: int, t: int, d: int, f: int, data: st.DataObject
) -> None:
    r, r_pos, r_o, r_f = (data.draw(st.integers(1, 4)) for _ in range(4))
    keys_are_values = data.draw(st.booleans())
    shape = TransformerShape(
        d_model=d,
        d_ff=f,
        position_rank=r_pos,
        qkv_rank=r,
        qkv_shared_factor=True,
        value_projection="key" if keys_are_values else "full",
        output_rank=r_o,
        ffn_rank=r_f,
    )
    qkv = (3 if keys_are_values else 4) * r * d
    formula = v * d + r_pos * (t + d) + 3 * 2 * d + qkv + 2 * r_o * d + 2 * r_f * (d + f)
    assert sum(count_parameters(shape, vocabulary=v, positions=t).values()) == formula


@given(v=sizes, d=sizes, f=sizes, width=st.integers(2, 9), data=st.data())
def test_rotary_shapes_follow_the_published_formula(
    v: int, d: int, f: int, width: int, data: st.DataObject
) -> None:
    def one_of(costs: dict[str, int]) -> tuple[str, int]:
        name = data.draw(st.sampled_from(sorted(costs)))
        return name, costs[name]

    matrix, feed_forward = d * width, d * f
    embedding, e = one_of({"table": v * d, "arc": 3})
    arc_fixed, constants = one_of({"none": 0, "amplitude": 1, "start_stride": 2}) if e == 3 else ("none", 0)
    key, k = one_of({"full": matrix, "scaled_query": 1, "rotated_query": 1, "query": 0})
    value, val = one_of({"full": matrix, "key": 0, "query": 0})
    of_value = {"value_transposed": 0} if value == "full" else {}
    output, o = one_of({"full": matrix, "query_transposed": 0, **of_value})
    gate, g = one_of({"full": feed_forward, "scaled_up": 1, "scaled_units": f, "up": 0})
    down, dn = one_of({"full": feed_forward, "up_transposed": 0, "rotated_up": 1, "rotated_units": 1})
    norm_gain, n = one_of({"vector": d, "scalar": 1, "none": 0})
    sharing, norms = one_of({"none": 3, "block": 2, "all": 1}) if n else ("none", 3)
    qk_norm, qk_norms = one_of({"none": 0, "separate": 2 * width, "shared": width, "scalar": 1, "unit": 0})
    shape = TransformerShape(
        d_model=d,
        d_ff=f,
        head_width=width,
        position="rotary",
        embedding=embedding,
        arc_fixed=arc_fixed,
        norm="rmsnorm",
        norm_gain=norm_gain,
        norm_sharing=sharing,
        qk_norm=qk_norm,
        key_projection=key,
        value_projection=value,
        output_projection=output,
        activation="swiglu",
        gate_projection=gate,
        down_projection=down,
    )
    formula = e - constants + matrix + k + val + o + g + feed_forward + dn + n * norms + qk_norms
    assert sum(count_parameters(shape, vocabulary=v, positions=5).values()) == formula
