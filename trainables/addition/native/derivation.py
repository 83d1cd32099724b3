"""How the kernel's weights are computed from a model's parameters, as operations on single numbers.

Low ranks, ties, rotations and an embedding on an arc are a model's own code in PyTorch. It is run once on
numbers that know only their position in an array of values, and what it computes is recorded.
``kernel/derivation.hpp`` repeats that, and its way back, in every step. Transposing, slicing and joining
change no number, so they cost nothing there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from paretune.errors import Error
from trainables.addition.native.weights import weights_of
from trainables.transformer.model import Transformer

MOST_OPERATIONS = 200_000
"""With more, PyTorch's matrix products are faster than single numbers, which take some 4 ns each."""

_ADD_PRODUCT, _COSINE, _SINE = range(3)
"""As ``Operator`` in ``kernel/derivation.hpp``."""

_ZERO, _ONE = 0, 1
"""Where these constants are. Padding fills with 0, so zero must be there."""

_REARRANGING = frozenset(
    [
        *("view", "reshape", "flatten", "transpose", "permute", "expand", "contiguous", "detach"),
        *("squeeze", "unsqueeze", "pad", "cat", "stack", "chunk", "split"),
        *("size", "dim", "__getitem__", "__get__", "__len__"),
    ]
)
"""Functions that change no number; ``__get__`` is that of ``T`` and ``shape``."""


class NotRecordedError(Error):
    """A model derives its weights in a way that is not recorded; the message says which."""


@dataclass(frozen=True)
class Derivation:
    """From parameters to the kernel's weights.

    Attributes:
        names: the parameters that the weights depend on, in order.
        constants: the first values, float64; behind them are the parameters, and then what is derived.
        values: how many values there are.
        operations: int32 of shape (operations, 4): operator, and positions of the result and two operands.
        weights: int32 of shape (weights,): the position of each.
    """

    names: tuple[str, ...]
    constants: Tensor
    values: int
    operations: Tensor
    weights: Tensor


def derivation_of(model: Transformer, length: int) -> Derivation:
    """Record how the weights of a model are derived.

    Args:
        model: the model; the values of its parameters are not read.
        length: tokens that it reads.

    Raises:
        NotRecordedError: by more than sums, products, cosines and sines, or by too many of them.
    """
    recording = _Recording()
    parameters = {name: recording.new(parameter.shape) for name, parameter in model.named_parameters()}
    with torch.no_grad(), recording:
        inside = {f"model.{name}": positions for name, positions in parameters.items()}
        found = torch.func.functional_call(_Weights(model), inside, (length,))
    weights = torch.cat([recording.positions_of(matrix).reshape(-1) for matrix in found])
    return recording.ordered(parameters, weights)


