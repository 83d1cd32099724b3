"""Trials beside each other on one device, measured in processes of their own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from paretune.errors import Error
from paretune.packing.profiles import Device, Pack
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import CONTEXT_BYTES
from paretune.timing.costs import Costly
from paretune.timing.measuring import answered, start_process

STEPS_SECONDS = 1.0
"""Seconds of steps that are measured of a configuration at a time."""

_READY_SECONDS, _PATIENCE_SECONDS = 120.0, 180.0
"""So long a process may take to start, and all of them to compile and to train."""


class PackError(Error):
    """So many trials could not train beside each other.

    Args:
        message: why.
        for_memory: whether it was for want of memory.
    """

    def __init__(self, message: str, *, for_memory: bool = False) -> None:
        super().__init__(message)
        self.for_memory = for_memory


class Measures(Protocol):
    """Trains a configuration several times beside each other; replaced in tests."""

    def __call__(self, costly: Costly, at_a_time: int) -> Pack:
        """Return what was measured.

        Raises:
            PackError: they could not train.
        """
        ...


class Pool:
    """Processes that train, started when they are needed and kept for the next configuration.

    Args:
        bound: the plan.
        device: what they share.
        seconds: seconds of steps to measure at a time.
    """

    def __init__(self, bound: BoundPlan, device: Device, seconds: float = STEPS_SECONDS) -> None:
        self._bound = bound
        self._device = device
        self._seconds = seconds
        self.processes: list[subprocess.Popen[str]] = []
        """Those that were started, in this order."""
        self._used: list[int] = []
        self.context: int | None = 0 if device.kind == "cpu" else None
        """Bytes of the device that a process needs before it has a tensor; None if not measured."""

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def __call__(self, costly: Costly, at_a_time: int) -> Pack:
        """Train a configuration in so many processes at a time.

        Raises:
            PackError: they could not train.
        """
        # Of a GPU's first context the size is seen when the second comes.
        self._start(at_a_time if self._device.kind == "cpu" else max(at_a_time, 2))
        processes = self.processes[:at_a_time]
        order = {"config": costly.config, "share": 1 / at_a_time, "seconds": self._seconds}
        with self._patience(_PATIENCE_SECONDS):
            warm = self._told(processes, order)
            is_on = all("warm" in answer for answer in warm)
            ready = [process for process, answer in zip(processes, warm, strict=True) if "warm" in answer]
            found = self._told(ready, {"go": is_on})
        for answer in [*warm, *(found if is_on else [])]:
            if "error" in answer:
                raise PackError(answer["error"], for_memory=bool(answer.get("for_memory")))
        context = CONTEXT_BYTES if self.context is None else self.context
        return Pack(
            at_a_time=at_a_time,
            steps=sum(one["steps"] / one["seconds"] for one in found if one["seconds"] > 0),
            memory=max(int(one["memory"]) for one in found) + context,
        )

    def _start(self, count: int) -> None:
        """Start processes until there are so many, one after the other.

        Raises:
            PackError: one does not start.
        """
        plan = self._bound.plan
        more = [start_process("paretune.packing.probe") for _ in range(count - len(self.processes))]
        self.processes += more
        for process in more:
            with self._patience(_READY_SECONDS):
                answer = answered(
                    process, {"task": plan.task, "cpu": plan.resources.cpu, "kind": self._device.kind}
                )
            if answer is None:
                self._end()
                raise PackError("a process that measures could not start")
            if answer["used"] is not None:
                self._used.append(int(answer["used"]))
        if len(self._used) > 1 and self.context is None:
            self.context = max(self._used[1] - self._used[0], 0)

    def _told(self, processes: Sequence[subprocess.Popen[str]], line: dict[str, Any]) -> list[dict[str, Any]]:
        """Say the same to processes, and return their answers; of one that is gone, that it is."""
        gone = {"error": "a process ended without a word; was it out of memory?", "for_memory": True}
        heard: list[dict[str, Any]] = [gone] * len(processes)

        def ask(at: int) -> None:
            answer = answered(processes[at], line)
            if answer is not None:
                heard[at] = answer

        threads = [threading.Thread(target=ask, args=(at,), daemon=True) for at in range(len(processes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if any(answer is gone for answer in heard):
            # The others may wait for a word that nobody will say.
            self._end()
        return heard

    @contextmanager
    def _patience(self, seconds: float) -> Iterator[None]:
        """End the processes if they take longer."""
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _kill(self) -> None:
        for process in self.processes:
            process.kill()

    def _end(self) -> None:
        self._kill()
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):  # of a process that is gone the pipe is broken
                        stream.close()
        self.processes, self._used = [], []
