"""What makes training faster on some machines: bf16, torch.compile, no denormal numbers."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import cast

import torch
from torch import nn

from trainables.config import TrainingConfig

log = logging.getLogger(__name__)

_ISAS_WITHOUT_BF16 = frozenset(
    {"sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2", "avx512_core", "avx512_core_vnni"}
)
"""oneDNN's names of instruction sets that it would have to emulate products of bf16 with."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Options of mallopt, from glibc's malloc.h."""

_BF16_FROM = 1_000_000
"""Parameters from which auto takes bf16: below, its rounding costs more than its speed gains."""


def forward_context(
    model: nn.Module, config: TrainingConfig, device: torch.device
) -> AbstractContextManager[object]:
    """Return the context for training's forward pass: mixed precision with bf16, or nothing.

    Weights, validation and greedy decoding stay in float32.
    """
    wanted = config.precision == "bf16"
    if config.precision == "auto":
        parameters = sum(parameter.numel() for parameter in model.parameters())
        wanted = device.type == "cuda" and parameters >= _BF16_FROM
    if not wanted:
        return nullcontext()
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        if config.precision == "bf16":
            log.warning("%s has no bf16; training in float32", torch.cuda.get_device_name(device))
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether PyTorch multiplies matrices of bf16 by instructions of the device for it.

    On a CPU that is oneDNN with AVX-512 BF16 or AMX. The variables that limit PyTorch and oneDNN to older
    instructions count. ARM processors are taken to have none: there it has not been measured.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "default"
    return (
        bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and limit.lower() not in _ISAS_WITHOUT_BF16
    )


@contextmanager
def no_denormals() -> Iterator[None]:
    """Let this thread, and those that it starts, count numbers below 1e-38 as zero.

    AdamW's averages of a weight that gets no gradient any more, such as that of a digit which a phase of the
    curriculum has not yet, become that small within a thousand steps. Processors take some hundred cycles for
    each operation on such a number: a step of an adder took up to five times as long.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def keep_freed_memory() -> None:
    """Let this process keep memory that tensors have freed, up to 256 MiB, instead of returning it.

    The C library returns an activation's memory to the system and fetches it again in the next step, page
    by page. Without glibc nothing changes.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)  # the largest that glibc accepts
        mallopt(_M_TRIM_THRESHOLD, 256 * 2**20)


def why_not_compile(config: TrainingConfig, device: torch.device) -> str | None:
    """Return why torch.compile is not used, or None if it should be tried."""
    if config.compile == "off":
        return "it is switched off"
    if config.compile == "auto" and device.type != "cuda":
        return "on a CPU compiling takes longer than it saves"
    if device.type == "cuda" and importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return None


class CompiledModel:
    """A model that is compiled as long as that works, and uncompiled from then on.

    Args:
        model: the model; both forms share its parameters.
        config: says whether to compile.
        device: where the model lives.
    """

    def __init__(self, model: nn.Module, config: TrainingConfig, device: torch.device) -> None:
        self._model = model
        reason = why_not_compile(config, device)
        if reason is not None and config.compile == "on":
            log.warning("torch.compile is not used: %s", reason)
        self._compiled: nn.Module | None = None
        if reason is None or device.type == "cuda":
            # A worker trains one model after the other; dynamo would stop compiling at the ninth. On a
            # GPU the model may have compiled parts of its own.
            torch.compiler.reset()
        if reason is None:
            _silence_compilers()
            self._compiled = cast("nn.Module", torch.compile(model))

    @property
    def is_compiled(self) -> bool:
        """Whether the compiled model is used."""
        return self._compiled is not None

    @property
    def module(self) -> nn.Module:
        """The module to call: it has the interface of the model."""
        return self._model if self._compiled is None else self._compiled

    def give_up(self, error: Exception) -> None:
        """Use the uncompiled model from now on, and log why in one line."""
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else ""
        log.warning("torch.compile failed and is not used: %s: %s", type(error).__name__, first_line)
        self._compiled = None


def _silence_compilers() -> None:
    """Let PyTorch's compilers log nothing: what fails is said in one line, and training goes on without.

    Who sets ``TORCH_LOGS`` wants to read what they log.
    """
    if "TORCH_LOGS" not in os.environ:
        for name in ("torch._dynamo", "torch._functorch", "torch._inductor"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
