"""A process that trains a configuration for a moment beside others, and says how fast, and in what memory.

Started by :mod:`paretune.packing.measuring`, it reads lines of JSON and answers each with one.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from paretune.timing.probe import first_line, say

if TYPE_CHECKING:
    from trainables.checkpoints import Snapshot
    from trainables.contract import Report

_LOOK_EVERY_S = 0.01
"""Seconds between looks at this process's memory."""


class _NotTogetherError(Exception):
    """Another of the processes could not begin, so none is measured."""


def main() -> None:
    """Train one configuration after the other, each when it is told to."""
    import torch

    import trainables.loop  # noqa: F401
    from trainables.tasks import get_task

    given = json.loads(sys.stdin.readline())
    torch.set_num_threads(max(1, int(given["cpu"])))
    # Whoever asks for the measurement has allowed it, or there would be no plan.
    task = get_task(given["task"], allow_code=True)
    device = torch.device(given["kind"])
    say({"ready": True, "used": _used_of_gpu() if device.type == "cuda" else None})
    for line in sys.stdin:
        order = json.loads(line)
        try:
            say(_measured(task, order, device))
        except _NotTogetherError:
            say({"error": "another one could not begin"})
        except Exception as error:
            is_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
            say({"error": first_line(error), "for_memory": is_memory})


def _measured(task: Any, order: dict[str, Any], device: Any) -> dict[str, Any]:
    """Return the steps that were taken since all had begun, their seconds, and the peak of the memory.

    A run that is over before the time is begins anew.
    """
    from trainables.loop import HandedOverError, Host, train

    config = task.config_class.model_validate(order["config"])
    window = _Window(order["seconds"])
    with _PeakMemory(device) as memory:
        while not window.is_over():
            with suppress(HandedOverError):
                train(
                    task,
                    config,
                    device=device,
                    report=window.look,
                    report_at=(1,),
                    host=Host(
                        memory_share=order["share"], is_given=window.is_over, hand_over=window.look_at_end
                    ),
                )
            window.close_run()
    return {"steps": window.steps, "seconds": window.wall, "memory": memory.bytes}


class _Window:
    """The time in which steps count: from when all processes have taken one.

    Args:
        seconds: its length.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._opened: float | None = None
        self._first: tuple[int, float] | None = None
        self._last = (0, 0.0)
        self.steps = 0
        self.wall = 0.0
        """Seconds of these steps, evaluations left out."""

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return self._opened is not None and time.perf_counter() - self._opened >= self._seconds

    def look(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        """Take note of how far a run is; after the first step of all, wait for the others."""
        self._last = report.step, report.metrics["wall_seconds"]
        if self._opened is None:
            # Compilers have run and memory is taken: now all go on together.
            say({"warm": True})
            if not json.loads(sys.stdin.readline())["go"]:
                raise _NotTogetherError
            self._opened = time.perf_counter()
        if self._first is None:
            self._first = self._last

    def look_at_end(self, snapshot: Callable[[], Snapshot]) -> None:
        """Take note of how far a run is that ends with the time."""
        state = snapshot()
        self._last = state["step"], state["progress"]["wall_seconds"]

    def close_run(self) -> None:
        """Count the steps of a run, those after the first, in which caches warm up."""
        if self._first is not None:
            self.steps += self._last[0] - self._first[0]
            self.wall += self._last[1] - self._first[1]
        self._first = None


class _PeakMemory:
    """The most memory that this process needs of a device while it is entered, evaluations included."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self.bytes = 0

    def __enter__(self) -> _PeakMemory:
        if self._device.type == "cuda":
            import torch

            # What an earlier configuration left behind is none of this one's.
            gc.collect()
            torch.cuda.empty_cache()
        self._looking.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._looking.join()
        self.bytes = max(self.bytes, self._now())

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            self.bytes = max(self.bytes, self._now())

    def _now(self) -> int:
        if self._device.type == "cuda":
            import torch

            # What the allocator holds, which nobody else can have.
            return int(torch.cuda.memory_reserved())
        return int(psutil.Process().memory_info().rss)


def _used_of_gpu() -> int:
    """Return the bytes of the GPU that are in use, once this process has its context."""
    import torch

    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return int(total - free)


if __name__ == "__main__":
    main()
