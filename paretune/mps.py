"""NVIDIA's Multi-Process Service: whether it runs, so that processes share a GPU without taking turns."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_DEFAULT = Path("/tmp/nvidia-mps")
_PID_FILE = "nvidia-cuda-mps-control.pid"


def mps_folder() -> Path:
    """Return the folder through which processes of this user find the service: CUDA's own rule."""
    return Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or _DEFAULT)


def is_mps_running() -> bool:
    """Tell whether the service's control daemon runs here; programs then use it by themselves."""
    folder = mps_folder()
    with suppress(OSError, ValueError, OverflowError):
        pid = int((folder / _PID_FILE).read_text())
        if pid > 0 and (folder / "control").exists():
            try:
                os.kill(pid, 0)
            except PermissionError:  # somebody else's, which is alive
                return True
            return True
    return False
