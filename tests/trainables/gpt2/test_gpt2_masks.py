"""Which token may look at which: by both ways to attend, and as a window grows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._dynamo.testing import CompileCounter
from torch.nn.attention.flex_attention import create_block_mask

from trainables.gpt2 import block_attention
from trainables.gpt2.block_attention import attend_in_blocks, kernels_for
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.masks import attend_dense, block_mask, dense_mask, documents_of
from trainables.gpt2.workload import GPT2Workload

CPU = torch.device("cpu")
MARK = 0

KINDS: dict[str, dict[str, Any]] = {
    "causal": {},
    "document": {"document_mask": True},
    "window": {"window": (3, 20)},
    "both": {"document_mask": True, "window": (3, 20)},
}
"""Configurations with each kind of mask."""


def texts(batch: int, length: int, seed: int = 1) -> Tensor:
    """Return sequences of tokens in which every eighth is the mark of a document."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 8, (batch, length), generator=generator)


# The dense mask


@settings(max_examples=150)
@given(
    sequences=st.integers(1, 9).flatmap(
        lambda length: st.lists(
            st.lists(st.integers(0, 3), min_size=length, max_size=length), min_size=1, max_size=3
        )
    ),
    windows=st.none() | st.lists(st.integers(1, 12), min_size=3, max_size=3),
    by_document=st.booleans(),
)
def test_a_token_sees_itself_and_what_came_before_in_its_document_and_window(
    sequences: list[list[int]], windows: list[int] | None, by_document: bool
) -> None:
    tokens = torch.tensor(sequences)
    batch, length = tokens.shape
    documents = documents_of(tokens, MARK) if by_document else None
    window = None if windows is None else torch.tensor(windows[:batch])
    mask = dense_mask(length, documents, window, CPU)
    if not by_document and windows is None:
        assert mask is None
        return
    assert isinstance(mask, Tensor)
    seen = mask.expand(batch, 1, length, length)
    for index, sequence in enumerate(sequences):
        for query in range(length):
            for key in range(length):
                may_look = key <= query
                if by_document:
                    # A mark after the key, up to the query, begins another document.
                    may_look &= MARK not in sequence[key + 1 : query + 1]
                if windows is not None:
                    may_look &= query - key < windows[index]
                assert bool(seen[index, 0, query, key]) == may_look, (index, query, key)


def test_a_mark_is_in_the_document_that_it_begins() -> None:
    tokens = torch.tensor([[5, 0, 7, 8, 0, 0, 9], [0, 1, 2, 3, 4, 5, 6]])
    assert documents_of(tokens, 0).tolist() == [[0, 1, 1, 1, 2, 3, 3], [1] * 7]
    assert documents_of(tokens, 9).tolist() == [[0, 0, 0, 0, 0, 0, 1], [0] * 7]


def test_attending_without_a_mask_is_causal() -> None:
    query, key, value = (torch.randn(2, 3, 6, 4, dtype=torch.float64) for _ in range(3))
    products = (query @ key.transpose(-1, -2) * 0.7).masked_fill(
        torch.ones(6, 6, dtype=torch.bool).triu(1), -torch.inf
    )
    torch.testing.assert_close(attend_dense(query, key, value, None, 0.7), products.softmax(-1) @ value)


# Both ways


@pytest.mark.parametrize("length", [9, 128, 200])
@pytest.mark.parametrize("kind", KINDS)
def test_attending_in_blocks_equals_attending_by_a_dense_mask(kind: str, length: int) -> None:
    """Also where a block of 128 tokens is not full, and with several of them."""
    tokens = texts(3, length)
    documents = documents_of(tokens, MARK) if "document_mask" in KINDS[kind] else None
    window = torch.tensor([1, 7, 150]) if "window" in KINDS[kind] else None
    generator = torch.Generator().manual_seed(2)
    query, key, value = (torch.randn(3, 2, length, 8, generator=generator) for _ in range(3))
    dense = attend_dense(query, key, value, dense_mask(length, documents, window, CPU), 0.3)
    blocks = attend_in_blocks(CPU)(query, key, value, block_mask(length, documents, window, CPU), 0.3)
    torch.testing.assert_close(blocks, dense, rtol=1e-5, atol=1e-5)
    causal = attend_dense(query, key, value, None, 0.3)
    assert torch.allclose(dense, causal) == (kind == "causal"), "the mask hides something"


def test_attending_in_blocks_takes_queries_and_keys_more_exact_than_values_as_autocast_leaves_them() -> None:
    """On a GPU, autocast norms in float32 what a linear layer gave in bf16, and only values stay in it."""
    query, key, value = (torch.randn(2, 2, 16, 8).bfloat16() for _ in range(3))
    mask = block_mask(16, None, None, CPU)
    attended = attend_in_blocks(CPU)(query.float(), key.float(), value, mask, 0.3)
    assert attended.dtype == torch.bfloat16
    torch.testing.assert_close(attended, attend_in_blocks(CPU)(query, key, value, mask, 0.3))


