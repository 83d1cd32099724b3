"""A step of the optimizer, against the same written out by hand, and its state, which must carry on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.optimizers import through_a_file
from helpers.training import same_tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.optim.optimization import Optimization, SlowGradients, one_group

EPSILON = 1e-8


def small_model(dtype: torch.dtype = torch.float64) -> nn.Module:
    """Return a network whose gradients differ in size from layer to layer."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)


def loss_at(step: int, model: nn.Module) -> Tensor:
    """Return a loss whose gradient changes from step to step, now steep and now flat."""
    dtype = next(model.parameters()).dtype
    inputs = torch.linspace(-1, 1, 15, dtype=dtype).view(5, 3) * (1 + step % 3)
    return ((model(inputs) - math.sin(step)) ** 2).sum()


def rate_of(step: int) -> float:
    return 0.05 / (1 + step % 4)


def decay_of(step: int) -> float:
    return 0.5 if step % 2 else 0.0


def whole(model: nn.Module, config: TrainingConfig) -> Optimization:
    """Return what optimizes all parameters alike."""
    return Optimization(one_group(model, config), config)


def stepped(optimization: Optimization, model: nn.Module, steps: range) -> None:
    for step in steps:
        optimization.differentiate([loss_at(step, model)])
        optimization.step(number=step, rate=rate_of(step), weight_decay=decay_of(step))


def stepped_by_hand(model: nn.Module, config: TrainingConfig, steps: int) -> None:
    """Slow gradients, clipping and AdamW, as their papers write them."""
    weights = list(model.parameters())
    mean = [torch.zeros_like(weight) for weight in weights]
    square = [torch.zeros_like(weight) for weight in weights]
    slow: list[Tensor] = []
    for step in range(1, steps + 1):
        gradients = list(torch.autograd.grad(loss_at(step, model), weights))
        if config.grokfast_lamb > 0:
            decay = config.grokfast_alpha
            before = slow or gradients
            slow = [decay * s + (1 - decay) * g for s, g in zip(before, gradients, strict=True)]
            gradients = [g + config.grokfast_lamb * s for g, s in zip(gradients, slow, strict=True)]
        if config.grad_clip > 0:
            norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
            gradients = [g * min(1.0, config.grad_clip / (norm + 1e-6)) for g in gradients]
        with torch.no_grad():
            for index, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
                mean[index] = config.beta1 * mean[index] + (1 - config.beta1) * gradient
                square[index] = config.beta2 * square[index] + (1 - config.beta2) * gradient**2
                direction = (mean[index] / (1 - config.beta1**step)) / (
                    (square[index] / (1 - config.beta2**step)).sqrt() + EPSILON
                )
                decayed = weight * (1 - rate_of(step) * decay_of(step))
                weight.copy_(decayed - rate_of(step) * direction)


# A step


@pytest.mark.parametrize("gain", [0.0, 2.0])
@pytest.mark.parametrize("clip", [0.0, 0.5, 1e9])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.95), (0.8, 0.0)])
def test_steps_equal_those_written_out_by_hand(gain: float, clip: float, betas: tuple[float, float]) -> None:
    config = TrainingConfig(
        lr=123.0,  # not used: every step states its own
        beta1=betas[0],
        beta2=betas[1],
        grad_clip=clip,
        grokfast_lamb=gain,
        grokfast_alpha=0.7,
    )
    model, by_hand = small_model(), small_model()
    before = [weight.detach().clone() for weight in model.parameters()]
    stepped(whole(model, config), model, range(1, 9))
    stepped_by_hand(by_hand, config, 8)
    for weight, expected, was in zip(model.parameters(), by_hand.parameters(), before, strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-9, atol=1e-12)
        assert not torch.equal(weight, was)


def test_clipping_bounds_the_norm_of_the_whole_gradient_after_its_slow_part_was_added() -> None:
    for gain in (0.0, 5.0):
        model = small_model()
        config = TrainingConfig(grad_clip=0.25, grokfast_lamb=gain)
        optimization = whole(model, config)
        optimization.differentiate([loss_at(1, model)])
        optimization.step(number=1, rate=0.1, weight_decay=0.0)
        norm = math.sqrt(sum(float((w.grad**2).sum()) for w in model.parameters() if w.grad is not None))
        assert norm == pytest.approx(0.25, rel=1e-5)


def test_a_gradient_is_that_of_its_own_step_alone() -> None:
    """Without clearing, the second step would see the sum of two."""
    model = small_model()
    optimization = whole(model, TrainingConfig(grad_clip=0))
    optimization.differentiate([loss_at(1, model)])
    optimization.step(number=1, rate=0.0, weight_decay=0.0)
    optimization.differentiate([loss_at(2, model)])
    optimization.step(number=2, rate=0.0, weight_decay=0.0)
    expected = torch.autograd.grad(loss_at(2, model), list(model.parameters()))
    for weight, gradient in zip(model.parameters(), expected, strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad, gradient)


