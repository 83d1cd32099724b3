"""What Tune does with a searcher, a scheduler and callbacks, without Ray: trials follow recorded curves."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from analysis.store import RowStore
from paretune.plan.binding import BoundPlan
from paretune.record.events import Listener, Row
from paretune.record.recorder import Recorder, read_past, settle_past
from paretune.record.repairing.rows import repair_rows
from paretune.tune.parts import Parts

Curve = Callable[[dict[str, Any]], Sequence[Row]]
"""Returns the reports of a trial that is told these values; the last says its ending."""


class KilledError(Exception):
    """Raised where the process is to end without a word."""


class Twin:
    """One session of a search.

    Which of the trials that run reports next depends on nothing but how many reports there were. So a
    search that was killed compares with one that was not.

    Args:
        bound: the plan.
        folder: of the search's rows.
        curve: what trials report.
        slots: trials at a time.
        listeners: who else is told.
        kill_after: so many reports after which the process ends without a word.
    """

    def __init__(
        self,
        bound: BoundPlan,
        folder: Path,
        curve: Curve,
        *,
        slots: int = 2,
        listeners: Sequence[Listener] = (),
        kill_after: int | None = None,
    ) -> None:
        store = RowStore(folder)
        self.repaired = repair_rows(store, [])
        """What was said of damaged rows."""
        settle_past(store)
        past = read_past(store, set(bound.metrics))
        self.parts = Parts(bound, past, store, [Recorder(store, 1), *listeners], concurrency=slots)
        self.reports = 0
        self._curve = curve
        self._slots = slots
        self._kill_after = kill_after
        self._done = {label: len(rows) for label, rows in store.reports_by_trial().items()}
        """Reports of each trial: from there it goes on."""
        self._trials: list[SimpleNamespace] = []
        self._finished = False

    def run(self) -> bool:
        """Run the session to its end, and return whether the search is complete."""
        while not self._is_over():
            self._ask()
            self._start()
            running = [trial for trial in self._trials if trial.status == "RUNNING"]
            if running:
                running.sort(key=lambda trial: str(trial.label))
                self._report(running[random.Random(sum(self._done.values())).randrange(len(running))])
            self.parts.monitor.on_step_end(0, [])
        return self.parts.close()

    def stop_trial(self, trial: SimpleNamespace) -> None:
        """End a trial as Tune's controller does."""
        parts = self.parts
        if trial.status in ("PENDING", "PAUSED"):
            parts.scheduler.on_trial_remove(self, trial)
            parts.searcher.on_trial_complete(trial.trial_id)
        else:
            parts.scheduler.on_trial_complete(self, trial, trial.last)
            parts.searcher.on_trial_complete(trial.trial_id, result=trial.last)
        parts.monitor.on_trial_complete(0, [], trial)
        trial.status = "TERMINATED"

    def _is_over(self) -> bool:
        return self._finished and all(trial.status == "TERMINATED" for trial in self._trials)

    def _ask(self) -> None:
        while not self._finished and sum(trial.status == "PENDING" for trial in self._trials) < self._slots:
            trial_id = str(len(self._trials))
            config = self.parts.searcher.suggest(trial_id)
            if config == "FINISHED":
                self._finished = True
            if not isinstance(config, dict):
                return
            trial = SimpleNamespace(trial_id=trial_id, config=config, status="PENDING", last={})
            trial.label = config["label"]
            trial.error_file = trial.checkpoint = None
            self._trials.append(trial)
            self.parts.scheduler.on_trial_add(self, trial)

    def _start(self) -> None:
        """Start what the scheduler chooses, then what is pending, as far as there are slots."""
        while True:
            chosen = self.parts.scheduler.choose_trial_to_run(self)
            running = sum(trial.status == "RUNNING" for trial in self._trials)
            if chosen is None or running >= self._slots:
                return
            self.parts.monitor.on_trial_start(0, [], chosen)
            chosen.status = "RUNNING"

    def _report(self, trial: SimpleNamespace) -> None:
        if self.reports == self._kill_after:
            raise KilledError
        self.reports += 1
        done = self._done.get(trial.label, 0)
        trial.last = row = dict(self._curve(trial.config)[done])
        self._done[trial.label] = done + 1
        decision = self.parts.scheduler.on_trial_result(self, trial, row)
        self.parts.monitor.on_trial_result(0, [], trial, row)
        if decision == "PAUSE":
            trial.status = "PAUSED"
        elif decision == "STOP" or row.get("ending"):
            self.stop_trial(trial)
