"""Tune's searcher: a thin adapter around :class:`paretune.sampling.queue.TrialQueue`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from paretune.record.endings import HANDED_OVER, ending_of
from paretune.sampling.history import TrialSpec
from paretune.sampling.queue import TrialQueue, outcome_of
from paretune.sampling.strategies.strategy import Progress
from paretune.timing.deadline import Deadline
from paretune.tune.nodes.losses import Losses
from paretune.tune.schedulers.turns import Turns


class QueueSearcher(Searcher):  # type: ignore[misc]
    """Suggests the queue's trials, at most ``concurrency`` at a time.

    Args:
        queue: where trials come from and where their endings go.
        concurrency: most trials at a time.
        metrics: names of the metrics that the sampler may need.
        assign: turns a trial into the config of the function that runs it.
        progressed: told how far the plan's question is answered, whenever a trial has ended.
        deadline: holds trials back that would not end in time, if the search has one.
        turns: whose turn a free slot is, if the plan pauses trials.
        error_of: returns the last line of the error of a trial that has failed, by its label.
    """

    def __init__(
        self,
        queue: TrialQueue,
        concurrency: int,
        metrics: set[str],
        assign: Callable[[TrialSpec], dict[str, Any]],
        progressed: Callable[[Progress | None], None] = lambda progress: None,
        deadline: Deadline | None = None,
        turns: Turns | None = None,
        error_of: Callable[[str], str | None] = lambda label: None,
    ) -> None:
        super().__init__()
        self._queue = queue
        self.concurrency = concurrency
        """Most trials at a time; it changes with the machines of a cluster."""
        self.losses: Losses | None = None
        """Which trials lost their machine, on a cluster: there a trial that was begun may come back."""
        self._metrics = metrics
        self._assign = assign
        self._progressed = progressed
        self._deadline = deadline
        self._turns = turns
        self._error_of = error_of
        self._labels: dict[str, str] = {}
        self.holds = False
        """Whether nothing more is to begin: the search has been given notice."""
        self.has_room: Callable[[TrialSpec], bool] | None = None
        """Tells whether a trial has room now, where trials need different shares of a GPU."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return a trial's config, None while enough are running, FINISHED when none is left."""
        if self.holds:
            return str(Searcher.FINISHED)
        found = self._suggest(trial_id)
        # Once Tune hears that it is over it never asks again, and a trial may come back from a lost machine.
        is_early = found == Searcher.FINISHED and self.losses is not None and self._queue.running
        return None if is_early else found

    def _suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._turns is None:
            found = self._new()
            return found if not isinstance(found, TrialSpec) else self._begin(trial_id, found)
        label = self._turns.next()
        if label is None:
            is_full = self._queue.running >= self.concurrency
            found = None if is_full else self._new()
            self._turns.found_nothing = not is_full and not isinstance(found, TrialSpec)
            if isinstance(found, TrialSpec):
                return self._begin(trial_id, found)
            label = self._turns.next()
            if label is None:
                # Once Tune hears that it is over it never asks again.
                return None if self._queue.running and self._waiting else found
        if label in self._labels.values():
            return None  # a paused trial of Tune's own: the scheduler lets it go on
        return self._begin(trial_id, self._turns.goes_on(label))

    @property
    def _waiting(self) -> set[str]:
        """Trials that an earlier session paused: Tune does not know them."""
        return set(self._queue.paused) - set(self._labels.values())

    def _new(self) -> TrialSpec | str | None:
        """Return a trial that is new, or left over; None if there is none now, FINISHED if there is none."""
        if self._queue.exhausted:
            return str(Searcher.FINISHED)
        if self._queue.running >= self.concurrency:
            return None
        spec = self._queue.next()
        if spec is None:
            return str(Searcher.FINISHED) if self._queue.exhausted else None
        if self.has_room is not None and not self.has_room(spec):
            # Nothing smaller passes it: small trials could keep a large one waiting until the end.
            self._queue.put_back(spec.label)
            return None
        if self._deadline is not None and not self._deadline.may_begin(spec):
            # Trials that still run may show that it would be shorter.
            self._queue.put_back(spec.label)
            return None if self._queue.running else str(Searcher.FINISHED)
        return spec

    def _begin(self, trial_id: str, spec: TrialSpec) -> dict[str, Any]:
        self._labels[trial_id] = spec.label
        return self._assign(spec)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass a trial's ending on to the queue."""
        label = self._labels.pop(trial_id, None)
        if label is None:
            return
        if label in self._queue.paused:
            self._queue.leaves(label)
        elif self._comes_back(trial_id, label, result, error):
            self._queue.put_back(label, None if self.losses is None else self.losses.checkpoint_of(label))
        else:
            ending = ending_of(result, failed=error)
            last = {**(result or {}), "error": self._error_of(label) if error else None}
            self._queue.ended(label, outcome_of(ending, last, self._metrics))
            self._progressed(self._queue.progress)

    def _comes_back(self, trial_id: str, label: str, result: dict[str, Any] | None, error: bool) -> bool:
        """Tell whether a trial that Tune ends goes on: it handed over, or its machine is lost."""
        if error:
            return self.losses is not None and self.losses.comes_back(trial_id, label)
        return bool(result and result.get(HANDED_OVER))

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: a search goes on from its rows, not from Tune's snapshot."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing; see :meth:`save`."""
