"""What GPUs could do at most, for a model's utilisation of one."""

from __future__ import annotations

import torch

_PEAK_TFLOPS = {
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "RTX 5090": 209.5,
    "RTX 4090": 165.2,
    "RTX 4080": 97.5,
    "RTX 3090": 71.0,
    "RTX 3080": 59.5,
}
"""Dense bf16 products with float32 sums, in 10**12 operations a second, from the makers' data sheets."""


def peak_flops(device: torch.device) -> float | None:
    """Return a device's peak in bf16 operations a second, or None if it is not in the table."""
    if device.type != "cuda":
        return None
    return peak_flops_of(torch.cuda.get_device_name(device))


def peak_flops_of(name: str) -> float | None:
    """Return the peak of a GPU by its name, as ``nvidia-smi`` shows it."""
    return next((tflops * 1e12 for part, tflops in _PEAK_TFLOPS.items() if part in name), None)