class _Weights(nn.Module):
    """A model whose call returns its weights."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, length: int) -> list[Tensor]:
        return weights_of(self.model, length)


class _Positions(Tensor):
    """An int64 tensor of positions, which code takes for the numbers that are there."""


class _Recording(TorchFunctionMode):
    """Lets code compute with positions, and records its arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self._constants = {0.0: _ZERO, 1.0: _ONE}
        self._count = len(self._constants)
        self._operations: list[Tensor] = []
        self._recorded = 0
        self._arithmetic: dict[str, Callable[..., Tensor]] = {
            "cos": partial(self._function, _COSINE),
            "sin": partial(self._function, _SINE),
        }
        for name, function in (
            ("matmul", self._matrix_product),
            ("mul", self._product),
            ("add", self._sum),
            ("sub", self._difference),
        ):
            self._arithmetic |= {name: function, f"__{name}__": function}
        # A tensor is on the left of a matrix product, so these have a number there.
        self._arithmetic |= {"__rmul__": self._product, "__radd__": self._sum}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operands = args[0] if args and isinstance(args[0], list | tuple) else args
        if not any(isinstance(operand, _Positions) for operand in operands):
            return func(*args, **(kwargs or {}))
        if (arithmetic := self._arithmetic.get(func.__name__)) is not None:
            return arithmetic(*args)
        if func.__name__ not in _REARRANGING:
            raise NotRecordedError(f"weights are derived by {func.__name__}, which is not recorded")
        if operands is not args:
            args = ([self.positions_of(operand) for operand in operands], *args[1:])
        return func(*args, **(kwargs or {}))

    def new(self, shape: torch.Size) -> Tensor:
        """Return positions that no number has yet."""
        first, self._count = self._count, self._count + shape.numel()
        return torch.arange(first, self._count).view(shape).as_subclass(_Positions)

    def positions_of(self, numbers: Tensor | float) -> Tensor:
        """Return the positions of numbers: constants, unless they are positions already."""
        if isinstance(numbers, _Positions):
            return numbers
        values = torch.as_tensor(numbers, dtype=torch.float64)
        positions = [self._constant(value) for value in values.flatten().tolist()]
        return torch.tensor(positions, dtype=torch.int64).view(values.shape).as_subclass(_Positions)

    def ordered(self, parameters: dict[str, Tensor], weights: Tensor) -> Derivation:
        """Return what was recorded, with constants first, then the parameters that matter, then the rest."""
        operations = torch.cat([torch.empty(0, 4, dtype=torch.int64), *self._operations])
        used = torch.zeros(self._count, dtype=torch.bool)
        used[operations[:, 2:]] = True
        used[weights] = True
        kept = {name: positions for name, positions in parameters.items() if used[positions].any()}
        constants = torch.tensor(list(self._constants.values()))
        given = torch.cat(
            [constants, *(positions.flatten().as_subclass(Tensor) for positions in kept.values())]
        )
        derived = torch.tensor(sorted(set(operations[:, 1].tolist())), dtype=torch.int64)
        order = torch.cat([given, derived])
        place = torch.zeros(self._count, dtype=torch.int32)
        place[order] = torch.arange(len(order), dtype=torch.int32)
        kinds = operations[:, :1].int()
        return Derivation(
            names=tuple(kept),
            constants=torch.tensor(list(self._constants), dtype=torch.float64),
            values=len(order),
            operations=torch.cat([kinds, place[operations[:, 1:]]], dim=1),
            weights=place[weights],
        )

    def _constant(self, value: float) -> int:
        if value not in self._constants:
            self._constants[value], self._count = self._count, self._count + 1
        return self._constants[value]

    def _record(self, kind: int, result: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Record an operation for every number of ``result``, to which the operands are broadcast."""
        columns = [
            column.expand(result.shape).reshape(-1).as_subclass(Tensor)
            for column in (torch.tensor(kind), result, first, second)
        ]
        self._operations.append(torch.stack(columns, dim=1))
        self._recorded += result.numel()
        if self._recorded > MOST_OPERATIONS:
            raise NotRecordedError(f"weights are derived by more than {MOST_OPERATIONS:,} operations")
        return result

    def _function(self, kind: int, x: Tensor) -> Tensor:
        return self._record(kind, self.new(x.shape), x, x)

    def _product(self, a: Tensor | float, b: Tensor | float) -> Tensor:
        first, second = self.positions_of(a), self.positions_of(b)
        result = self.new(_broadcast(first, second))
        return self._record(_ADD_PRODUCT, result, first, second)

    def _sum(self, a: Tensor | float, b: Tensor | float, sign: float = 1.0) -> Tensor:
        first, second = self.positions_of(a), self.positions_of(b)
        result = self.new(_broadcast(first, second))
        self._record(_ADD_PRODUCT, result, first, self.positions_of(1.0))
        return self._record(_ADD_PRODUCT, result, second, self.positions_of(sign))

    def _difference(self, a: Tensor | float, b: Tensor | float) -> Tensor:
        return self._sum(a, b, sign=-1.0)

    def _matrix_product(self, a: Tensor, b: Tensor) -> Tensor:
        """Two matrices, (m, k) and (k, n)."""
        first, second = self.positions_of(a), self.positions_of(b)
        result = self.new(torch.Size([len(first), second.shape[1]]))
        each = result[:, :, None].expand(*result.shape, first.shape[1])  # (m, n, k)
        self._record(_ADD_PRODUCT, each, first[:, None, :], second.T[None])
        return result


def _broadcast(first: Tensor, second: Tensor) -> torch.Size:
    return torch.Size(np.broadcast_shapes(first.shape, second.shape))
