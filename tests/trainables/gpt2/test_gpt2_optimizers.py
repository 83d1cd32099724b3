"""Which parameter of a GPT-2 is stepped by what, at what rate; Muon's step; its state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from helpers.gpt2_shapes import COMBINATIONS, CORRECTED_SWITCHES, ONE_SWITCH, PUBLISHED_SWITCHES
from helpers.optimizers import through_a_file
from helpers.training import same_tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainables.gpt2.config import GPT2Config
from trainables.gpt2.masks import attend_dense
from trainables.gpt2.model import GPT2
from trainables.gpt2.optimizers import parameter_groups
from trainables.optim.optimization import MomentumRise, Optimization, ParameterGroup
from trainables.optim.schedules import rate_at

SIZE = {"vocabulary": 11, "context": 7, "n_layers": 4, "d_model": 16, "n_heads": 2, "d_ff": 10}
SWITCHES: list[dict[str, Any]] = [{}, *ONE_SWITCH, *COMBINATIONS]


def config_of(**changed: Any) -> GPT2Config:
    return GPT2Config.model_validate({**SIZE, "steps": 20, **changed})


def model_of(config: GPT2Config) -> GPT2:
    torch.manual_seed(1)
    return GPT2(config, attend_dense)


def loss_at(step: int, model: GPT2) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    tokens = torch.randint(model.shape.vocabulary, (3, 1 + model.shape.context), generator=generator)
    logits = model(tokens[:, :-1], None)
    return nn.functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())


def stepped(optimization: Optimization, model: GPT2, config: GPT2Config, steps: range) -> None:
    for step in steps:
        optimization.differentiate([loss_at(step, model)])
        optimization.step(
            number=step,
            rate=rate_at(step, config),
            weight_decay=config.weight_decay_at(step),
        )


def groups_of(config: GPT2Config) -> dict[str, tuple[ParameterGroup, list[str]]]:
    """Return the groups by their names, with the names of their parameters."""
    model = model_of(config)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, config)
    assert len({group.name for group in groups}) == len(groups)
    return {group.name: (group, [names[id(p)] for p in group.parameters]) for group in groups}


# Each in one


@pytest.mark.parametrize("optimizer", ["adamw", "grouped_adamw", "muon"])
@pytest.mark.parametrize("changed", SWITCHES, ids=str)
def test_every_trained_parameter_is_in_one_group_of_one_optimizer(
    changed: dict[str, Any], optimizer: str
) -> None:
    config = config_of(**changed, optimizer=optimizer)
    model = model_of(config)
    groups = parameter_groups(model, config)
    grouped = [id(parameter) for group in groups for parameter in group.parameters]
    assert len(grouped) == len(set(grouped))
    left_out = {name for name, parameter in model.named_parameters() if id(parameter) not in grouped}
    assert left_out == ({"smear_gate.weight"} if config.smear_gate == "published" else set())
    stepped_by = {
        kind: {id(p) for group in groups if group.optimizer == kind for p in group.parameters}
        for kind in ("adamw", "muon")
    }
    assert not stepped_by["adamw"] & stepped_by["muon"]
    assert bool(stepped_by["muon"]) == (optimizer == "muon")


@pytest.mark.parametrize("changed", SWITCHES, ids=str)
def test_muon_steps_the_blocks_matrices_and_nothing_else(changed: dict[str, Any]) -> None:
    groups = groups_of(config_of(**changed, optimizer="muon"))
    assert set(groups) == {"matrices", "embeddings", "head", "scalars"}
    for name, (group, parameters) in groups.items():
        assert group.optimizer == ("muon" if name == "matrices" else "adamw")
        for parameter, weight in zip(parameters, group.parameters, strict=True):
            if parameter.startswith(("embedding.", "value_embeddings.")) or parameter == "positions":
                assert name == "embeddings"
            elif parameter == "head.weight":
                assert name == "head"
            elif parameter.startswith("blocks.") and weight.ndim == 2:
                assert name == "matrices"
            else:
                assert name == "scalars"
                assert weight.ndim < 2 or parameter == "smear_gate.weight"


@pytest.mark.parametrize("changed", SWITCHES, ids=str)
def test_adamw_decays_what_has_two_dimensions_and_nothing_else(changed: dict[str, Any]) -> None:
    for name, (group, _) in groups_of(config_of(**changed, beta1=0.7, beta2=0.8)).items():
        assert group.decays == (name == "matrices")
        assert {weight.ndim >= 2 for weight in group.parameters} <= {group.decays}
        assert (group.optimizer, group.rate_ratio, group.betas) == ("adamw", 1.0, (0.7, 0.8))


@pytest.mark.parametrize("optimizer", ["adamw", "grouped_adamw", "muon"])
@pytest.mark.parametrize("changed", SWITCHES, ids=str)
def test_every_parameter_with_a_gradient_is_moved(changed: dict[str, Any], optimizer: str) -> None:
    """What the groups promise, seen on the weights; what no gradient reaches stays as it was."""
    config = config_of(**changed, optimizer=optimizer)
    model = model_of(config)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimization = Optimization(parameter_groups(model, config), config)
    stepped(optimization, model, config, range(1, 5))
    still = {name for name, weight in model.named_parameters() if torch.equal(weight, before[name])}
    expected = set()
    if config.smear_gate == "published":
        expected.add("smear_gate.weight")
    if config.value_embeddings == "published":
        expected |= {"value_embeddings.1.weight", "value_embeddings.2.weight"}
    assert still == expected


# What the published run never trained


def gradients_after(config: GPT2Config, steps: int) -> Mapping[str, Tensor | None]:
    model = model_of(config)
    optimization = Optimization(parameter_groups(model, config), config)
    stepped(optimization, model, config, range(1, steps + 1))
    return {name: weight.grad for name, weight in model.named_parameters()}


LAYERS = {"n_layers": 12, "without_attention": (0, 7), "without_mlp": (0,), "optimizer": "muon"}


def test_in_the_published_run_two_tables_and_the_smear_gate_get_no_gradient() -> None:
    gradients = gradients_after(config_of(**PUBLISHED_SWITCHES, **LAYERS), 4)
    dead = {name for name, gradient in gradients.items() if gradient is None}
    assert dead == {"value_embeddings.1.weight", "value_embeddings.2.weight", "smear_gate.weight"}


def test_in_the_corrected_form_every_parameter_gets_a_gradient_after_a_few_steps() -> None:
    gradients = gradients_after(config_of(**CORRECTED_SWITCHES, **LAYERS), 4)
    dead = {name for name, gradient in gradients.items() if gradient is None or not bool(gradient.any())}
    assert dead == set()


# Rates


def test_the_published_rates_are_the_groups_rates() -> None:
    groups = groups_of(config_of(**CORRECTED_SWITCHES, optimizer="muon"))
    rates = {name: group.rate_ratio * 0.05 for name, (group, _) in groups.items()}
    assert rates == pytest.approx({"matrices": 0.05, "embeddings": 0.6, "head": 0.008, "scalars": 0.04})
    assert [name for name, (group, _) in groups.items() if group.decays] == ["matrices"]
    assert {group.eps for group, _ in groups.values() if group.optimizer == "adamw"} == {1e-10}


def test_grouped_adamw_differs_from_muon_in_what_steps_the_matrices_only() -> None:
    """So what Muon is worth can be told from what rates of their own for embeddings and head are worth."""
    by_muon = groups_of(config_of(**CORRECTED_SWITCHES, optimizer="muon"))
    by_adamw = groups_of(
        config_of(**CORRECTED_SWITCHES, optimizer="grouped_adamw", lr=0.003, beta1=0.7, beta2=0.8)
    )
    assert by_adamw["matrices"][0].optimizer == "adamw"
    assert by_adamw["matrices"][0].rate_ratio == 1.0
    for name, (group, parameters) in by_muon.items():
        other, others = by_adamw[name]
        assert parameters == others
        assert (other.decays, other.betas, other.eps) == (group.decays, (0.7, 0.8), 1e-10)
        if name != "matrices":
            assert other.optimizer == group.optimizer
            assert other.rate_ratio * 0.003 == pytest.approx(group.rate_ratio * 0.05)


@pytest.mark.parametrize(
    ("optimizer", "unused"),
    [
        ("adamw", {"muon_lr", "muon_momentum", "embedding_lr", "head_lr", "scalar_lr"}),
        ("grouped_adamw", {"muon_lr", "muon_momentum"}),
        ("muon", {"lr"}),
    ],
)
def test_rates_of_another_optimizer_are_known_to_have_no_effect(optimizer: str, unused: set[str]) -> None:
    reasons = config_of(optimizer=optimizer).without_effect
    rates = {"lr", "muon_lr", "muon_momentum", "embedding_lr", "head_lr", "scalar_lr"}
    assert {name for name in rates if name in reasons} == unused


@pytest.mark.parametrize("schedule", ["constant", "constant_linear", "warmup_cosine"])
def test_every_groups_rate_follows_the_schedule(schedule: str) -> None:
    """Adam's first step moves a weight by its rate; Muon's moves a matrix in proportion to it."""
    config = config_of(**CORRECTED_SWITCHES, optimizer="muon", schedule=schedule, weight_decay=0.0)
    second = config_of(
        **CORRECTED_SWITCHES,
        optimizer="muon",
        weight_decay=0.0,
        second_pass={"share": 0.5, "lr": 0.025, "schedule": "constant"},
    )
    assert rate_at(20, second) == 0.025, "a second pass states that of the matrices, as the first does"
    for step in (1, 7, 20):
        height = rate_at(step, config) / config.muon_lr
        assert 0 < height <= 1
        model = model_of(config)
        before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        optimization = Optimization(parameter_groups(model, config), config)
        # The gradient of the sum of all weights is 1 everywhere.
        loss = sum((weight.sum() for weight in model.parameters()), torch.zeros(()))
        optimization.differentiate([loss])
        optimization.step(number=step, rate=rate_at(step, config), weight_decay=0.0)
        expected = {"embedding.weight": 0.6, "head.weight": 0.008, "skips": 0.04, "smear_gate.weight": 0.04}
        moved = {name: before[name] - weight.detach() for name, weight in model.named_parameters()}
        for name, rate in expected.items():
            assert moved[name].mean().item() == pytest.approx(rate * height, rel=1e-3), name
        # A matrix of ones has one direction, which Newton and Schulz bring to a size of about 1.
        size = moved["blocks.0.attention.query.weight"].norm().item()
        assert 0.6 < size / (0.05 * height) < 1.3


@pytest.mark.parametrize("optimizer", ["adamw", "grouped_adamw", "muon"])
def test_without_gradients_decay_shrinks_what_decays(optimizer: str) -> None:
    config = config_of(**CORRECTED_SWITCHES, optimizer=optimizer, weight_decay=0.5)
    model = model_of(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(1.0)
    flat = sum((weight.sum() * 0 for weight in model.parameters()), torch.zeros(()))
    optimization = Optimization(parameter_groups(model, config), config)
    optimization.differentiate([flat])
    optimization.step(number=1, rate=0.1, weight_decay=0.5)
    for name, (group, parameters) in groups_of(config).items():
        for parameter in parameters:
            expected = 1 - 0.1 * 0.5 if group.decays else 1.0
            assert model.get_parameter(parameter).mean().item() == pytest.approx(expected), (name, parameter)


# Muon's step


def orthogonalised(matrix: Tensor) -> Tensor:
    """Newton and Schulz's five iterations with Keller Jordan's coefficients, in bf16 as his."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).float()


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("shape", [(6, 6), (12, 3), (3, 12)], ids=str)
def test_muons_steps_equal_those_written_out_by_hand(shape: tuple[int, int], decay: float) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = nn.Parameter(torch.randn(*shape, generator=generator))
    by_hand, buffer = weight.detach().clone(), torch.zeros(*shape)
    rise = MomentumRise(begin=0.85, end=0.95, steps=4)
    group = ParameterGroup(name="m", parameters=[weight], optimizer="muon", momentum=rise, rate_ratio=2.0)
    optimization = Optimization([group], config_of(grad_clip=0.0))
    for step in range(1, 7):
        direction = torch.randn(*shape, generator=generator)
        rate = 0.1 / step
        optimization.differentiate([(weight * direction).sum()])
        optimization.step(number=step, rate=rate, weight_decay=decay)
        momentum = rise.at(step)
        buffer = momentum * buffer + (1 - momentum) * direction
        update = (1 - momentum) * direction + momentum * buffer
        scale = max(1, shape[0] / shape[1]) ** 0.5
        by_hand = by_hand * (1 - 2 * rate * decay) - 2 * rate * scale * orthogonalised(update)
        # bf16 rounds at 1/256, and by hand in another order.
        torch.testing.assert_close(weight.detach(), by_hand, rtol=0, atol=0.03 * scale)


