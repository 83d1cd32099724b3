"""A compiled kernel, called with ctypes."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from trainables.addition.native.compiler import CompilerError

_ALIGNMENT = 64
"""Bytes of the widest vector register."""


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
        scalar = ctypes.c_float if dtype == torch.float32 else ctypes.c_double
        pointer, count = ctypes.c_void_p, ctypes.c_int64
        for name in ("paretune_weight_count", "paretune_workspace_bytes"):
            getattr(library, name).restype = count
        self._loss, self._logits = library.paretune_loss, library.paretune_logits
        self._loss.restype, self._loss.argtypes = scalar, [pointer, pointer, count, pointer, pointer]
        self._logits.restype, self._logits.argtypes = None, [pointer, pointer, count, pointer, pointer]
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

    def _check(self, weights: Tensor, sequences: Tensor) -> None:
        assert weights.dtype == self.dtype, (weights.dtype, self.dtype)
        assert weights.numel() == self.weight_count, (weights.numel(), self.weight_count)
        assert sequences.dtype == torch.int64, sequences.dtype
        assert sequences.shape[1] == self.sequence_length, (sequences.shape, self.sequence_length)
        assert sequences.device.type == weights.device.type == "cpu", (sequences.device, weights.device)
        assert weights.is_contiguous()
        assert sequences.is_contiguous()
