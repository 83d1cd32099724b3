"""Where a result comes from: command, commit, versions, hardware."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from paretune import __version__
from paretune.mps import is_mps_running

_PACKAGES = ("ray", "optuna", "torch", "numpy", "pandas", "pydantic", "tensorboard")


def describe_session() -> dict[str, Any]:
    """Return what can be known about this run of the program before it does anything."""
    return {
        "command": shlex.join(["paretune", *sys.argv[1:]]),
        "paretune": __version__,
        "commit": git_commit(Path(__file__).parents[1]),
        "python": platform.python_version(),
        "packages": package_versions(),
        "hardware": hardware(),
    }


def package_versions() -> dict[str, str | None]:
    """Return the versions of the packages that results depend on; None for one that is missing."""
    return {name: _version(name) for name in _PACKAGES}


def hardware() -> dict[str, Any]:
    """Describe the machine: processor, cores, memory, what ``nvidia-smi`` says of GPUs, and whether CUDA MPS
    runs, through which processes share them at the same time."""
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": _gpus(),
        "mps": is_mps_running(),
    }


def git_commit(where: Path) -> str | None:
    """Return the commit of the checkout that ``where`` is in, marked if it was changed since."""
    top = _output(["git", "-C", str(where), "rev-parse", "--show-toplevel"])
    if not top or Path(top) != where.resolve().parent:
        # Not a checkout, or somebody else's that an installed paretune lies in.
        return None
    head = _output(["git", "-C", str(where), "rev-parse", "HEAD"])
    changed = _output(["git", "-C", str(where), "status", "--porcelain", "--untracked-files=no"])
    return f"{head} with uncommitted changes" if changed else head


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus() -> list[str]:
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return _output(query).splitlines()


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
