"""How many trials a machine carries at a time, told without Ray."""

from __future__ import annotations

import os
from pathlib import Path

from paretune.plan.binding import BoundPlan


def slots_here(bound: BoundPlan) -> int:
    """Return how many of a plan's trials run at a time on this machine; at least one."""
    resources = bound.plan.resources
    carried = []
    if resources.cpu:
        carried.append(int(cores_here() / resources.cpu + 1e-9))
    if resources.gpu:
        import torch

        gpus = torch.cuda.device_count()
        # A share of a GPU must lie on one of them.
        carried.append(
            gpus * int(1 / resources.gpu + 1e-9) if resources.gpu < 1 else int(gpus / resources.gpu)
        )
    most = min(carried, default=1)
    asked = bound.plan.search.concurrency
    return max(1, most if asked is None else min(most, asked))


def cores_here() -> int:
    """Return how many cores Ray finds on this machine: all, or as many as a container may use."""
    cores = os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):
        return cores
