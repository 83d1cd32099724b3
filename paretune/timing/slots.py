"""How many trials a machine carries at a time, told without Ray."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from paretune.plan.binding import BoundPlan
from paretune.plan.slots import as_asked, usually_carried


def slots_here(bound: BoundPlan) -> int:
    """Return how many of a plan's trials run at a time on this machine; at least one."""
    # Of memory Ray offers what is free when it starts.
    here = {"CPU": float(cores_here()), "memory": float(psutil.virtual_memory().available)}
    if bound.fake_gpus:
        here["GPU"] = float(bound.fake_gpus)
    elif bound.least_gpus:
        import torch

        here["GPU"] = float(torch.cuda.device_count())
    return max(1, as_asked(bound, usually_carried(bound, [here])))


def cores_here() -> int:
    """Return how many cores Ray finds on this machine: all, or as many as a container may use."""
    cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores
