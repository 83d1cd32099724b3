"""Measurements of the training loop: the mean loss, the time spent, and the memory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.contract import Workload
from trainables.machines.gpus import peak_flops


class RunningLoss:
    """Mean loss since the last report, summed on the device so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._sum = torch.zeros((), device=device)
        self._known = 0.0  # of those that are not on the device
        self._steps = 0

    def add(self, parts: Iterable[Tensor]) -> None:
        """Add a step's loss: scalars on the device that sum to it."""
        for part in parts:
            self._sum += part
        self._steps += 1

    def add_steps(self, losses: Sequence[float]) -> None:
        """Add the losses of steps, one after the other: the same sum however many come together."""
        for loss in losses:
            self._known += loss
        self._steps += len(losses)

    @property
    def steps(self) -> int:
        """Steps since the last report."""
        return self._steps

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` needs; the sum is live."""
        return {"sum": self._sum, "known": self._known, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume from what :meth:`state_dict` returned."""
        self._sum.copy_(state["sum"])
        self._known, self._steps = float(state["known"]), int(state["steps"])

    def is_finite(self) -> bool:
        """Return whether all losses since the last report were finite."""
        return math.isfinite(self._total())

    def mean(self) -> float:
        """Return the mean loss since the last report."""
        return self._total() / self._steps

    def reset(self) -> None:
        """Restart."""
        self._sum.zero_()
        self._known = 0.0
        self._steps = 0

    def _total(self) -> float:
        return self._sum.item() + self._known


class Clock:
    """Processor and elapsed time since it was last restarted."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.restart()

    def restart(self) -> None:
        """Restart."""
        self._wait()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def cpu_seconds(self) -> float:
        """Return the processor time of the whole process since the last restart."""
        self._wait()
        return time.process_time() - self._cpu

    def wall_seconds(self) -> float:
        """Return the elapsed time since the last restart."""
        self._wait()
        return time.perf_counter() - self._wall

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class PeakMemory:
    """Peak memory in use in the stretches between :meth:`restart` and :meth:`look`.

    On a GPU, the memory of torch's allocator; on a CPU, that of the whole process (Linux only; elsewhere
    the peak of a stretch is not available).

    Args:
        device: the model's.
        most: the peak before a resumption, in MiB.
    """

    def __init__(self, device: torch.device, most: float | None = None) -> None:
        self._device = device
        self._most = most
        self.restart()

    @property
    def most(self) -> float | None:
        """The peak of all stretches in MiB, those before a resumption too; None where it is not available."""
        return self._most

    def restart(self) -> None:
        """Begin a stretch: memory needed between stretches, or by an earlier trial, does not count."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")

    def look(self) -> None:
        """Record the stretch since the last restart."""
        peak = self._mebibytes()
        if peak is not None:
            self._most = max(peak, self._most or 0.0)

    def as_metrics(self) -> dict[str, float]:
        """Return the peak of all stretches in MiB as a metric; empty where it is not available."""
        return {} if self._most is None else {"peak_memory": self._most}

    def _mebibytes(self) -> float | None:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**20
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return None
        return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")), None)


class Speed:
    """Tokens per second of training steps, and the MFU."""

    def __init__(self, workload: Workload, device: torch.device, tokens: int, seconds: float) -> None:
        self._flops_per_token = workload.flops_per_token
        self._peak = peak_flops(device)
        self._tokens, self._seconds = tokens, seconds

    @property
    def last(self) -> tuple[int, float]:
        """The tokens and seconds in total at the last report."""
        return self._tokens, self._seconds

    def since_last(self, step: int, tokens: int, seconds: float) -> dict[str, float]:
        """Return the metrics of the stretch since the last call.

        Args:
            step: the last one of the stretch.
            tokens: read in total, up to now.
            seconds: spent in total, up to now.
        """
        read, took = tokens - self._tokens, seconds - self._seconds
        self._tokens, self._seconds = tokens, seconds
        if took <= 0:
            return {}
        speed = read / took
        flops = self._flops_per_token(step)
        if flops is None or self._peak is None:
            return {"tokens_per_second": speed}
        return {"tokens_per_second": speed, "mfu": speed * flops / self._peak}
