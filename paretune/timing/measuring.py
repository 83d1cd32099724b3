"""Steps of a few configurations, measured as trials would take them: in processes, as many at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.plan.binding import BoundPlan
from paretune.timing.costs import Costly
from paretune.waiting import let_waiting_threads_sleep

MOST_SECONDS = 2.5
"""So long after the processes have started no configuration is begun any more."""

_STEPS_SECONDS = 0.25
"""Seconds of steps of each configuration."""

_MOST_PROCESSES = 8
"""Processes at a time, also where more trials run at a time."""

_READY_SECONDS = 60.0
"""So long a process may take to import torch, on a busy machine."""

_PATIENCE_SECONDS = 30.0
"""Configurations that take longer, with what they compile, are given up."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one configuration took."""

    costly: Costly
    step: float
    """Seconds of a training step."""
    evaluation: float
    """Seconds of an evaluation."""
    start: float
    """Seconds from a trial's start to its first step, in a process that is up; compiling left out."""
    compiling: float | None
    """Seconds of compiling; None if there was nothing to compile."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured of a plan on this machine."""

    found: tuple[Measured, ...] = ()
    at_a_time: int = 1
    """Processes that measured at the same time."""
    ready: float = 0.0
    """Seconds until a process had started and imported what training needs."""
    seconds: float = 0.0
    """Seconds that all of it took."""
    errors: tuple[str, ...] = ()
    """What went wrong, each once."""


NOTHING = Measurement()
"""Nothing was measured."""


def measure(
    bound: BoundPlan, chosen: Sequence[Costly], *, at_a_time: int, seconds: float = MOST_SECONDS
) -> Measurement:
    """Measure configurations one after the other, until all are or the time is over.

    The first configurations are repeated where there are fewer than processes, so that as many run at the
    same time as will in the search.

    Args:
        bound: the plan.
        chosen: the configurations, those that tell most first.
        at_a_time: trials that the search runs at a time.
        seconds: so long after the processes have started none is begun any more.
    """
    processes = max(1, min(at_a_time, _MOST_PROCESSES))
    repeated = [*chosen, *(chosen[at % len(chosen)] for at in range(-len(chosen) % processes))]
    session = _Session(bound, deque(repeated), processes, seconds)
    return session.measured()


class _Session:
    """Processes that measure, each with a thread that hands it one configuration after the other."""

    def __init__(self, bound: BoundPlan, waiting: deque[Costly], processes: int, seconds: float) -> None:
        self._bound = bound
        self._waiting = waiting
        self._seconds = seconds
        self._began = time.perf_counter()
        self._started = [start_process("paretune.timing.probe") for _ in range(processes)]
        self._all_ready = threading.Barrier(processes)
        self._ready: list[float] = []
        self._found: dict[str, list[Measured]] = {}
        self._errors: dict[str, None] = {}

    def measured(self) -> Measurement:
        """Let the processes measure, end them, and return what they found."""
        threads = [threading.Thread(target=self._use, args=(one,), daemon=True) for one in self._started]
        limit = threading.Timer(_READY_SECONDS + self._seconds + _PATIENCE_SECONDS, self._end)
        limit.daemon = True
        try:
            for thread in (limit, *threads):
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            limit.cancel()
            self._end()
        return Measurement(
            found=tuple(_joined(several) for several in self._found.values()),
            at_a_time=len(self._started),
            ready=max(self._ready, default=0.0),
            seconds=time.perf_counter() - self._began,
            errors=tuple(self._errors),
        )

    def _end(self) -> None:
        for process in self._started:
            process.kill()
        for process in self._started:
            process.wait()

    def _use(self, process: subprocess.Popen[str]) -> None:
        plan = self._bound.plan
        gpu = 0.0 if self._bound.trains_on_cpu else self._bound.least_gpus
        needs = {"cpu": plan.resources.cpu, "gpu": gpu}
        if answered(process, {"task": plan.task, **needs, "seconds": _STEPS_SECONDS}) is None:
            self._errors["a process that measures could not start"] = None
            self._all_ready.abort()
            return
        self._ready.append(time.perf_counter() - self._began)
        # Measured beside the start of another process, steps would be slower than they are.
        with suppress(threading.BrokenBarrierError):
            self._all_ready.wait(_READY_SECONDS)
        first, began = True, time.perf_counter()
        while first or time.perf_counter() - began < self._seconds:
            try:
                costly = self._waiting.popleft()
            except IndexError:
                return
            answer = answered(process, costly.config)
            if answer is None or "error" in answer:
                told = "it ended without a word; was it out of memory?" if answer is None else answer["error"]
                self._errors[str(told)] = None
                if answer is None:
                    return
                continue
            self._keep(costly, answer)
            first = False

    def _keep(self, costly: Costly, answer: dict[str, float]) -> None:
        one = Measured(
            costly=costly,
            step=answer["step"],
            evaluation=answer["evaluation"],
            start=answer["start"],
            compiling=answer["compiling"] if costly.compiles is not None else None,
        )
        self._found.setdefault(costly.key, []).append(one)


def start_process(module: str) -> subprocess.Popen[str]:
    """Start a process that runs a module of ours, reads lines of JSON and answers each with one."""
    let_waiting_threads_sleep()
    here = str(Path(__file__).parents[2])
    paths = os.pathsep.join(dict.fromkeys([here, *(path for path in sys.path if path)]))
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        # Ctrl-C is this process's to handle, which ends them.
        start_new_session=True,
    )


def answered(process: subprocess.Popen[str], line: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a process says to a line; None if it is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        said = process.stdout.readline()
    except (OSError, ValueError):
        return None
    return json.loads(said) if said else None


def _joined(several: Sequence[Measured]) -> Measured:
    """Return the mean of a configuration that was measured more than once; it is compiled the first time."""
    count = len(several)
    return Measured(
        costly=several[0].costly,
        step=sum(one.step for one in several) / count,
        evaluation=sum(one.evaluation for one in several) / count,
        start=sum(one.start for one in several) / count,
        compiling=max((one.compiling for one in several if one.compiling is not None), default=None),
    )