@pytest.mark.parametrize("shape", [(8, 8), (16, 4), (4, 16)], ids=str)
def test_muons_update_has_singular_values_about_one_whatever_the_gradients_are(
    shape: tuple[int, int],
) -> None:
    for size in (1e-3, 1e3):
        weight = nn.Parameter(torch.zeros(*shape))
        direction = size * torch.randn(*shape, generator=torch.Generator().manual_seed(2))
        optimization = Optimization(
            [ParameterGroup(name="m", parameters=[weight], optimizer="muon")], config_of(grad_clip=0.0)
        )
        optimization.differentiate([(weight * direction).sum()])
        optimization.step(number=1, rate=1.0, weight_decay=0.0)
        values = torch.linalg.svdvals(weight.detach()) / max(1, shape[0] / shape[1]) ** 0.5
        assert 0.5 < values.min().item() <= values.max().item() < 1.3
        assert (weight.detach() * direction).sum() < 0, "downhill"


def test_momentum_rises_from_its_first_value_to_its_last() -> None:
    group, _ = groups_of(config_of(optimizer="muon"))["matrices"]
    assert group.momentum.at(1) == pytest.approx(0.85)
    assert group.momentum.at(151) == pytest.approx(0.9)
    assert group.momentum.at(301) == group.momentum.at(5000) == pytest.approx(0.95)
    assert MomentumRise(begin=0.2, end=0.9, steps=0).at(1) == pytest.approx(0.9)


