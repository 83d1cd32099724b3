"""Our GELU beside PyTorch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.transformer.activations import gelu_


def value_and_gradient(function: object, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return them at a tensor, whose copy is given to the function to overwrite."""
    leaf = at.clone().requires_grad_()
    value = function(leaf * 1)
    (gradient,) = torch.autograd.grad(value, leaf, torch.linspace(-1, 2, at.numel()).to(at).view_as(at))
    return value.detach(), gradient


def of_pytorch(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-13), (torch.float32, 1e-5)], ids=str)
def test_value_and_gradient_are_pytorchs(dtype: torch.dtype, atol: float) -> None:
    far = torch.tensor([0.0, -0.0, 1e-30, 30.0, -30.0, 1e4, -1e4, 1e9, -1e9], dtype=dtype)
    at = torch.cat([torch.linspace(-12, 12, 4001, dtype=dtype), far]).view(2, -1)
    for own, other in zip(value_and_gradient(gelu_, at), value_and_gradient(of_pytorch, at), strict=True):
        torch.testing.assert_close(own, other, rtol=atol, atol=atol)


def test_what_is_not_finite_stays_so_where_it_does_in_pytorch() -> None:
    at = torch.tensor([torch.nan, torch.inf, 1.0])
    own, other = gelu_(at.clone()), of_pytorch(at)
    torch.testing.assert_close(own, other, equal_nan=True)


def test_without_a_gradient_the_value_is_the_same_and_memory_is_used_again() -> None:
    at = torch.linspace(-3, 3, 50).view(5, 10)
    expected, _ = value_and_gradient(gelu_, at)
    given = at.clone()
    with torch.no_grad():
        found = gelu_(given)
    assert torch.equal(found, expected)
    assert found.data_ptr() == given.data_ptr()


def test_in_bf16_it_is_pytorchs_own() -> None:
    """Computed by our formula, the cubic term would be lost."""
    at = torch.linspace(-4, 4, 100, dtype=torch.bfloat16)
    assert torch.equal(gelu_(at.clone()), of_pytorch(at))


def test_a_second_derivative_is_refused_instead_of_wrong() -> None:
    leaf = torch.ones(3, requires_grad=True)
    (gradient,) = torch.autograd.grad(gelu_(leaf * 1).sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        torch.autograd.grad(gradient.sum(), leaf)
