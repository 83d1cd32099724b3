"""Which instructions PyTorch computes with here, limits by environment variables included."""

from __future__ import annotations

import os

import torch

from trainables.machines.execution import multiplies_bf16

_LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")


def instruction_set() -> str:
    """Return them in a few words, such as ``AVX512 with bf16``."""
    found = torch.backends.cpu.get_cpu_capability()
    bf16 = "with bf16" if multiplies_bf16(torch.device("cpu")) else "without bf16"
    limits = [f"{name}={os.environ[name]}" for name in _LIMITS if name in os.environ]
    return f"{found} {bf16}" + (f" ({', '.join(limits)})" if limits else "")