@settings(max_examples=100)
@given(steps=st.integers(0, 500), begin=st.floats(0, 0.99), end=st.floats(0, 0.99))
def test_a_momentum_stays_between_its_ends(steps: int, begin: float, end: float) -> None:
    rise = MomentumRise(begin=begin, end=end, steps=steps)
    seen = [rise.at(step) for step in range(1, 600)]
    assert min(begin, end) - 1e-9 <= min(seen) <= max(seen) <= max(begin, end) + 1e-9
    assert seen[-1] == pytest.approx(end)


def test_the_momentum_of_a_step_is_that_which_muon_uses() -> None:
    config = config_of(optimizer="muon", momentum_warmup=10, momentum_start=0.5, muon_momentum=0.9)
    model = model_of(config)
    optimization = Optimization(parameter_groups(model, config), config)
    group, _ = groups_of(config)["matrices"]
    for step in (1, 5, 10, 12):
        stepped(optimization, model, config, range(step, step + 1))
        (settings_of,) = optimization.state_dict()["muon"]["param_groups"]
        assert settings_of["momentum"] == pytest.approx(group.momentum.at(step))
        assert settings_of["lr"] == pytest.approx(rate_at(step, config))


def test_clipping_bounds_the_gradient_of_all_optimizers_together() -> None:
    config = config_of(optimizer="muon", grad_clip=0.01)
    model = model_of(config)
    stepped(Optimization(parameter_groups(model, config), config), model, config, range(1, 2))
    squares = [float((w.grad**2).sum()) for w in model.parameters() if w.grad is not None]
    assert math.sqrt(sum(squares)) == pytest.approx(0.01, rel=1e-4)


