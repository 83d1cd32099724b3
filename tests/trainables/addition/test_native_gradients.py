"""The native kernel computes what PyTorch's autograd does, for whatever shape and format is drawn."""

from __future__ import annotations

import os
import platform
import textwrap
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import torch
from helpers.native_kernels import (
    FORMATS,
    compiler,
    configurations,
    engines,
    gradients,
    needs_compiler,
    some_model,
    some_sequences,
    torch_logits,
    torch_loss,
)
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.native.compiler import Compiler
from trainables.addition.native.engine import NativeEngine
from trainables.addition.native.kernel_shape import shape_header
from trainables.transformer.shape import TransformerShape

pytestmark = needs_compiler

DRAWN = os.environ.get("PARETUNE_DRAWN_KERNELS")
"""How many of the drawn configurations to try; without it, as few as show every feature at least once."""

POOL = 2000
"""Drawn configurations to choose from; always the same ones, so that a second run finds kernels compiled."""

FLOAT64 = 1e-9
"""Largest error in float64, relative to the largest gradient of the same parameter or, where that is tiny
beside the others', to a millionth of the largest of all."""

FLOAT32, TIMES_PYTORCH = 1e-4, 10
"""Largest error in float32, relative likewise but to a hundredth, unless PyTorch is worse: norms of two
features lose most digits in any order of sums. Then it may be so many times PyTorch's error."""


def largest_error(found: dict[str, Tensor], right: dict[str, Tensor], floor: float) -> float:
    assert all(gradient.isfinite().all() for gradient in found.values())
    largest = max(gradient.abs().max().item() for gradient in right.values())
    return max(
        (found[name].double() - gradient).abs().max().item()
        / max(gradient.abs().max().item(), floor * largest)
        for name, gradient in right.items()
    )


def drawn(number: int) -> list[tuple[AdditionConfig, int]]:
    """Return configurations with sizes of batches, as drawn by Hypothesis without looking at any."""
    found: list[tuple[AdditionConfig, int]] = []

    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(config=configurations(), count=st.integers(1, 40))
    def draw(config: AdditionConfig, count: int) -> None:
        found.append((config, count))

    draw()
    return found


NUMBERS = ("position_rank", "rotary_width", "head_width", "qkv_rank", "output_rank", "ffn_rank")
"""Fields of which it matters whether they are there."""


def features(config: AdditionConfig) -> set[tuple[str, object]]:
    """Return what a configuration asks of the kernel: choices, switches, layers, heads and factors."""
    values = config.model_dump()
    chosen = {
        (name, value)
        for name, value in values.items()
        if isinstance(value, str | bool) or name in ("n_layers", "n_heads", "digits")
    }
    return chosen | {(name, values[name] is not None) for name in NUMBERS}


def covering(pool: list[tuple[AdditionConfig, int]]) -> list[tuple[AdditionConfig, int]]:
    """Choose, one after the other, what shows most features that none before has shown."""
    chosen, missing = [], set().union(*(features(config) for config, _ in pool))
    while missing:
        best = max(pool, key=lambda drawn: len(features(drawn[0]) & missing))
        chosen.append(best)
        missing -= features(best[0])
    return chosen


def test_few_kernels_show_every_choice_that_a_configuration_has() -> None:
    few = covering(drawn(POOL))
    assert len(few) <= 16
    shown = set().union(*(features(config) for config, _ in few))
    fields = AdditionConfig.model_fields
    for name in TransformerShape.model_fields:
        if get_origin(fields[name].annotation) is Literal:
            missing = {(name, option) for option in get_args(fields[name].annotation)} - shown
            assert not missing, missing
    for name in ("format", "answer_order", "answer_length"):
        assert {option for field, option in shown if field == name} >= {
            options[name] for options in FORMATS if name in options
        }
    assert {(name, is_there) for name in NUMBERS for is_there in (False, True)} <= shown


def test_loss_gradients_and_logits_agree_with_autograd() -> None:
    for config, count in drawn(int(DRAWN)) if DRAWN else covering(drawn(POOL)):
        print(count, "sequences of", config)  # shown where it fails
        assert_agrees_with_autograd(config, count)


def assert_agrees_with_autograd(config: AdditionConfig, count: int) -> None:
    double, single = engines(config)
    model, sequences = some_model(config).double(), some_sequences(config, count)
    loss, logits = torch_loss(config, model, sequences), torch_logits(config, model, sequences)
    right = gradients(loss, model)

    native = double.loss(model, sequences)
    assert native.item() == pytest.approx(loss.item(), rel=FLOAT64)
    assert largest_error(gradients(native, model), right, floor=1e-6) < FLOAT64
    torch.testing.assert_close(double.logits(model, sequences), logits.detach(), rtol=FLOAT64, atol=FLOAT64)

    model.float()
    native, ours = single.loss(model, sequences), torch_loss(config, model, sequences)
    assert native.item() == pytest.approx(loss.item(), rel=1e-4)
    of_pytorch = largest_error(gradients(ours, model), right, floor=1e-2)
    allowed = max(FLOAT32, TIMES_PYTORCH * of_pytorch)
    assert largest_error(gradients(native, model), right, floor=1e-2) < allowed
    off = (torch_logits(config, model, sequences) - logits).abs().max().item()
    found = single.logits(model, sequences).double()
    assert (found - logits).abs().max().item() < max(FLOAT32, TIMES_PYTORCH * off)


