"""GPT-2 against the same written out plainly, for every switch; what it may see; how it begins."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from helpers.gpt2_reference import Reference
from helpers.gpt2_shapes import (
    COMBINATIONS,
    CORRECTED_SWITCHES,
    ONE_SWITCH,
    PUBLISHED_SWITCHES,
    shapes,
    small,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import trainables.gpt2.model as gpt2_model
from trainables.gpt2.masks import attend_dense, dense_mask
from trainables.gpt2.model import GPT2
from trainables.gpt2.shape import GPT2Shape


def new_model(shape: GPT2Shape, seed: int = 0) -> GPT2:
    torch.manual_seed(seed)
    return GPT2(shape, attend_dense)


def model_of(shape: GPT2Shape) -> GPT2:
    """Return a model in double precision with weights far from their beginnings."""
    model = new_model(shape).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model


def tokens_of(shape: GPT2Shape, batch: int = 2, seed: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(shape.vocabulary, (batch, shape.context), generator=generator)


def assert_equals_the_reference(shape: GPT2Shape) -> None:
    model, tokens = model_of(shape), tokens_of(shape)
    reference = Reference(shape, model.state_dict())
    expected = torch.stack([reference.logits(sequence) for sequence in tokens.tolist()])
    # The model's tables of angles are made in single precision, and so are capped logits.
    torch.testing.assert_close(model(tokens, None).double(), expected, rtol=1e-5, atol=1e-5)


# The same, written out


@pytest.mark.parametrize("changed", [{}, *ONE_SWITCH, *COMBINATIONS], ids=str)
def test_the_model_equals_its_formulas_for_every_switch(changed: dict[str, Any]) -> None:
    assert_equals_the_reference(small(**changed))


@settings(max_examples=40)
@given(shape=shapes())
def test_the_model_equals_its_formulas_for_any_shape(shape: GPT2Shape) -> None:
    assert_equals_the_reference(shape)


SIZES_AND_BEGINNINGS = {"vocabulary", "context", "d_model", "d_ff", "zero_init", "initialisation"}


@pytest.mark.parametrize(
    "changed", [changed for changed in ONE_SWITCH if not SIZES_AND_BEGINNINGS & changed.keys()], ids=str
)
def test_every_switch_changes_what_is_computed(changed: dict[str, Any]) -> None:
    """Without this, a switch that neither model nor formulas know would pass."""
    plain, shape = small(), small(**changed)
    model, other = model_of(plain), model_of(shape)
    # The same weights, wherever both have them.
    known = {k: v for k, v in model.state_dict().items() if k in other.state_dict()}
    other.load_state_dict(known, strict=False)
    tokens = tokens_of(plain)
    assert not torch.allclose(model(tokens, None), other(tokens, None).double(), atol=1e-3)


def test_a_mask_hides_the_same_from_the_model_as_from_its_formulas() -> None:
    for changed in ({}, CORRECTED_SWITCHES):
        shape = small(**changed)
        model, tokens = model_of(shape), tokens_of(shape)
        documents = torch.tensor([[0, 0, 1, 1, 1, 2, 2], [0, 1, 1, 1, 1, 1, 1]])
        windows = torch.tensor([2, 4])
        mask = dense_mask(shape.context, documents, windows, torch.device("cpu"))
        got = model(tokens, mask).double()
        reference = Reference(shape, model.state_dict())
        for sequence in range(2):
            number, window = documents[sequence].tolist(), int(windows[sequence])

            def may_look(query: int, key: int, number: list[int] = number, window: int = window) -> bool:
                return number[query] == number[key] and query - key < window

            expected = reference.logits(tokens[sequence].tolist(), may_look)
            torch.testing.assert_close(got[sequence], expected, rtol=1e-5, atol=1e-5)


def test_the_logits_of_a_shorter_sequence_are_those_of_its_beginning() -> None:
    for changed in ({}, PUBLISHED_SWITCHES, CORRECTED_SWITCHES):
        model, tokens = model_of(small(**changed)), tokens_of(small())
        whole = model(tokens, None)
        for length in (1, 4):
            torch.testing.assert_close(model(tokens[:, :length], None), whole[:, :length])


# Causality


@settings(max_examples=80)
@given(shape=shapes(), place=st.integers(0, 5), other=st.integers(1, 4))
def test_a_later_token_never_changes_an_earlier_logit(shape: GPT2Shape, place: int, other: int) -> None:
    model, tokens = model_of(shape), tokens_of(shape)
    changed = tokens.clone()
    changed[:, place] = (changed[:, place] + other) % shape.vocabulary
    before, after = model(tokens, None), model(changed, None)
    torch.testing.assert_close(after[:, :place], before[:, :place], rtol=0, atol=1e-12)
    assert not torch.equal(after[:, place], before[:, place]), "its own logits are others"


@settings(max_examples=40)
@given(shape=shapes(), place=st.integers(0, 4))
def test_no_gradient_flows_back_from_a_logit_to_a_later_place(shape: GPT2Shape, place: int) -> None:
    # A table that reads alone, and each token once, so that a row of it is one place.
    shape = shape.model_copy(update={"tied_head": False, "vocabulary": shape.context})
    model = model_of(shape)
    logits = model(torch.arange(shape.context)[None], None)
    (gradient,) = torch.autograd.grad(logits[0, place].sum(), model.embedding.weight)
    assert not bool(gradient[place + 1 :].any())
    assert bool(gradient[place].any())


# Beginnings


def spread(weight: Tensor) -> float:
    return weight.std().item()


def wide(**changed: Any) -> GPT2:
    return new_model(small(d_model=96, n_heads=4, d_ff=200, vocabulary=300, context=64, **changed))


def test_the_published_models_weights_begin_as_published() -> None:
    model = wide(**PUBLISHED_SWITCHES, without_attention=(0,), without_mlp=(0,))
    for name, weight in model.named_parameters():
        if name.endswith(("output.weight", "down.weight", "gate.weight", "head.weight")):
            assert not bool(weight.any()), name
        elif "embedding" in name:
            assert spread(weight) == pytest.approx(1.0, rel=0.03), name
            assert weight.mean().item() == pytest.approx(0.0, abs=0.03), name
        elif weight.ndim == 2:
            bound = math.sqrt(3) * 0.5 / math.sqrt(96)
            assert 0.98 * bound < weight.abs().max().item() <= bound, name
            assert spread(weight) == pytest.approx(0.5 / math.sqrt(96), rel=0.03), name
        elif name.endswith("mixing"):
            assert weight.tolist() == [1.0, 0.0]
        elif name == "skips":
            assert weight.tolist() == [1.0, 1.0]
        elif name == "smear":
            assert weight.item() == 0.0
        else:
            assert name.endswith(("value_share", "backout")), name
            assert weight.item() == 0.5, name


def test_without_zero_init_projections_begin_by_their_inputs_too() -> None:
    model = wide(initialisation="fan_in", tied_head=False)
    for name, weight in model.named_parameters():
        if weight.ndim == 2 and not name.startswith(("embedding.", "positions")):
            bound = math.sqrt(3) * 0.5 / math.sqrt(weight.shape[1])
            assert 0.98 * bound < weight.abs().max().item() <= bound, name


def test_a_tied_table_begins_so_small_that_logits_are_of_unit_size() -> None:
    model = wide(initialisation="fan_in", norm="rms")
    assert spread(model.embedding.weight) == pytest.approx(96**-0.5, rel=0.03)
    logits = model(torch.randint(300, (4, 64)), None)
    assert 0.5 < logits.std().item() < 2


def test_gpt2s_weights_begin_as_in_its_paper() -> None:
    model = wide(tied_head=False, attention_gates=True, value_embeddings="corrected", smear_gate="corrected")
    into_stream = 0.02 / math.sqrt(2 * 4)
    for name, weight in model.named_parameters():
        if name.endswith(("bias", "gate.weight")) or name == "smear":
            assert not bool(weight.any()), name
        elif "norm" in name:
            assert bool((weight == 1).all()), name
        elif name.endswith(("output.weight", "down.weight")):
            assert spread(weight) == pytest.approx(into_stream, rel=0.03), name
        elif weight.ndim == 2:
            assert spread(weight) == pytest.approx(0.02, rel=0.03), name
        else:
            assert name.endswith("value_share"), name


@pytest.mark.parametrize("changed", [{}, PUBLISHED_SWITCHES, CORRECTED_SWITCHES], ids=["plain", "p", "c"])
def test_a_model_whose_head_begins_at_zero_says_nothing_at_first(changed: dict[str, Any]) -> None:
    shape = small(**{**changed, "zero_init": True, "tied_head": False})
    logits = new_model(shape)(tokens_of(shape), None)
    assert logits.shape == (2, 7, 11)
    assert not bool(logits.any())


def test_blocks_that_begin_at_zero_leave_the_stream_as_it_is() -> None:
    shape = small(zero_init=True)
    model, tokens = new_model(shape), tokens_of(shape)
    stream = model.embedding(tokens) + model.positions
    expected = model.final_norm(stream) @ model.embedding.weight.T
    torch.testing.assert_close(model(tokens, None), expected)


def test_only_the_published_smear_gate_is_not_trained() -> None:
    for changed in [{}, *ONE_SWITCH, *COMBINATIONS]:
        shape = small(**changed)
        idle = [name for name, p in new_model(shape).named_parameters() if not p.requires_grad]
        assert idle == (["smear_gate.weight"] if shape.smear_gate == "published" else []), changed


def test_no_table_of_angles_is_in_the_weights() -> None:
    """A checkpoint would otherwise depend on the context, and be larger by it."""
    assert new_model(small(position="rotary")).state_dict().keys() == {
        name for name, _ in new_model(small(position="rotary")).named_parameters()
    }


# The loss


@pytest.mark.parametrize("changed", [{}, CORRECTED_SWITCHES], ids=["plain", "corrected"])
@pytest.mark.parametrize("logits_at_a_time", [1, 100, 2**28])
def test_a_loss_in_parts_is_the_loss_at_once_and_so_are_its_gradients(
    changed: dict[str, Any], logits_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = small(**changed)
    model, tokens = model_of(shape), tokens_of(shape)
    targets = tokens.roll(-1, 1)
    loss = torch.nn.functional.cross_entropy(model(tokens, None).flatten(0, 1).float(), targets.flatten())
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    expected = torch.autograd.grad(loss, weights, allow_unused=True)
    monkeypatch.setattr(gpt2_model, "LOGITS_AT_A_TIME", logits_at_a_time)
    in_parts = model(tokens, None, targets)
    torch.testing.assert_close(in_parts, loss)
    found = torch.autograd.grad(in_parts, weights, allow_unused=True)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("logits_at_a_time", [1, 100, 2**28])
def test_losses_are_those_of_each_target_and_tell_which_was_the_likeliest(
    logits_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = small(**CORRECTED_SWITCHES)
    model, tokens = model_of(shape), tokens_of(shape)
    targets = tokens.roll(-1, 1)
    logits = model(tokens, None)
    targets[0, 2] = logits[0, 2].argmax()
    monkeypatch.setattr(gpt2_model, "LOGITS_AT_A_TIME", logits_at_a_time)
    asked: list[int] = []
    compute = GPT2._logits

    def counting(self: GPT2, x: Tensor) -> Tensor:
        asked.append(len(x) * shape.vocabulary)
        return compute(self, x)

    monkeypatch.setattr(GPT2, "_logits", counting)
    nats, likeliest = model.losses(tokens, None, targets)
    expected = -torch.log_softmax(logits, -1).gather(-1, targets[..., None])[..., 0]
    torch.testing.assert_close(nats, expected.float())
    assert torch.equal(likeliest, logits.argmax(-1) == targets)
    assert bool(likeliest[0, 2])
    assert max(asked) <= max(logits_at_a_time, shape.vocabulary), "no more at a time than there is room for"


def test_the_logits_of_what_follows_are_those_of_the_last_place() -> None:
    for changed in ({}, CORRECTED_SWITCHES):
        model, tokens = model_of(small(**changed)), tokens_of(small())
        torch.testing.assert_close(model.next_logits(tokens, None), model(tokens, None)[:, -1])
