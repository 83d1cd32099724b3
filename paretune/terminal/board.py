"""The state of a search as a person wants to see it, kept up to date by events; no drawing here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from paretune.plan.binding import BoundPlan
from paretune.record.endings import TrialEnding
from paretune.record.events import Listener, Row
from paretune.sampling.history import PastTrial, Standing, TrialSpec
from paretune.sampling.strategies.strategy import Progress
from paretune.terminal.remaining import Lengths, Work, percent_of, seconds_left

if TYPE_CHECKING:
    import pandas as pd

    from analysis.rows import SearchRows
    from paretune.timing.deadline import Deadline

_SHARE_OF_TIME = 0.05
"""The share of the time that may go into finding the smallest configuration again and again."""


@dataclass
class RunningTrial:
    """A trial that runs, with its last report."""

    spec: TrialSpec
    steps: int
    started_at: float
    """When it started, by the board's clock."""
    reported_at: float
    """When it last reported, or started."""
    first: tuple[int, float] | None = None
    """Step and time of its first report in this session."""
    last: Row = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Steps taken so far, as last reported."""
        return int(self.last.get("step", 0))

    def work(self, now: float) -> Work:
        """Return what it has done in this session."""
        step, at = self.first or (self.step, self.reported_at)
        return Work(
            budget=self.steps,
            # Where a resumed one began is not known; its first report is soon after.
            begun_at=0 if self.spec.resume_from is None else step,
            step=self.step,
            seconds=self.reported_at - self.started_at,
            silent=now - self.reported_at,
            pace=(self.reported_at - at) / (self.step - step) if self.step > step else None,
        )


@dataclass(frozen=True, kw_only=True)
class Best:
    """A trial that is best in some respect."""

    label: str
    params: int
    value: float


class Board(Listener):
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
        self.fake_gpus = bound.fake_gpus
        objectives = bound.plan.objectives
        # The smallest or cheapest is no news as long as it has learned nothing; the best is.
        metrics = bound.metrics
        self.objective = next((o for o in objectives if not metrics[o.metric].is_cost), objectives[0])
        self.endings: Counter[TrialEnding] = Counter()
        self.running: dict[str, RunningTrial] = {}
        self.paused: set[str] = set()
        """Labels of the trials that wait below the cut of early stopping."""
        self.best: Best | None = None
        self.progress: Progress | None = None
        """How far the plan's question is answered; None without one."""
        self.deadline: Deadline | None = None
        """Until when the search is to be over, if it was given a time."""
        self._ended_rows: dict[str, Row] = {}
        self._first_start: float | None = None
        self._done = (0, 0.0)
        self._ended_at: Counter[int] = Counter()
        self._budgets: dict[str, int] = {}
        self._all_budgets = 0
        # Where a task has none, every configuration states it.
        self._default_steps = bound.defaults.get("steps", 1)
        self._smallest: pd.Series[Any] | None = None
        self._looked_at = 0
        self._look_again_at = 0.0
        for trial in past:
            if trial.outcome is not None:
                last = {"step": trial.outcome.step, **trial.outcome.metrics}
                self._count(trial.spec, trial.outcome.ending, last)
            if trial.paused_with is not None:
                self.paused.add(trial.spec.label)

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
        """Estimate of the time to the end; None before there is something to go by.

        That is an ending, or a fifth of a trial: the first steps of a trial tell little.
        """
        now = self._clock()
        running = [trial.work(now) for trial in list(self.running.values())]
        if self._first_start is None or not (self.endings or sum(work.percent for work in running) > 20):
            return None
        to_begin = self._to_begin(len(running))
        if to_begin is None:
            return None
        lengths = Lengths(self._ended_at, [work.percent for work in running])
        return seconds_left(
            self._done,
            running,
            lengths,
            to_begin=to_begin,
            budget=self._all_budgets / max(len(self._budgets), 1),
            elapsed=now - self._first_start,
        )

    def _to_begin(self, running: int) -> int | None:
        """Return how many trials are still to begin; None where the question's answer does not tell."""
        left = self.trials - self.ended_count - len(self.paused)
        if self.progress is not None:
            if self.progress.trials_left is None:
                return None
            left = min(left, self.progress.trials_left)
        return max(left - running, 0)

    @property
    def smallest(self) -> pd.Series[Any] | None:
        """The smallest configuration that reaches the target, going by the trials that have ended: a row of
        :func:`analysis.ranking.ranking`, by the same rule as everywhere. Of a large search it may be some
        trials behind."""
        if self._looked_at == len(self._ended_rows) or self._clock() < self._look_again_at:
            return self._smallest
        from analysis.ranking import smallest

        began = self._clock()
        self._looked_at = len(self._ended_rows)
        rows = self.rows_so_far()
        # Where nothing has solved there is nothing to look for.
        self._smallest = smallest(rows) if self.endings[TrialEnding.SOLVED] else None
        now = self._clock()
        self._look_again_at = now + (now - began) / _SHARE_OF_TIME
        return self._smallest

    def rows_so_far(self) -> SearchRows:
        """Return the trials that have ended as a search in memory."""
        import pandas as pd

        from analysis.rows import SearchRows

        metrics = [asdict(metric) for metric in self._bound.metrics.values()]
        trials = pd.DataFrame(list(self._ended_rows.values()))
        return SearchRows.of_frames(self._bound.plan, metrics, trials)

    def started(self, trial: TrialSpec) -> None:
        """Put a trial on the board."""
        now = self._clock()
        if self._first_start is None:
            self._first_start = now
        self.paused.discard(trial.label)
        self.running[trial.label] = RunningTrial(
            trial, self._budget_of(trial), started_at=now, reported_at=now
        )

    def reported(self, trial: TrialSpec, row: Row) -> None:
        """Update a trial's line."""
        running = self.running[trial.label]
        running.last = row
        running.reported_at = self._clock()
        running.first = running.first or (running.step, running.reported_at)
        self._consider(trial, row)

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Take a trial off the board that waits; what it did counts."""
        if standing.is_paused:
            self.paused.add(trial.label)
            self._leave(trial.label, {})

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Take a trial off the board and count how it ended."""
        self._leave(trial.label, last)
        if ending != TrialEnding.INTERRUPTED:
            self.paused.discard(trial.label)
        self._count(trial, ending, last)

    def progressed(self, progress: Progress) -> None:
        """Take note of how far the question is answered."""
        self.progress = progress

    def _leave(self, label: str, last: Row) -> None:
        """Take a trial off the board."""
        running = self.running.pop(label, None)
        if running is not None:
            running.last = {**running.last, **last}
            work = running.work(self._clock())
            self._done = (self._done[0] + work.steps, self._done[1] + work.seconds + work.silent)

    def _budget_of(self, trial: TrialSpec) -> int:
        """Return the steps that a trial may take, and count it among those known; once for each trial."""
        budget = int(trial.values.get("steps", self._default_steps))
        if trial.label not in self._budgets:
            self._budgets[trial.label] = budget
            self._all_budgets += budget
        return budget

    def _count(self, trial: TrialSpec, ending: TrialEnding, last: Mapping[str, Any]) -> None:
        if ending != "interrupted":
            self.endings[ending] += 1
            self._ended_at[percent_of(int(last.get("step") or 0), self._budget_of(trial))] += 1
        self._ended_rows[trial.label] = {
            "trial": trial.label,
            **{name: getattr(trial, name) for name in ("configuration", "seed_index", "seed", "params")},
            "values": trial.values,
            "ending": ending,
            "step": last.get("step"),
            **{name: last[name] for name in self._bound.metrics if name in last},
        }
        self._consider(trial, last)

    def _consider(self, trial: TrialSpec, row: Row) -> None:
        value = trial.params if self.objective.metric == "params" else row.get(self.objective.metric)
        if value is None:
            return
        sign = 1 if self.objective.direction == "max" else -1
        if self.best is None or (sign * value, -trial.params) > (sign * self.best.value, -self.best.params):
            self.best = Best(label=trial.label, params=trial.params, value=value)