PUBLISHED = {
    "777": {"digits": 10, "d_model": 7, "d_ff": 14},
    "1,360": {"digits": 10, "d_model": 8, "d_ff": 32, "ffn_bias": True, "tied_embeddings": False},
    "two layers": {"digits": 10, "d_model": 16, "n_heads": 2, "n_layers": 2, "d_ff": 64},
    "62": {
        "digits": 10,
        "format": "aligned",
        "d_model": 3,
        "head_width": 4,
        "embedding": "arc",
        "position": "rotary",
        "rope_theta": 3.0,
        "norm": "rmsnorm",
        "qk_norm": "separate",
        "value_projection": "query",
        "output_projection": "query_transposed",
        "d_ff": 2,
        "activation": "swiglu",
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("count", [1, 15, 16, 17, 512])
def test_ten_digit_models_agree_with_autograd(name: str, count: int) -> None:
    """Longer sequences than the drawn ones, and batches around the width of a vector."""
    config = AdditionConfig.model_validate(PUBLISHED[name])
    double, _ = engines(config)
    model, sequences = some_model(config).double(), some_sequences(config, count)
    loss = torch_loss(config, model, sequences)
    native = double.loss(model, sequences)
    assert native.item() == pytest.approx(loss.item(), rel=FLOAT64)
    assert largest_error(gradients(native, model), gradients(loss, model), floor=1e-6) < FLOAT64


@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3"])
def test_narrower_vectors_give_the_same(processor: str) -> None:
    """SSE and AVX2, where this machine has them."""
    native = compiler()
    config = AdditionConfig.model_validate(PUBLISHED["two layers"])
    if platform.machine() != "x86_64" or (processor.endswith("v3") and not _has_avx2()):
        pytest.skip(f"this machine does not run {processor}")
    narrow = NativeEngine(config, Compiler(native.path, native.version, processor))
    wide = NativeEngine(config, native)
    model, sequences = some_model(config), some_sequences(config, 50)
    a, b = narrow.loss(model, sequences), wide.loss(model, sequences)
    assert a.item() == pytest.approx(b.item(), rel=1e-5)
    right = {name: gradient.double() for name, gradient in gradients(b, model).items()}
    assert largest_error(gradients(a, model), right, floor=1e-2) < FLOAT32


def _has_avx2() -> bool:
    return torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def test_a_gradient_is_scaled_by_what_comes_from_above() -> None:
    config = AdditionConfig.model_validate(PUBLISHED["777"])
    engine, _ = engines(config)
    model, sequences = some_model(config).double(), some_sequences(config, 3)
    once = gradients(engine.loss(model, sequences), model)
    thrice = gradients(3 * engine.loss(model, sequences), model)
    for name, gradient in once.items():
        torch.testing.assert_close(thrice[name], 3 * gradient)


def test_a_second_derivative_is_refused() -> None:
    """The gradient is computed without a graph of its own; a wrong one would be worse than none."""
    config = AdditionConfig.model_validate(PUBLISHED["777"])
    engine, _ = engines(config)
    model = some_model(config).double()
    loss = engine.loss(model, some_sequences(config, 3))
    weight = next(model.parameters())
    (gradient,) = torch.autograd.grad(loss, [weight], create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        gradient.sum().backward()


def test_kernels_of_different_shapes_live_side_by_side() -> None:
    """Their functions have the same names; only the four that Python calls are visible."""
    configs = [AdditionConfig.model_validate(PUBLISHED[name]) for name in ("777", "1,360", "62")]
    built = [engines(config)[0] for config in configs]
    for _ in range(2):
        for config, engine in zip(configs, built, strict=True):
            model, sequences = some_model(config).double(), some_sequences(config, 5)
            right = torch_loss(config, model, sequences).item()
            assert engine.loss(model, sequences).item() == pytest.approx(right, rel=FLOAT64)


def test_without_gradients_the_loss_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    config = AdditionConfig.model_validate(PUBLISHED["777"])
    engine, _ = engines(config)
    model, sequences = some_model(config).double(), some_sequences(config, 20)
    asked = []
    compute = engine.loss_and_gradient

    def watched(
        weights: list[Tensor], tokens: Tensor, *, needs_gradient: bool
    ) -> tuple[float, Tensor | None]:
        asked.append(needs_gradient)
        return compute(weights, tokens, needs_gradient=needs_gradient)

    monkeypatch.setattr(engine, "loss_and_gradient", watched)
    with torch.no_grad():
        quick = engine.loss(model, sequences)
    assert not quick.requires_grad
    assert asked == [False]
    assert quick.item() == engine.loss(model, sequences).item()


def test_the_activation_that_the_documentation_adds_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """The very text of docs/native-engine.md, compiled and compared with PyTorch's own."""
    page = (Path(__file__).parents[3] / "docs" / "native-engine.md").read_text(encoding="utf-8")
    struct = textwrap.dedent(page.split("```cpp\n")[1].split("```")[0])
    config = AdditionConfig.model_validate(PUBLISHED["777"])
    header = shape_header(config).replace("using Activation = Gelu;", f"{struct}\nusing Activation = Elu;")
    assert "Gelu" not in header
    monkeypatch.setattr("trainables.addition.native.engine.shape_header", lambda config: header)
    engine = NativeEngine(config, compiler(), dtype=torch.float64)
    model, sequences = some_model(config).double(), some_sequences(config, 20)
    model.blocks[0].feed_forward.activation = torch.nn.functional.elu  # type: ignore[union-attr]
    loss = torch_loss(config, model, sequences)
    native = engine.loss(model, sequences)
    assert native.item() == pytest.approx(loss.item(), rel=FLOAT64)
    assert largest_error(gradients(native, model), gradients(loss, model), floor=1e-6) < FLOAT64