@pytest.mark.parametrize("rate", [0.0, 0.01, 1.0])
def test_without_a_gradient_weight_decay_alone_shrinks_the_weights(rate: float) -> None:
    model = small_model()
    before = [weight.detach().clone() for weight in model.parameters()]
    optimization = whole(model, TrainingConfig())
    for decay in (0.25, 0.0, 0.5):
        flat = sum((weight.sum() * 0 for weight in model.parameters()), torch.zeros(()))
        optimization.differentiate([flat])
        optimization.step(number=1, rate=rate, weight_decay=decay)
    for weight, was in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(weight, was * (1 - rate * 0.25) * (1 - rate * 0.5))


def test_every_parameter_is_decayed_biases_and_norms_too() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    nn.init.ones_(model[0].bias)
    nn.init.ones_(model[1].bias)
    before = [weight.detach().clone() for weight in model.parameters()]
    flat = sum((weight.sum() * 0 for weight in model.parameters()), torch.zeros(()))
    optimization = whole(model, TrainingConfig())
    optimization.differentiate([flat])
    optimization.step(number=1, rate=0.5, weight_decay=0.5)
    for weight, was in zip(model.parameters(), before, strict=True):
        torch.testing.assert_close(weight.detach(), was * 0.75)


# Slow gradients


@settings(max_examples=100)
@given(
    gain=st.floats(0.1, 10),
    decay=st.floats(0, 0.99),
    gradients=st.lists(st.floats(-10, 10), min_size=1, max_size=8),
)
def test_a_slow_gradient_is_the_gradient_and_a_multiple_of_its_average(
    gain: float, decay: float, gradients: list[float]
) -> None:
    slow = SlowGradients(gain, decay)
    average = gradients[0]
    for gradient in gradients:
        seen = torch.tensor([gradient, 0.0], dtype=torch.float64)
        slow.amplify([seen])
        average = decay * average + (1 - decay) * gradient
        expected = torch.tensor([gradient + gain * average, 0.0], dtype=torch.float64)
        torch.testing.assert_close(seen, expected, rtol=1e-9, atol=1e-9)


def test_a_gain_of_zero_keeps_no_averages() -> None:
    model = small_model()
    optimization = whole(model, TrainingConfig(grokfast_lamb=0.0))
    stepped(optimization, model, range(1, 3))
    assert optimization.state_dict()["grokfast"] == []


# Its state


@pytest.mark.parametrize("gain", [0.0, 2.0])
@pytest.mark.parametrize("done", [0, 1, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_going_on_from_a_saved_state_equals_never_having_stopped(
    gain: float, done: int, dtype: torch.dtype
) -> None:
    config = TrainingConfig(grokfast_lamb=gain, beta1=0.7, beta2=0.9)
    model = small_model(dtype)
    optimization = whole(model, config)
    stepped(optimization, model, range(1, 1 + done))
    state, weights = through_a_file(optimization.state_dict()), through_a_file(model.state_dict())
    stepped(optimization, model, range(1 + done, 10))

    resumed_model = small_model(dtype)
    resumed_model.load_state_dict(weights)
    resumed = whole(resumed_model, config)
    resumed.load_state_dict(state)
    stepped(resumed, resumed_model, range(1 + done, 10))
    assert same_tensors(dict(resumed_model.state_dict()), dict(model.state_dict()))
    assert same_tensors(resumed.state_dict(), optimization.state_dict())


@pytest.mark.parametrize("part", ["adamw", "grokfast"])
def test_each_part_of_the_state_matters(part: str) -> None:
    """Without this, a state that is thrown away would pass for one that goes on."""
    config = TrainingConfig(grokfast_lamb=2.0)

    def trained(forget: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        model = small_model()
        optimization = whole(model, config)
        stepped(optimization, model, range(1, 6))
        state = through_a_file(optimization.state_dict())
        forget(state)
        fresh = whole(model, config)
        fresh.load_state_dict(state)
        stepped(fresh, model, range(6, 9))
        return dict(model.state_dict())

    def forget(state: dict[str, Any]) -> None:
        state[part] = whole(small_model(), config).state_dict()[part]

    assert not same_tensors(trained(lambda state: None), trained(forget))


def test_there_is_an_average_for_each_parameter() -> None:
    model = small_model()
    optimization = whole(model, TrainingConfig(grokfast_lamb=1.0))
    stepped(optimization, model, range(1, 3))
    state = optimization.state_dict()
    assert set(state) == {"adamw", "grokfast"}
    assert [average.shape for average in state["grokfast"]] == [w.shape for w in model.parameters()]