def config_of(kind: str, **settings: Any) -> GPT2Config:
    size = {"n_layers": 2, "d_model": 32, "n_heads": 2, "d_ff": 40, "context": 40, "batch": 2, "steps": 3}
    return GPT2Config.model_validate(
        {**size, "position": "rotary", "qk_norm": True, "vocabulary": 256, **KINDS[kind], **settings}
    )


def loss_and_logits(config: GPT2Config, device: torch.device) -> tuple[GPT2Workload, Tensor, Tensor]:
    """Return the loss and the logits of the default text, with marks strewn into it."""
    torch.manual_seed(0)
    workload = GPT2Workload(config, device)
    model = workload.build_model()
    batch = workload.batch(2)
    batch.tokens[:, ::17] = workload.data.document_start
    inputs = batch.tokens[:, :-1]
    logits = model(inputs, workload.mask(inputs, batch.window))
    loss = workload.loss(model, batch)
    if torch.is_grad_enabled():
        loss.backward()
        gradients = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
        return workload, loss.detach(), torch.cat(gradients)
    return workload, loss, logits


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_computes_the_same_in_either_way(kind: str) -> None:
    with torch.no_grad():
        dense, first_loss, first = loss_and_logits(config_of(kind, attention="sdpa"), CPU)
        blocks, second_loss, second = loss_and_logits(config_of(kind, attention="flex"), CPU)
    assert (dense.engine, blocks.engine) == (
        "PyTorch with scaled-dot-product attention",
        "PyTorch with FlexAttention",
    )
    torch.testing.assert_close(second, first, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(second_loss, first_loss, rtol=1e-5, atol=1e-5)


def test_each_kind_of_mask_changes_the_loss() -> None:
    with torch.no_grad():
        losses = {kind: float(loss_and_logits(config_of(kind), CPU)[1]) for kind in KINDS}
    assert len(set(losses.values())) == len(KINDS), losses


@pytest.mark.parametrize("kind", KINDS)
def test_auto_attends_by_scaled_dot_products_on_a_cpu(kind: str) -> None:
    assert "scaled-dot-product" in GPT2Workload(config_of(kind), CPU).engine


def test_a_model_that_attends_in_blocks_is_compiled_as_a_whole_and_once_for_all_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a GPU both it and the making of masks are, and each step has another mask."""
    models, masks = CompileCounter(), CompileCounter()
    making = torch.compile(create_block_mask, backend=masks)
    monkeypatch.setattr("trainables.gpt2.masks.create_block_mask", making)
    workload = GPT2Workload(config_of("both", attention="flex", steps=9), CPU)
    as_it_is = workload.build_model()
    model = torch.compile(as_it_is, backend=models, fullgraph=True)
    with torch.no_grad():
        for step in (1, 2, 5, 9):
            batch = workload.batch(step)
            batch.tokens[:, ::17] = workload.data.document_start
            torch.testing.assert_close(workload.loss(model, batch), workload.loss(as_it_is, batch))
    assert models.frame_count == 1
    assert masks.frame_count == 1


CUDA = torch.device("cuda")


@pytest.fixture
def trying(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.dtype, bool]]:
    """Kernels of a GPU that this machine has not: those with torch's own options ask for too much."""
    tried: list[tuple[torch.dtype, bool]] = []

    def try_out(device: torch.device, width: int, dtype: torch.dtype, options: Any) -> None:
        tried.append((dtype, bool(options)))
        if width >= 512 or (width >= 128 and not options):
            raise RuntimeError("No valid triton configs. out of resource: shared memory\nRequired: 131072")

    monkeypatch.setattr(block_attention, "_try_out", try_out)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    block_attention.kernels_for.cache_clear()
    return tried


def test_smaller_kernels_are_taken_where_torchs_own_do_not_run(
    trying: list[tuple[torch.dtype, bool]],
) -> None:
    assert kernels_for(CUDA, 64) == ({}, None)
    assert trying == [(torch.float32, False), (torch.bfloat16, False)]
    found, reason = kernels_for(CUDA, 128)
    assert (set(found), reason) == ({torch.float32, torch.bfloat16}, None)
    assert all(options["BLOCK_M"] == 32 for options in found.values())
    count = len(trying)
    kernels_for(CUDA, 128)
    assert len(trying) == count, "once for each process"


def test_auto_says_why_it_does_not_attend_in_blocks_and_flex_fails_at_once(
    trying: list[tuple[torch.dtype, bool]], caplog: pytest.LogCaptureFixture
) -> None:
    wide = {"d_model": 1024, "n_heads": 2, "d_ff": 8}
    assert "FlexAttention" in GPT2Workload(config_of("both", **wide | {"n_heads": 4}), CUDA).engine
    assert not caplog.records
    assert "scaled-dot-product" in GPT2Workload(config_of("both", **wide), CUDA).engine
    said = "RuntimeError: No valid triton configs. out of resource: shared memory"
    (record,) = caplog.records
    assert record.getMessage() == f"FlexAttention does not run on this GPU and is not used: {said}"
    with pytest.raises(RuntimeError, match=r"set attention: sdpa; RuntimeError: No valid"):
        _ = GPT2Workload(config_of("both", attention="flex", **wide), CUDA).engine


def test_options_of_kernels_change_no_result() -> None:
    query, key, value = (torch.randn(1, 2, 200, 8) for _ in range(3))
    mask = block_mask(200, None, torch.tensor([30]), CPU)
    small = attend_in_blocks(CPU, {torch.float32: block_attention._SMALL})
    torch.testing.assert_close(
        small(query, key, value, mask, 0.3), attend_in_blocks(CPU)(query, key, value, mask, 0.3)
    )


@pytest.mark.gpu
@pytest.mark.parametrize("width", [16, 64, 128, 256])
def test_some_kernels_run_on_a_gpu_whatever_the_heads_width(width: int) -> None:
    assert kernels_for(CUDA, width)[1] is None


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_gpu_both_ways_have_the_same_loss_and_gradients(kind: str, precision: str) -> None:
    device = torch.device("cuda")
    found = []
    for attention in ("sdpa", "flex"):
        config = config_of(kind, attention=attention, context=200)
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"):
            found.append(loss_and_logits(config, device)[1:])
    (first_loss, first), (second_loss, second) = found
    close = 0.02 if precision == "bf16" else 1e-3
    torch.testing.assert_close(second_loss, first_loss, rtol=close, atol=close)
    assert float((second - first).norm() / first.norm()) < 2 * close
    assert bool(first.any())


@pytest.mark.gpu
def test_auto_attends_in_blocks_on_a_gpu_where_there_is_a_mask() -> None:
    device = torch.device("cuda")
    engines = {kind: GPT2Workload(config_of(kind), device).engine for kind in KINDS}
    assert {kind: "Flex" in engine for kind, engine in engines.items()} == {
        kind: kind != "causal" for kind in KINDS
    }


# A growing window


def test_without_a_window_attention_reaches_the_whole_context() -> None:
    config = GPT2Config(context=50, steps=9)
    assert {config.window_at(step) for step in range(1, 10)} == {50}


def test_a_window_grows_evenly_from_its_first_to_its_last() -> None:
    config = GPT2Config(window=(4, 12), steps=5)
    assert [config.window_at(step) for step in range(1, 6)] == [4, 6, 8, 10, 12]
    assert GPT2Config(window=(4, 12), steps=1).window_at(1) == 12
    assert {GPT2Config(window=(7, 7), steps=5).window_at(step) for step in range(1, 6)} == {7}


@settings(max_examples=200)
@given(steps=st.integers(2, 400), first=st.integers(1, 100), growth=st.integers(0, 2000))
def test_a_windows_growth_is_rounded_up_and_nothing_else(steps: int, first: int, growth: int) -> None:
    config = GPT2Config(window=(first, first + growth), steps=steps, context=128)
    reach = [config.window_at(step) for step in range(1, steps + 1)]
    assert (reach[0], reach[-1]) == (first, first + growth)
    assert reach == sorted(reach)
    for done, tokens in enumerate(reach):
        # tokens - 1 < first + growth * done / (steps - 1) <= tokens
        assert (tokens - first - 1) * (steps - 1) < growth * done <= (tokens - first) * (steps - 1)


def test_no_rounding_adds_a_token_to_a_window() -> None:
    """In fractions 75 / 117 * 39 is a little more than 25."""
    assert GPT2Config(window=(1, 40), steps=118).window_at(76) == 26


@pytest.mark.parametrize("window", [(0, 4), (5, 4), [4], [1, 2, 3], ["1", 2], [1.5, 2]], ids=str)
def test_a_window_that_cannot_be_is_refused(window: Any) -> None:
    with pytest.raises(ValueError, match="window"):
        GPT2Config(window=window)


def test_a_window_that_limits_nothing_is_refused_and_one_that_does_so_at_first_is_not() -> None:
    with pytest.raises(ValueError, match=r"begin below context.*window=\[32, 64\], context=32"):
        GPT2Config(window=(32, 64), context=32)
    assert GPT2Config(window=(31, 64), context=32).window_at(1) == 31


def test_a_step_is_attended_to_in_its_window_and_validation_in_the_last() -> None:
    config = config_of("window", steps=10)
    workload = GPT2Workload(config, CPU)
    assert [set(workload.batch(step).window.tolist()) for step in (1, 2, 10)] == [{3}, {5}, {20}]
    seen: list[Tensor] = []

    class Watching(torch.nn.Module):
        def losses(self, tokens: Tensor, mask: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
            seen.append(mask)
            return torch.zeros(tokens.shape), targets == 0

    workload.validate(Watching())
    assert {int(mask.sum(-1).max()) for mask in seen} == {20}
    assert not any(bool(mask[:, :, 30, 10].any()) for mask in seen)
    assert all(bool(mask[:, :, 30, 11].all()) for mask in seen)
