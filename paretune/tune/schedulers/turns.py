"""Whose turn a free slot is: that of a paused trial, or of a new one."""

from __future__ import annotations

from collections.abc import Callable

from paretune.sampling.history import TrialSpec
from paretune.sampling.queue import TrialQueue
from paretune.stopping.stopper import EarlyStopper
from paretune.timing.deadline import Deadline


class Turns:
    """Says which paused trial goes on now, if one does.

    One that is above the cut by now goes on before anything new. When nothing new is left to begin, the best
    of those below the cut go on in slots that would be idle: until the time is over where the search has a
    time, else as long as other trials run. So they never make a search longer by more than a trial.

    Args:
        stopper: which trials are paused, and which of them are above the cut.
        queue: what runs, and what waits.
        concurrency: trials at a time.
        deadline: holds trials back that would not end in time, if the search has one.
        tell: called when early stopping may see trials otherwise than before, so that rows say so at once.
    """

    def __init__(
        self,
        stopper: EarlyStopper,
        queue: TrialQueue,
        concurrency: int,
        deadline: Deadline | None = None,
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        self._stopper = stopper
        self._queue = queue
        self.concurrency = concurrency
        """Trials at a time; it changes with the machines of a cluster."""
        self._deadline = deadline
        self._tell = tell
        self.found_nothing = False
        """Whether there was nothing new to begin when that was last asked for."""
        self.has_room: Callable[[TrialSpec], bool] | None = None
        """Tells whether a trial has room now, where trials need different shares of a GPU."""

    @property
    def nothing_new(self) -> bool:
        """Whether there is nothing new to begin now; Tune may have stopped asking."""
        return self.found_nothing or self._queue.exhausted

    def next(self) -> str | None:
        """Return the label of the paused trial that goes on now; None if none does."""
        if self._queue.taken >= self.concurrency or not self._queue.paused:
            return None
        label = self._stopper.promoted()
        self._tell()
        if label is not None:
            return label if self._can_go_on(label) else None
        label = self._stopper.best_paused() if self.nothing_new else None
        if label is None or not self._can_go_on(label):
            return None
        return label if self._deadline is not None or self._others_run() else None

    def goes_on(self, label: str) -> TrialSpec:
        """Take note that a paused trial goes on, and return it."""
        self._stopper.goes_on(label)
        spec = self._queue.goes_on(label)
        self._tell()
        return spec

    def _can_go_on(self, label: str) -> bool:
        """Tell whether a paused trial can go on now: it has room, and would end in time."""
        if self.has_room is not None and not self.has_room(self._queue.paused[label]):
            return False
        return self._deadline is None or self._deadline.may_begin(self._queue.paused[label])

    def _others_run(self) -> bool:
        return any(not self._stopper.runs_below_cut(label) for label in self._queue.running_labels)
