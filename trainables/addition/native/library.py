"""A compiled kernel, called with ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_double, c_float, c_int, c_int32, c_int64, c_uint32, c_void_p
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from trainables.addition.native.compiler import CompilerError

_ALIGNMENT = 64
"""Bytes of the widest vector register."""


class DerivationStruct(ctypes.Structure):
    """``Derivation`` in ``kernel/derivation.hpp``."""

    _fields_: ClassVar = [
        *((name, c_int64) for name in ("values", "first_parameter", "parameters", "operation_count")),
        *((name, c_void_p) for name in ("operations", "weights")),
    ]


class RecipeStruct(ctypes.Structure):
    """``Recipe`` in ``kernel/adamw.hpp``."""

    _fields_: ClassVar = [
        (name, c_double) for name in ("beta1", "beta2", "epsilon", "largest_norm", "slow_gain", "slow_decay")
    ]


class TrainingStruct(ctypes.Structure):
    """``Training`` in ``kernel/training.hpp``."""

    _fields_: ClassVar = [
        ("derivation", DerivationStruct),
        ("recipe", RecipeStruct),
        *((name, c_void_p) for name in ("values", "d_values", "weights", "d_weights")),
        *((name, c_void_p) for name in ("mean", "square", "slow")),
        ("tensors", c_int64),
        ("sizes", c_void_p),
    ]


class EncodingStruct(ctypes.Structure):
    """``Encoding`` in ``kernel/problems.hpp``."""

    _fields_: ClassVar = [("base", c_int32), ("digits", c_int32), ("places", c_void_p)]


class Validation(ctypes.Structure):
    """``Validation`` in ``kernel/validation.hpp``."""

    exact: int
    """Samples whose every answer token is right."""
    right: int
    """Answer tokens that are right."""
    loss: float
    """Mean over all answer tokens."""

    _fields_: ClassVar = [("exact", c_int64), ("right", c_int64), ("loss", c_double)]


class KernelLibrary:
    """The functions of ``kernel/kernel.cpp``, compiled for one shape and one scalar type.

    Each object has its own workspace, so use one per thread.

    Raises:
        CompilerError: the file cannot be loaded.
    """

    def __init__(self, path: Path, dtype: torch.dtype, *, sequence_length: int) -> None:
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise CompilerError(
                f"a compiled kernel cannot be loaded: {error}; remove {path}, or set PARETUNE_CACHE to a "
                "folder from which programs can run"
            ) from error
        scalar = c_float if dtype == torch.float32 else c_double
        for name in ("paretune_weight_count", "paretune_workspace_bytes"):
            getattr(library, name).restype = c_int64
        self._loss, self._logits = library.paretune_loss, library.paretune_logits
        self._loss.restype, self._loss.argtypes = scalar, [c_void_p, c_void_p, c_int64, c_void_p, c_void_p]
        self._logits.restype, self._logits.argtypes = None, [c_void_p, c_void_p, c_int64, c_void_p, c_void_p]
        self._validate = library.paretune_validate
        self._validate.restype = None
        self._validate.argtypes = [c_void_p, c_void_p, c_int64, POINTER(Validation), c_void_p]
        self._draw, self._take_steps = library.paretune_draw, library.paretune_take_steps
        self._draw.restype = self._take_steps.restype = None
        self._draw.argtypes = [
            *(c_uint32, c_int64, c_int64, c_int64, c_int, c_int, POINTER(EncodingStruct), c_void_p),
        ]
        self._take_steps.argtypes = [
            *(POINTER(TrainingStruct), c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_double, c_int64),
            *(c_void_p, c_void_p),
        ]
        self.dtype, self.sequence_length = dtype, sequence_length
        self.weight_count: int = library.paretune_weight_count()
        memory = torch.empty(library.paretune_workspace_bytes() + _ALIGNMENT, dtype=torch.uint8)
        self._memory = memory
        self._workspace = -(-memory.data_ptr() // _ALIGNMENT) * _ALIGNMENT

    def loss(self, weights: Tensor, sequences: Tensor, gradient: Tensor | None) -> float:
        """Return the mean loss of the answer tokens, and write its gradient for the weights.

        Args:
            weights: flat, of ``weight_count`` numbers.
            sequences: int64 tensor of shape (n, length of a whole problem).
            gradient: where the gradient is written, like ``weights``, or None.
        """
        self._check(weights, sequences)
        written = None if gradient is None else gradient.data_ptr()
        value: float = self._loss(
            weights.data_ptr(), sequences.data_ptr(), len(sequences), written, self._workspace
        )
        return value

    def logits(self, weights: Tensor, sequences: Tensor, logits: Tensor) -> None:
        """Write the logits of every answer token, (n, answer_length, vocabulary), to ``logits``."""
        self._check(weights, sequences)
        self._logits(
            weights.data_ptr(), sequences.data_ptr(), len(sequences), logits.data_ptr(), self._workspace
        )

    def validate(self, weights: Tensor, sequences: Tensor) -> Validation:
        """Compare answers with the right ones; arguments as of :meth:`loss`."""
        self._check(weights, sequences)
        found = Validation()
        self._validate(
            *(weights.data_ptr(), sequences.data_ptr(), len(sequences), byref(found), self._workspace)
        )
        return found

    def draw(
        self, seed: int, chained: int, digits: tuple[int, int], encoding: EncodingStruct, tokens: Tensor
    ) -> None:
        """Draw the training problems of some steps, and write them as tokens.

        Args:
            seed: of PyTorch's generator, which uses its lower 32 bits.
            chained: how many of them have a long chain of carries.
            digits: fewest and most digits of an operand.
            encoding: what each position holds.
            tokens: uint8 tensor of shape (steps, length of a whole problem, samples).
        """
        steps, length, samples = tokens.shape
        assert tokens.dtype == torch.uint8, tokens.dtype
        assert length == self.sequence_length, (length, self.sequence_length)
        assert tokens.is_contiguous()
        self._draw(*(seed & 0xFFFFFFFF, steps, samples, chained, *digits, byref(encoding), tokens.data_ptr()))

    def take_steps(
        self,
        training: TrainingStruct,
        theirs: Sequence[Tensor],
        tokens: Tensor,
        *,
        rates: Sequence[float],
        decay: float,
        number: int,
    ) -> list[float]:
        """Take one training step on each batch, and return the loss before each.

        Args:
            training: the recipe, and the kernel's own arrays.
            theirs: the tensors that steps change: parameters, means, squares, slow parts of gradients.
            tokens: uint8 tensor of shape (steps, length of a whole problem, samples).
            rates: learning rate of each step.
            decay: weight decay of all.
            number: of the first step among those of the optimizer, counted from 1.
        """
        steps, length, samples = tokens.shape
        assert tokens.dtype == torch.uint8, tokens.dtype
        assert length == self.sequence_length, (length, self.sequence_length)
        assert len(rates) == steps, (len(rates), steps)
        assert tokens.is_contiguous()
        assert all(tensor.dtype == self.dtype and tensor.is_contiguous() for tensor in theirs)
        addresses = torch.tensor([tensor.data_ptr() for tensor in theirs])
        schedule, losses = torch.tensor(rates, dtype=torch.float64), torch.empty(steps, dtype=self.dtype)
        self._take_steps(
            *(byref(training), addresses.data_ptr(), tokens.data_ptr(), samples, steps),
            *(schedule.data_ptr(), decay, number, losses.data_ptr(), self._workspace),
        )
        return losses.tolist()

    def _check(self, weights: Tensor, sequences: Tensor) -> None:
        assert weights.dtype == self.dtype, (weights.dtype, self.dtype)
        assert weights.numel() == self.weight_count, (weights.numel(), self.weight_count)
        assert sequences.dtype == torch.int64, sequences.dtype
        assert sequences.shape[1] == self.sequence_length, (sequences.shape, self.sequence_length)
        assert sequences.device.type == weights.device.type == "cpu", (sequences.device, weights.device)
        assert weights.is_contiguous()
        assert sequences.is_contiguous()
