"""Which device to compute on."""

from __future__ import annotations

import torch

from paretune.errors import InputError


def pick_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: there is no such device here.
    """
    has_gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    if name == "cuda" and not has_gpu:
        raise InputError("--device cuda: this machine has no GPU that torch can use; take auto or cpu")
    if name not in ("cpu", "cuda"):
        raise InputError(f"--device: got {name!r}; accepted: auto, cpu, cuda")
    return torch.device(name)


def gpu_name(device: torch.device) -> str | None:
    """Return the model of a GPU, one of perhaps several in the machine; None for the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None
