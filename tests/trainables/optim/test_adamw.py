"""Our AdamW beside PyTorch's: the same bits and files, without PyTorch's compilers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from helpers.optimizers import through_a_file
from torch import Tensor, nn

from trainables.optim.adamw import AdamW

SETTINGS: list[dict[str, Any]] = [{"betas": (0.9, 0.99), "eps": 1e-8}, {"betas": (0.8, 0.999), "eps": 1e-6}]


def weights() -> list[list[nn.Parameter]]:
    """Return two groups of weights, of two types; the last never has a gradient."""
    generator = torch.Generator().manual_seed(5)

    def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
        return nn.Parameter(torch.randn(*shape, generator=generator, dtype=dtype))

    return [[drawn(5, 3), drawn(7, dtype=torch.float64)], [drawn(4), drawn(2, 2)]]


def of_both() -> tuple[AdamW, torch.optim.AdamW]:
    """Return our optimizer and PyTorch's, each of weights of its own that begin alike."""
    ours, theirs = (
        [{"params": params, **settings} for params, settings in zip(weights(), SETTINGS, strict=True)]
        for _ in range(2)
    )
    return AdamW(ours), torch.optim.AdamW(theirs, fused=True)


def parameters_of(optimizer: Any) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def take_steps(optimizer: Any, steps: range) -> None:
    for step in steps:
        optimizer.zero_grad()
        for number, weight in enumerate(parameters_of(optimizer)[:-1]):
            weight.grad = torch.sin(weight.detach() * (step + number))
        for group in optimizer.param_groups:
            group["lr"], group["weight_decay"] = 0.01 / (1 + step), 0.1 * (step % 2)
        optimizer.step()


def test_steps_are_pytorchs_to_the_bit() -> None:
    ours, theirs = of_both()
    before = [weight.detach().clone() for weight in parameters_of(ours)]
    take_steps(ours, range(1, 30))
    take_steps(theirs, range(1, 30))
    for start, own, other in zip(before, parameters_of(ours), parameters_of(theirs), strict=True):
        assert torch.equal(own, other)
        assert (own.grad is None) == torch.equal(own, start)


@pytest.mark.parametrize("from_theirs", [True, False])
def test_a_state_is_loaded_by_the_other_optimizer(from_theirs: bool) -> None:
    ours, theirs = of_both()
    first, second = (theirs, ours) if from_theirs else (ours, theirs)
    take_steps(first, range(1, 10))
    second.load_state_dict(through_a_file(first.state_dict()))
    with torch.no_grad():
        for own, other in zip(parameters_of(first), parameters_of(second), strict=True):
            other.copy_(own)
    take_steps(first, range(10, 20))
    take_steps(second, range(10, 20))
    for own, other in zip(parameters_of(first), parameters_of(second), strict=True):
        assert torch.equal(own, other)
    assert first.state_dict()["state"].keys() == second.state_dict()["state"].keys() == {0, 1, 2}


def test_the_count_of_steps_stays_in_float32_with_other_weights() -> None:
    ours, _ = of_both()
    take_steps(ours, range(1, 3))
    again, _ = of_both()
    again.load_state_dict(through_a_file(ours.state_dict()))
    states = [again.state[weight] for weight in parameters_of(again)[:2]]
    assert [state["step"].dtype for state in states] == [torch.float32, torch.float32]
    assert [state["exp_avg"].dtype for state in states] == [torch.float32, torch.float64]


def test_a_state_of_other_groups_is_refused() -> None:
    ours, _ = of_both()
    with pytest.raises(ValueError, match=r"the saved groups have \[4\] parameters, but these have \[2, 2\]"):
        ours.load_state_dict(AdamW([{"params": parameters_of(ours), **SETTINGS[0]}]).state_dict())


def test_a_trial_without_a_compiled_model_does_not_import_pytorchs_compilers() -> None:
    program = (
        "import sys\n"
        "from helpers.training import adder, run\n"
        "from trainables.tasks import get_task\n"
        "run(get_task('addition'), adder(steps=2, engine='torch'))\n"
        "print([name for name in ('torch._dynamo', 'torch._inductor', 'sympy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr
