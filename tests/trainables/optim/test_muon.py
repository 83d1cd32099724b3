"""Our Muon beside PyTorch's: the same steps and files, in what the processor multiplies fast."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import torch
from helpers.optimizers import through_a_file
from helpers.training import CPU
from torch import Tensor, nn

from trainables.machines.execution import multiplies_bf16
from trainables.optim import muon
from trainables.optim.muon import Muon, describe, iteration_type, orthogonalize

SHAPES = [(6, 6), (6, 6), (12, 3), (3, 12), (3, 12), (5, 7), (7, 5), (1, 9), (4, 1)]
"""Alike and not, square and not, on both sides of where the iteration is on Gram matrices."""


def drawn(seed: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES]


def by_hand(matrix: Tensor) -> Tensor:
    """Newton and Schulz's five iterations with Keller Jordan's coefficients, as he writes them."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def take_steps(optimizer: Any, steps: range) -> None:
    (group,) = optimizer.param_groups
    for step in steps:
        for weight, direction in zip(group["params"], drawn(step), strict=True):
            weight.grad = direction.to(weight.dtype)
        group.update(lr=0.1 / step, weight_decay=0.2 * (step % 2), momentum=0.8 + 0.01 * step)
        optimizer.step()


# The iteration


@pytest.mark.parametrize("numbers", [1, 40, 2**24])
def test_the_iteration_is_the_one_written_by_hand(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many matrices are stacked, and whichever way needs fewer operations."""
    monkeypatch.setattr(muon, "_TOGETHER", numbers)
    matrices = drawn(1, torch.float64)
    for matrix, found in zip(matrices, orthogonalize(matrices, torch.float64), strict=True):
        torch.testing.assert_close(found, by_hand(matrix), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 40), (40, 160)], ids=str)
@pytest.mark.parametrize("least", [1.0, 1e-3, 1e-6])
def test_float32_is_closer_than_bf16_however_unequal_the_singular_values_are(
    shape: tuple[int, int], least: float
) -> None:
    generator = torch.Generator().manual_seed(3)
    whole = torch.randn(*shape, generator=generator, dtype=torch.float64)
    left, values, right = torch.linalg.svd(whole, full_matrices=False)
    values = torch.logspace(0, torch.tensor(least).log10().item(), len(values), dtype=torch.float64)
    matrix = left @ values.diag() @ right
    exact = by_hand(matrix)
    errors = {
        dtype: (orthogonalize([matrix], dtype)[0].double() - exact).norm() / exact.norm()
        for dtype in (torch.float32, torch.bfloat16)
    }
    assert errors[torch.float32] < 1e-3
    assert errors[torch.float32] < errors[torch.bfloat16] < 0.5


def test_a_matrix_does_not_touch_those_it_is_stacked_with() -> None:
    """Not even if it is not finite; and nothing becomes of a matrix of zeros."""
    matrices = drawn(1)
    expected = orthogonalize(matrices, torch.float32)
    matrices[0] = torch.full_like(matrices[0], torch.nan)
    matrices[3] = torch.zeros_like(matrices[3])
    found = orthogonalize(matrices, torch.float32)
    assert found[0].isnan().all()
    assert not found[3].any()
    for index in (1, 2, 4, 5, 6, 7, 8):
        assert torch.equal(found[index], expected[index])


# Its type


def test_it_is_bf16_where_that_is_multiplied_by_instructions_and_float32_elsewhere() -> None:
    has_it = "avx512_bf16" in torch.cpu.get_capabilities() and multiplies_bf16(CPU)
    assert iteration_type(CPU) == (torch.bfloat16 if has_it else torch.float32)
    assert iteration_type(CPU, torch.float64) == torch.float64
    assert describe(CPU).startswith("Muon in bf16" if has_it else "Muon in float32, since this processor")


@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_a_limit_of_onednns_instructions_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = multiplies_bf16(CPU)
    for limit in ("AVX2", "avx2", "AVX512_CORE", "AVX512_CORE_VNNI"):
        monkeypatch.setenv(name, limit)
        assert not multiplies_bf16(CPU)
    for limit in ("AVX512_CORE_BF16", "AVX512_CORE_AMX", "ALL", "DEFAULT", ""):
        monkeypatch.setenv(name, limit)
        assert multiplies_bf16(CPU) == unlimited


def test_a_machine_with_avx2_only_iterates_in_float32_and_imports_no_compilers() -> None:
    program = (
        "import sys, torch\n"
        "from helpers.training import CPU\n"
        "from trainables.optim.muon import Muon, describe\n"
        "weight = torch.nn.Parameter(torch.zeros(3, 4))\n"
        "weight.grad = torch.ones(3, 4)\n"
        "Muon([{'params': [weight], 'lr': 1.0}]).step()\n"
        "assert weight.any() and 'torch._dynamo' not in sys.modules\n"
        "print(describe(CPU))"
    )
    limits = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **limits},
    )
    assert done.stdout == "Muon in float32, since this processor has no bf16 arithmetic\n", done.stderr


# Steps and state


def of_both(dtype: torch.dtype = torch.float32) -> tuple[Muon, torch.optim.Muon]:
    ours, theirs = ([nn.Parameter(matrix) for matrix in drawn(0, dtype)] for _ in range(2))
    return Muon([{"params": ours}]), torch.optim.Muon(theirs, lr=0.0, weight_decay=0.0)


def assert_close_steps(ours: Muon, theirs: torch.optim.Muon) -> None:
    (own,), (other,) = ours.param_groups, theirs.param_groups
    for first, second in zip(own["params"], other["params"], strict=True):
        # PyTorch's iteration is in bf16, which rounds at 1/256 in each of some ten products.
        torch.testing.assert_close(first, second, rtol=0, atol=0.05)
        torch.testing.assert_close(
            ours.state[first]["momentum_buffer"], theirs.state[second]["momentum_buffer"]
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_steps_are_pytorchs_but_for_its_rounding(dtype: torch.dtype) -> None:
    ours, theirs = of_both(dtype)
    take_steps(ours, range(1, 12))
    take_steps(theirs, range(1, 12))
    assert_close_steps(ours, theirs)


def test_a_state_of_pytorchs_muon_is_resumed() -> None:
    """As checkpoints of earlier versions have it, its further settings included."""
    ours, theirs = of_both()
    take_steps(theirs, range(1, 6))
    ours.load_state_dict(through_a_file(theirs.state_dict()))
    assert set(ours.state_dict()["param_groups"][0]) == {"params", "lr", "weight_decay", "momentum"}
    with torch.no_grad():
        for own, other in zip(ours.param_groups[0]["params"], theirs.param_groups[0]["params"], strict=True):
            own.copy_(other)
    take_steps(ours, range(6, 12))
    take_steps(theirs, range(6, 12))
    assert_close_steps(ours, theirs)
    saved = [optimizer.state_dict()["state"] for optimizer in (ours, theirs)]
    assert [{number: set(state) for number, state in states.items()} for states in saved] == [
        {number: {"momentum_buffer"} for number in range(len(SHAPES))}
    ] * 2


def test_weights_without_a_gradient_stay_as_they_are() -> None:
    ours, _ = of_both()
    first, *others = ours.param_groups[0]["params"]
    before = [weight.detach().clone() for weight in (first, *others)]
    first.grad = torch.ones_like(first)
    ours.param_groups[0].update(lr=0.1, weight_decay=0.1)
    ours.step()
    assert not torch.equal(first, before[0])
    assert all(torch.equal(weight, was) for weight, was in zip(others, before[1:], strict=True))
    assert set(ours.state_dict()["state"]) == {0}
