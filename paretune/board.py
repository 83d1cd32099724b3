"""The state of a search as a person wants to see it, kept up to date by events; no drawing here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune.binding import BoundPlan
from paretune.endings import TrialEnding
from paretune.events import Row
from paretune.queue import PastTrial, TrialSpec
from search_spaces.plan import Values


@dataclass
class RunningTrial:
    """A trial that runs, with its last report."""

    spec: TrialSpec
    steps: int
    last: Row = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Steps taken so far, as last reported."""
        return int(self.last.get("step", 0))


@dataclass(frozen=True, kw_only=True)
class Best:
    """A trial that is best in some respect."""

    label: str
    params: int
    value: float


class Board:
    """Counts, running trials, the best so far, and the time left.

    Args:
        bound: the plan.
        past: trials of earlier sessions.
        clock: seconds of a clock that only runs forward; replaced in tests.
    """

    def __init__(
        self, bound: BoundPlan, past: list[PastTrial], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bound = bound
        self._clock = clock
        self._begun = clock()
        self.trials = bound.plan.trials
        objectives = bound.plan.objectives
        # The smallest or cheapest is no news as long as it has learned nothing; the best is.
        metrics = bound.metrics
        self.objective = next((o for o in objectives if not metrics[o.metric].is_cost), objectives[0])
        self.endings: Counter[TrialEnding] = Counter()
        self.running: dict[str, RunningTrial] = {}
        self.best: Best | None = None
        self.smallest_solved: Best | None = None
        for trial in past:
            if trial.outcome is not None:
                self._count(trial.spec, trial.outcome.ending, trial.outcome.metrics)  # type: ignore[arg-type]
        self._ended_before = sum(self.endings.values())

    @property
    def ended_count(self) -> int:
        """How many trials are over, those of earlier sessions included."""
        return sum(self.endings.values())

    @property
    def elapsed(self) -> float:
        """Seconds since this session began."""
        return self._clock() - self._begun

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time to the end, from the work done so far; None before any is done."""
        partly = sum(trial.step / trial.steps for trial in self.running.values())
        done = self.ended_count - self._ended_before + partly
        if done <= 0 or not (self.endings or partly > 0.2):
            return None
        return self.elapsed / done * max(self.trials - self.ended_count - partly, 0)

    def announced(self, trial: TrialSpec) -> None:
        """Only what runs is on the board."""

    def started(self, trial: TrialSpec) -> None:
        """Put a trial on the board."""
        self.running[trial.label] = RunningTrial(trial, self.steps_of(trial.values))

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Update a trial's line."""
        self.running[trial.label].last = row
        self._consider(trial, row)

    def checkpointed(self, trial: TrialSpec, path: str) -> None:
        """Checkpoints are not shown."""

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Take a trial off the board and count how it ended."""
        self.running.pop(trial.label, None)
        self._count(trial, ending, last)

    def tick(self) -> None:
        """Nothing on the board depends on time alone."""

    def steps_of(self, values: Values) -> int:
        """Return the budget of a configuration."""
        return self._bound.config(values).steps

    def _count(self, trial: TrialSpec, ending: TrialEnding, last: Mapping[str, Any]) -> None:
        if ending != "interrupted":
            self.endings[ending] += 1
        self._consider(trial, last)
        if ending == "solved":
            value = last.get(self.objective.metric, float("nan"))
            if self.smallest_solved is None or trial.params < self.smallest_solved.params:
                self.smallest_solved = Best(label=trial.label, params=trial.params, value=value)

    def _consider(self, trial: TrialSpec, row: Row) -> None:
        value = trial.params if self.objective.metric == "params" else row.get(self.objective.metric)
        if value is None:
            return
        sign = 1 if self.objective.direction == "max" else -1
        if self.best is None or (sign * value, -trial.params) > (sign * self.best.value, -self.best.params):
            self.best = Best(label=trial.label, params=trial.params, value=value)
