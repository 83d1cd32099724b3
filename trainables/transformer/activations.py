"""GELU with the tanh approximation, at less than half of its cost on a CPU."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_LINEAR = 2 * math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR


def gelu_(x: Tensor) -> Tensor:
    """Return x(1 + tanh(u))/2 with u = sqrt(2/pi)(x + 0.044715x³) (Hendrycks and Gimpel, 2016).

    ``x`` may be overwritten. It must not be a leaf that needs a gradient, nor be kept for another one.

    The value equals x times the sigmoid of 2u. PyTorch's kernel for CPUs computes a tanh in each direction,
    at three times the cost of a sigmoid.
    """
    in_eager_float = x.dtype in (torch.float32, torch.float64) and not torch.compiler.is_compiling()
    if x.device.type == "cpu" and in_eager_float:
        value: Tensor = _SigmoidGelu.apply(x)  # type: ignore[no-untyped-call]
        return value
    return F.gelu(x, approximate="tanh")


class _SigmoidGelu(torch.autograd.Function):
    """``gelu_``, which keeps its slope, cheap beside the value, instead of its input.

    Memory is the limit: the operators pass over it, and allocate it, as seldom as possible.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        doubled = torch.addcmul(x.new_tensor(_LINEAR), x, x, value=_CUBIC).mul_(x)  # 2u
        ctx.mark_dirty(x)
        if not ctx.needs_input_grad[0]:
            return x.mul_(doubled.sigmoid_())
        gate = torch.sigmoid(doubled)
        # The slope is gate + gate (1 - gate) x 2u', and x 2u' is 3 (2u) less twice the linear term.
        third = doubled.sub_(x, alpha=2 * _LINEAR / 3)
        x.mul_(gate)
        torch.ops.aten.sigmoid_backward.grad_input(third, gate, grad_input=third)
        ctx.save_for_backward(gate.add_(third, alpha=3))
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        slope: Tensor
        (slope,) = ctx.saved_tensors
        return gradient * slope
