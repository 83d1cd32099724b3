"""How many samples a model can process at a time, measured on one of them."""

from __future__ import annotations

import gc
import math
from contextlib import AbstractContextManager
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.contract import Workload

Context = AbstractContextManager[object]

_USED = 0.8
"""Share of the free memory to plan with; the remainder is a reserve."""


def micro_batch_of(
    config: TrainingConfig,
    workload: Workload,
    model: nn.Module,
    device: torch.device,
    forward: Context,
    share: float = 1.0,
) -> int | None:
    """Return the samples per forward pass; None for all of a step's.

    With ``micro_batch: auto`` one sample is run and the tensors that its gradient needs are counted;
    gradients and the optimizer's averages are added. The step's samples are then divided as evenly as
    possible. It is at least one, even if one does not fit without a compiler.

    Args:
        config: its ``micro_batch`` is a number, auto, or None.
        workload: makes the batch and the loss.
        model: the uncompiled model, which needs more memory.
        device: where the model lives.
        forward: the context of training's forward pass, such as mixed precision.
        share: share of the device's memory, where others train on it too.
    """
    if config.micro_batch != "auto":
        return config.micro_batch
    free = free_memory(device, share)
    if free is None:
        return None
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    room = _USED * free - 3 * weights
    try:
        with forward:
            each = bytes_for_backward(workload, model, split(workload.batch(1), 1)[0])
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return 1
    fits = max(1, int(room / each))
    return math.ceil(config.batch / math.ceil(config.batch / fits))


def bytes_for_backward(workload: Workload, model: nn.Module, batch: Any) -> int:
    """Return the bytes that are kept between the forward and the backward pass of a batch."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = workload.loss(model, batch)
    del loss
    return max(1, sum(kept.values()))


def split(batch: Any, samples: int) -> list[Any]:
    """Divide a batch into parts of ``samples`` samples; the last can be smaller."""
    if isinstance(batch, Tensor):
        return list(torch.split(batch, samples))
    parts = zip(*(split(part, samples) for part in batch), strict=True)
    return [type(batch)(*part) if hasattr(batch, "_fields") else part for part in parts]


def samples_in(batch: Any) -> int:
    """Return the number of samples of a batch."""
    return len(batch) if isinstance(batch, Tensor) else samples_in(batch[0])


def free_memory(device: torch.device, share: float = 1.0) -> int | None:
    """Return the bytes that a process can still allocate on a device; None if unknown.

    Args:
        device: a GPU, or the CPU.
        share: this process's share of the device's memory.
    """
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        # Memory of earlier models of this process is free, but kept by its allocator.
        gc.collect()
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(index)
        return int(min(free, share * total - torch.cuda.memory_reserved(index)))
    memory = psutil.virtual_memory()
    return int(min(memory.available, share * memory.total))
