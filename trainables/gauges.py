"""What the training loop reads while it runs: the mean loss, and the time spent."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor


class RunningLoss:
    """Mean loss since the last report, summed on the device so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._sum = torch.zeros((), device=device)
        self._steps = 0

    def add(self, loss: Tensor) -> None:
        """Add a step's loss, a scalar on the device."""
        self._sum += loss
        self._steps += 1

    def is_finite(self) -> bool:
        """Tell whether no loss since the last report was NaN or infinite."""
        return math.isfinite(self._sum.item())

    def mean(self) -> float:
        """Return the mean loss since the last report."""
        return self._sum.item() / self._steps

    def reset(self) -> None:
        """Begin anew."""
        self._sum.zero_()
        self._steps = 0


class Clock:
    """Processor and elapsed time since it was last restarted."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
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