# Its state


@pytest.mark.parametrize("gain", [0.0, 1.0])
@pytest.mark.parametrize("done", [0, 1, 5])
@pytest.mark.parametrize("changed", [{}, PUBLISHED_SWITCHES, CORRECTED_SWITCHES], ids=["plain", "p", "c"])
def test_going_on_with_muon_from_a_saved_state_equals_never_having_stopped(
    changed: dict[str, Any], done: int, gain: float
) -> None:
    config = config_of(**changed, optimizer="muon", momentum_warmup=8, weight_decay=0.1, grokfast_lamb=gain)
    model = model_of(config)
    optimization = Optimization(parameter_groups(model, config), config)
    stepped(optimization, model, config, range(1, 1 + done))
    state, weights = through_a_file(optimization.state_dict()), through_a_file(model.state_dict())
    stepped(optimization, model, config, range(1 + done, 10))

    resumed_model = model_of(config)
    resumed_model.load_state_dict(weights)
    resumed = Optimization(parameter_groups(resumed_model, config), config)
    resumed.load_state_dict(state)
    stepped(resumed, resumed_model, config, range(1 + done, 10))
    assert same_tensors(dict(resumed_model.state_dict()), dict(model.state_dict()))
    assert same_tensors(resumed.state_dict(), optimization.state_dict())


@pytest.mark.parametrize("part", ["adamw", "muon"])
def test_each_optimizers_state_matters(part: str) -> None:
    config = config_of(optimizer="muon")

    def trained(forget: str | None) -> dict[str, Any]:
        model = model_of(config)
        optimization = Optimization(parameter_groups(model, config), config)
        stepped(optimization, model, config, range(1, 6))
        state = through_a_file(optimization.state_dict())
        fresh = Optimization(parameter_groups(model, config), config)
        if forget is not None:
            state[forget] = fresh.state_dict()[forget]
        fresh.load_state_dict(state)
        stepped(fresh, model, config, range(6, 9))
        return dict(model.state_dict())

    assert not same_tensors(trained(None), trained(part))
