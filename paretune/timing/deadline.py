"""A deadline that a search keeps: no trial begins that is not expected to end in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from paretune.plan.binding import BoundPlan
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener, Row
from paretune.sampling.history import Standing, TrialSpec
from paretune.timing.costs import Costly, costly_of
from paretune.timing.times import TrialTime, TrialTimes

_CHANCE = 0.75
"""A trial begins if it ends in time with at least this chance."""

_SURE = 0.7
"""So many standard deviations more than expected are allowed for: three of four trials need no more."""

_WHOLE_BUDGETS = 2.0
"""As how many trials that used their budgets the plan counts, beside those that ended."""


@dataclass
class _Running:
    """A trial that runs."""

    spec: TrialSpec
    costly: Costly
    expected: float
    """Seconds that it takes if it uses its budget; 0 if that was not known."""
    began: float
    step: int = 0
    begun_at: int = 0
    """Steps that it had taken before this session."""
    waited: float = 0.0
    """Seconds that it waited for a compiler."""


class Deadline(Listener):
    """Says whether a trial may begin and when those that run are to be ended; a listener of the search.

    Args:
        bound: the plan.
        times: what trials take, as far as that was measured.
        slots: trials at a time.
        ends_at: when the command is to be over, by the clock.
        closing: seconds that ending a search takes: so long before, trials that still run are ended.
        expected: the time that was given and what was expected of it, as provenance keeps them.
        begun: shares of their steps that trials of earlier sessions have taken, by label.
        clock: seconds of a clock that only runs forward; replaced in tests.
    """

    def __init__(
        self,
        bound: BoundPlan,
        times: TrialTimes,
        *,
        slots: int,
        ends_at: float,
        closing: float,
        expected: Mapping[str, Any] | None = None,
        begun: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bound = bound
        self._times = times
        self.slots = slots
        """Trials at a time; the search says how many once Ray has started."""
        self._before = dict(expected or {})
        self._taken_before = dict(begun or {})
        self._ends_at = ends_at - closing
        self._clock = clock
        self._running: dict[str, _Running] = {}
        self._begun: set[int] = set()
        self._shares: list[float] = []
        """What ended trials took, as shares of what their whole budgets would have."""
        self._compiled: set[str] = set()
        self._refused = False
        self._last: tuple[str, Costly] | None = None
        self._asked: tuple[str, int, int] | None = None
        self._ran_out = False
        self._cut = 0
        self.ended_count = 0
        """Trials that ended in this session, by themselves or by early stopping."""

    def is_over(self) -> bool:
        """Tell whether trials that still run are to be ended now; then it is the deadline that ended them."""
        self._ran_out = self._ran_out or self._clock() >= self._ends_at
        return self._ran_out

    @property
    def seconds_left(self) -> float:
        """Seconds until trials that still run are ended."""
        return max(self._ends_at - self._clock(), 0.0)

    @property
    def cut(self) -> int:
        """How many trials were running when the time was over."""
        return self._cut if self._ran_out else 0

    @property
    def ended_the_search(self) -> bool:
        """Whether trials were not begun, or were ended, for lack of time, and not because of Ctrl-C."""
        return self._ran_out or (self._refused and not self._cut)

    def as_record(self) -> dict[str, Any]:
        """Return what the provenance of the session keeps."""
        return {
            **self._before,
            "ended": self.ended_count,
            "still_running": self.cut,
            "ended_the_search": self.ended_the_search,
        }

    def may_begin(self, spec: TrialSpec) -> bool:
        """Tell whether a trial that would begin now is expected to end in time.

        Of a configuration that has not begun, all seeds have to be.
        """
        left = self.seconds_left
        if left <= 0:
            self._refused = True
            return False
        if not self._times.is_known:
            return True
        asked = (spec.label, self.ended_count, int(left))
        if self._refused and asked == self._asked:
            return False  # Tune asks many times a second
        self._asked = asked
        alone = spec.configuration in self._begun or self._bound.plan.question is not None
        (time_,) = self._times.of([self._costly(spec)])
        compiling = self._compiling_of(time_)
        seconds = time_.seconds * math.exp(_SURE * time_.deviation) * self._rest_of(spec)
        idle = max(self.slots - len(self._running), 1)
        free = sorted([*[0.0] * idle, *(self._left_of(one) for one in self._running.values())])
        at = 0.0
        for _ in range(1 if alone else self._bound.plan.search.first_seeds):
            at = free.pop(0)
            free = sorted([*free, at + compiling + seconds])
        self._refused = self._chance(seconds, left - at - compiling) < _CHANCE
        return not self._refused

    def announced(self, trial: TrialSpec) -> None:
        """Take note of a trial that was handed out."""
        self._begun.add(trial.configuration)
        self._start(trial)

    def started(self, trial: TrialSpec) -> None:
        """Take note of when a trial begins to run."""
        self._start(trial)

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Take note of how far a trial is, and how fast."""
        running = self._running.get(trial.label)
        if running is None:
            return
        first, running.step = not running.step, int(row["step"])
        if first and self._has_begun(trial):
            running.begun_at = running.step
        if not first or running.costly.compiles is None:
            return
        taken = self._clock() - running.began
        running.waited = max(taken - float(row.get("wall_seconds") or 0.0) - self._times.start, 0.0)
        if running.costly.compiles not in self._compiled:
            self._compiled.add(running.costly.compiles)
            self._times.waited(running.waited)

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Take note of how far a trial is that waits."""
        running = self._running.pop(trial.label, None) if standing.is_paused else None
        if running is not None:
            self._taken_before[trial.label] = running.step / max(int(running.costly.config["steps"]), 1)

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Learn from what a trial took."""
        running = self._running.pop(trial.label, None)
        if ending == TrialEnding.INTERRUPTED:
            self._cut += running is not None  # one that waits has not been cut off
            return
        self.ended_count += 1
        step, wall = int(last.get("step") or 0), last.get("wall_seconds")
        if running is None or not step or not wall or self._has_begun(trial):
            return
        took = self._clock() - running.began
        share = step / max(int(running.costly.config["steps"]), 1)
        is_whole = share >= 1
        beside = max(took - wall - running.waited, 0.0) if is_whole else None
        self._times.observed(trial.label, running.costly, step=wall / step, beside=beside)
        self._shares.append(min(share, 1.0))

    def _start(self, trial: TrialSpec) -> None:
        costly = self._costly(trial)
        known = self._times.is_known
        seconds = self._rest_of(trial) * sum(self._expected(costly)) if known else 0.0
        self._running[trial.label] = _Running(trial, costly, expected=seconds, began=self._clock())

    def _has_begun(self, trial: TrialSpec) -> bool:
        """Tell whether a trial has taken steps before: in an earlier session, or before it was paused."""
        return trial.resume_from is not None or trial.label in self._taken_before

    def _costly(self, spec: TrialSpec) -> Costly:
        if self._last is None or self._last[0] != spec.label:
            self._last = spec.label, costly_of(self._bound, spec.values)
        return self._last[1]

    def _rest_of(self, spec: TrialSpec) -> float:
        """Return the share of its steps that a trial has left."""
        return 1.0 - self._taken_before.get(spec.label, 0.0)

    def _expected(self, costly: Costly) -> tuple[float, float]:
        """Return the seconds of a trial that uses its budget, and those of compiling before it."""
        (time_,) = self._times.of([costly])
        return time_.seconds, self._compiling_of(time_)

    def _compiling_of(self, time_: TrialTime) -> float:
        return time_.compiling if time_.compiles not in {None, *self._compiled} else 0.0

    def _left_of(self, running: _Running) -> float:
        """Return the seconds that a trial which runs still needs, if it uses its budget."""
        taken = self._clock() - running.began
        steps = max(int(running.costly.config["steps"]), 1)
        by_plan = running.expected - taken
        if running.step <= running.begun_at:
            return max(by_plan, 0.0)
        by_itself = taken * (steps - running.step) / (running.step - running.begun_at)
        return max(min(by_plan, by_itself) if by_plan > 0 else by_itself, 0.0)

    def _chance(self, seconds: float, left: float) -> float:
        """Return the chance that a trial ends within the time left, by when those before ended.

        Those that run count as whole: the first to end are those that end early.
        """
        if left <= 0:
            return 0.0
        whole = _WHOLE_BUDGETS + len(self._running)
        in_time = sum(share * seconds <= left for share in self._shares) + whole * (seconds <= left)
        return in_time / (len(self._shares) + whole)
