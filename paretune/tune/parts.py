"""What stands between Tune and the rows, put together for one session of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.store import RowStore
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import Room
from paretune.record.events import WARNINGS, Listener
from paretune.sampling.history import PastTrial, Standing, TrialSpec
from paretune.sampling.queue import TrialQueue
from paretune.stopping.making import entrant_of, stopper_of
from paretune.stopping.stopper import EarlyStopper
from paretune.timing.deadline import Deadline
from paretune.tune.assignment import assignment_of
from paretune.tune.callback import Monitor
from paretune.tune.nodes.losses import Losses
from paretune.tune.schedulers.early_stopping import EarlyStoppingScheduler
from paretune.tune.schedulers.newest_first import NewestFirst
from paretune.tune.schedulers.turns import Turns
from paretune.tune.searcher import QueueSearcher


class Parts:
    """The queue, early stopping, and the searcher, scheduler and callback through which Tune knows them.

    None of them needs a cluster: ``tests/helpers/tune_twin.py`` calls them as Tune does.

    Args:
        bound: the plan.
        past: trials of earlier sessions.
        store: the rows of the search.
        listeners: who is told what happens.
        concurrency: trials at a time.
        deadline: what lets trials begin, if there is one.
        gpus: of all machines; needed where trials get different shares of one.
        notice: the token under which this session gives notice to its trials.
    """

    def __init__(
        self,
        bound: BoundPlan,
        past: list[PastTrial],
        store: RowStore,
        listeners: Sequence[Listener],
        *,
        concurrency: int,
        deadline: Deadline | None = None,
        gpus: float = 0.0,
        notice: str = "",
    ) -> None:
        self._bound = bound
        self._room = Room(gpus)
        self._past = past
        self._store = store
        self._notice = notice
        self.queue = queue = TrialQueue(bound, past)
        self._stopper = stopper = stopper_of(bound)
        metrics = set(bound.metrics)
        columns = {"step", "ending", "engine", WARNINGS, *metrics}
        turns: Turns | None = None
        self._deadline = deadline
        if stopper is None:
            self.scheduler: NewestFirst = NewestFirst()
            self.monitor = Monitor(listeners, columns)
        else:
            self._refill(stopper)
            self.monitor = Monitor(
                listeners,
                columns,
                stopper.take_changes,
                is_complete=lambda: queue.exhausted,
                past=[trial.spec for trial in past],
                verdict=stopper.take_verdict,
            )
            turns = Turns(stopper, queue, concurrency, deadline, self.monitor.judge)
            self.scheduler = EarlyStoppingScheduler(stopper, queue, turns, metrics)
        self._turns = turns
        self.searcher = QueueSearcher(
            queue,
            concurrency,
            metrics,
            self._assign,
            self.monitor.progressed,
            deadline,
            turns,
            self.monitor.error_of,
        )
        if bound.gpus_differ:
            self.searcher.has_room = self._has_room
            if turns is not None:
                turns.has_room = self._has_room

    @property
    def folder(self) -> Path:
        """The search's folder."""
        return self._store.folder

    def on_machines(self, losses: Losses) -> None:
        """Take note that trials run on machines that may be lost, and come back then."""
        self.searcher.losses = self.monitor.losses = losses

    def have_room(self, concurrency: int, gpus: float) -> None:
        """Take note that another number of trials can run at a time from now on, on so many GPUs."""
        self._room.gpus = gpus
        self.searcher.concurrency = concurrency
        if self._turns is not None:
            self._turns.concurrency = concurrency
        if self._deadline is not None:
            self._deadline.slots = concurrency

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to run, and nothing waits."""
        return self.queue.exhausted and not self.queue.running and not self.queue.paused

    def hold(self) -> None:
        """Let nothing more begin: what runs has been given notice."""
        self.searcher.holds = self.scheduler.holds = True

    def close(self) -> bool:
        """End what has not ended, and return whether the search is complete.

        What Tune has not ended by now was interrupted. In a complete search, what still waits was stopped
        early.
        """
        is_complete = self.queue.exhausted and not self.queue.running and not self.monitor.open
        self.monitor.close()
        if is_complete:
            for trial in self._past:
                if trial.spec.label in self.queue.paused and trial.paused_with is not None:
                    last = {"step": trial.paused_with.step, **trial.paused_with.metrics}
                    self.monitor.ends_waiting(trial.spec, trial.standing, last)
        return is_complete

    def _has_room(self, spec: TrialSpec) -> bool:
        """Tell whether a trial's share of a GPU is free."""
        return self._room.has(spec.label, self._bound.gpus(spec.values), self.queue.running_labels)

    def _assign(self, spec: TrialSpec) -> dict[str, Any]:
        """Make a trial known to everyone, and return what its worker is told."""
        self.monitor.announce(spec)
        if self._stopper is not None:
            self._stopper.enter(entrant_of(self._bound, spec))
            if (standing := self._stopper.standing(spec.label)) != Standing():
                self.monitor.judged(spec.label, standing)
        told = assignment_of(self._bound, spec, self._store.folder, self._notice)
        told = replace(told, workers=self.searcher.concurrency)
        storage = self.monitor.storage
        if storage is not None and spec.resume_from is not None:
            told = replace(told, resume_at=storage.place_of(spec.resume_from).url)
        return told.as_config()

    def _refill(self, stopper: EarlyStopper) -> None:
        """Give early stopping back what it knew when the last session ended."""
        reports = self._store.reports_by_trial()
        for trial in self._past:
            ending = None if trial.outcome is None else trial.outcome.ending
            told = reports.get(trial.spec.label, [])
            stopper.restore(entrant_of(self._bound, trial.spec), told, ending, trial.standing)
