"""The limit of a trial's memory, so that one that grows beyond it ends alone, and what is tried before."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.plan.slots import CONTEXT_BYTES
from paretune.sampling.outcomes import is_out_of_memory
from search_spaces.parts.limits import in_words

if TYPE_CHECKING:
    from trainables.config import TrainingConfig

_TRIED = re.compile(r"tried to allocate ((\d+) bytes|[\d.]+ [KMGT]iB)", re.IGNORECASE)
"""What torch says, of a GPU and of the processor."""


@contextmanager
def limited_memory(most: int | None) -> Iterator[None]:
    """Let this process use no more memory than ``most`` bytes until the block ends.

    What counts is the memory of the whole process, Python and its libraries included. On Linux an
    allocation beyond it fails; on other systems nothing is limited.

    Raises:
        MemoryError: the process has more already.
    """
    if most is None or sys.platform != "linux":
        yield
        return
    import resource

    if _resident_and_data()[0] >= most:
        give_back_memory()
        if (resident := _resident_and_data()[0]) >= most:
            raise MemoryError(
                f"a worker has {in_words(resident)} before a trial begins; state more in resources.memory"
            )
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most + _never_used(), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def limit_gpu_memory(share: float, context: int = CONTEXT_BYTES) -> None:
    """Let this process use no more than its share of the GPU's memory, with the context's own part in it.

    Args:
        share: up to 1; a whole GPU is not limited.
        context: bytes that the process takes of the GPU besides its tensors.
    """
    import torch

    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(share_for_tensors(share, total, context))


def share_for_tensors(share: float, total: int, context: int = CONTEXT_BYTES) -> float:
    """Return the share of a GPU's memory that remains for tensors.

    Args:
        share: of the whole process.
        total: bytes of the GPU.
        context: bytes that the process takes besides its tensors.
    """
    return 1.0 if share >= 1 else max(0.0, share - context / total)


def give_back_memory() -> None:
    """Return what earlier trials left behind to the system: the process is reused."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps what was freed


def is_want_of_memory(error: BaseException) -> bool:
    """Tell whether memory was what was missing: of a GPU, or of the machine."""
    return isinstance(error, MemoryError) or is_out_of_memory(f"{type(error).__name__}: {error}")


def in_smaller_parts(config: TrainingConfig, share: float) -> tuple[TrainingConfig, float] | None:
    """Return the same training with half as many samples at a time, and the share of memory to plan with.

    Gradients are the same but for rounding. None if a sample cannot be divided.

    Args:
        config: the configuration that needed too much.
        share: the share of memory that ``micro_batch: auto`` planned with.
    """
    if config.micro_batch == "auto":
        return config, share / 2
    samples = min(config.batch, config.micro_batch or config.batch)
    if samples == 1:
        return None
    return config.model_copy(update={"micro_batch": (samples + 1) // 2}), share


def told_of(error: BaseException, memory: int | None, gpu: float | None) -> str:
    """Return in words what was not enough.

    Args:
        error: what was raised.
        memory: the bytes that the trial may use of its machine, if they are limited.
        gpu: its share of a GPU, if it trains on one.
    """
    said = " ".join(str(error).split()) or "Python could not allocate memory"
    if (tried := _TRIED.search(said)) is not None:
        said = f"tried to allocate {in_words(int(tried[2])) if tried[2] else tried[1]} more"
    if gpu is not None:
        return f"needed more than the memory of its {gpu:g} GPU: {said}"
    if memory is None:
        return f"needed more memory than there was: {said}"
    return f"needed more than its {in_words(memory)} of memory: {said}"


@cache
def _never_used() -> int:
    """Return the bytes that this process has mapped and does not use, such as the stacks of its threads.

    Asked once: later they would include what earlier trials have freed, which is free for this one.
    """
    resident, data = _resident_and_data()
    return max(0, data - resident)


def _resident_and_data() -> tuple[int, int]:
    """Return the bytes of memory of this process, and those that its limit is compared with."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    resident, data = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmData"))
    return resident, data
