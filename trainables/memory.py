"""How many samples fit through a model at a time, measured on one of them."""

from __future__ import annotations

import gc
import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.contract import Workload

Context = AbstractContextManager[object]

_USED = 0.8
"""Share of the free memory that is planned with; the rest is for what cannot be foreseen."""


def micro_batch_of(
    config: TrainingConfig,
    workload: Workload,
    model: nn.Module,
    device: torch.device,
    forward: Context,
    share: float = 1.0,
) -> int | None:
    """Return how many samples pass through the model at a time; None if all of a step's do.

    With ``micro_batch: auto`` one sample is passed through once and the tensors are counted that its
    gradient needs; gradients and the optimizer's averages get their room too. The step's samples are
    then divided as evenly as they can be. Where not even one fits without a compiler, it is one.

    Args:
        config: says whether and how many.
        workload: makes the batch and the loss.
        model: the model as it is, not compiled, which takes more.
        device: where the model lives.
        forward: the context of training's forward pass, such as mixed precision.
        share: share of the device's memory to plan with, where others train on it too.
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
    """Divide a batch into parts of so many samples; the last may be smaller."""
    if isinstance(batch, Tensor):
        return list(torch.split(batch, samples))
    parts = zip(*(split(part, samples) for part in batch), strict=True)
    return [type(batch)(*part) if hasattr(batch, "_fields") else part for part in parts]


def samples_in(batch: Any) -> int:
    """Return how many samples a batch has."""
    return len(batch) if isinstance(batch, Tensor) else samples_in(batch[0])


def free_memory(device: torch.device, share: float = 1.0) -> int | None:
    """Return the bytes that a process may still take on a device; None where that cannot be told.

    Args:
        device: a GPU, or the CPU.
        share: share of all of the device's memory that is this process's.
    """
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        # What earlier models of this process left behind is free, but its allocator keeps it.
        gc.collect()
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info(index)
        return int(min(free, share * total - torch.cuda.memory_reserved(index)))
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    known = {name: int(rest.split()[0]) * 2**10 for name, _, rest in (line.partition(":") for line in lines)}
    return int(min(known["MemAvailable"], share * known["MemTotal"]))
