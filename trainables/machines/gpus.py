"""Peak performance of GPUs, for MFU."""

from __future__ import annotations

import torch

_PEAK_TFLOPS = {
    "H200": 989.0,
    "H200 NVL": 835.5,
    "H100 80GB HBM3": 989.0,
    "H100 NVL": 835.5,
    "H100 PCIe": 756.0,
    "A100-SXM4-40GB": 312.0,
    "A100-SXM4-80GB": 312.0,
    "A100-PCIE-40GB": 312.0,
    "A100 80GB PCIe": 312.0,
    "L40S": 362.0,
    "RTX 5090": 209.5,
    "RTX 4090": 165.2,
    "RTX 4080": 97.5,
    "RTX 3090": 71.0,
    "RTX 3080": 59.5,
}
"""Dense bf16 products with float32 sums, in 10**12 operations a second, from the maker's data sheets.

By whole names, without maker and brand: one with "Ti", "D", "NVL" or "Laptop GPU" behind it is another GPU,
as is a part of one (MIG), possibly also one with another memory size. A missing figure is better than a
wrong one.
"""


def peak_flops(device: torch.device) -> float | None:
    """Return a device's peak in bf16 operations a second, or None if it is not in the table."""
    if device.type != "cuda":
        return None
    return peak_flops_of(torch.cuda.get_device_name(device))


def peak_flops_of(name: str) -> float | None:
    """Return the peak of a GPU by its name, as ``nvidia-smi`` shows it."""
    tflops = _PEAK_TFLOPS.get(name.removeprefix("NVIDIA ").removeprefix("GeForce "))
    return None if tflops is None else tflops * 1e12
