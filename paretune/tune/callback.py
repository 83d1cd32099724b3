"""The bridge from Tune: its hooks become events for rows, TensorBoard and the terminal."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from ray.tune import Callback

from paretune.record.endings import HANDED_OVER, TrialEnding, ending_of
from paretune.record.events import Listener, Row
from paretune.sampling.history import Standing, TrialSpec
from paretune.sampling.strategies.strategy import Progress
from paretune.storage.copying import Storage
from paretune.tune.assignment import label_of
from paretune.tune.driving.stopping import AbandonedError
from paretune.tune.keeping import Keeping
from paretune.tune.nodes.losses import Losses
from paretune.tune.worker.resuming import DAMAGED

_HOOK_ENDS_WITHIN_S = 5.0
"""So long a hook that is under way may take before rows are closed without it."""

_Hook = TypeVar("_Hook", bound=Callable[..., None])


def _whole(hook: _Hook) -> _Hook:
    """Let a hook of Tune be done as a whole or not at all: once rows are sealed, it ends Tune's thread."""

    @wraps(hook)
    def inside(self: Monitor, *arguments: Any, **named: Any) -> None:
        with self.lock:
            if self.sealed_by not in (None, threading.get_ident()):
                raise AbandonedError
            hook(self, *arguments, **named)

    return cast(_Hook, inside)


class Monitor(Callback):  # type: ignore[misc]
    """Translates Tune's hooks into the events of :class:`Listener`.

    Tune calls them in a thread of its own. The driver may close it from the main thread, see :meth:`seal`.

    Args:
        listeners: who is told.
        columns: names that rows may have.
        changes: returns which trials early stopping sees otherwise than before.
        is_complete: tells whether no trial is left; one that still waits then has been stopped early.
        past: trials of earlier sessions, which early stopping may see otherwise later.
        verdict: returns what early stopping made of the trial that has just reported, as columns.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        columns: set[str],
        changes: Callable[[], Mapping[str, Standing]] = dict,
        is_complete: Callable[[], bool] = lambda: True,
        past: Iterable[TrialSpec] = (),
        verdict: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._listeners = list(listeners)
        self._columns = columns
        self._changes = changes
        self._is_complete = is_complete
        self._verdict = verdict
        self._paused: set[str] = set()
        self._handed_over: set[str] = set()
        self._keeping = Keeping()
        self._specs = {spec.label: spec for spec in past}
        self._open: dict[str, Row] = {}
        self._started: dict[str, Any] = {}
        self.lock = threading.RLock()
        self.sealed_by: int | None = None
        """The only thread that may still tell anything, once there is one."""
        self.failure: OSError | None = None
        """What kept a listener from writing; the search is ended over it, and the driver raises it."""
        self.losses: Losses | None = None
        """Which trials lost their machine, on a cluster."""
        self.storage: Storage | None = None
        """Where checkpoints are kept, if not in the search's folder."""
        self._checkpoints: dict[str, str] = {}

    @_whole
    def announce(self, spec: TrialSpec) -> None:
        """Make a trial known before Tune speaks of it by its label."""
        self._specs[spec.label] = spec
        self._open[spec.label] = {}
        self._tell(lambda listener: listener.announced(spec))

    def progressed(self, progress: Progress | None) -> None:
        """Tell how far the plan's question is answered, if it has one."""
        if progress is not None:
            self._tell(lambda listener: listener.progressed(progress))

    def judged(self, label: str, standing: Standing) -> None:
        """Tell where early stopping sees a trial."""
        (self._paused.add if standing.is_paused else self._paused.discard)(label)
        if label in self._specs:
            self._tell(lambda listener: listener.judged(self._specs[label], standing))

    def judge(self) -> None:
        """Tell which trials early stopping sees otherwise than before."""
        for label, standing in self._changes().items():
            self.judged(label, standing)

    def ends_waiting(self, spec: TrialSpec, standing: Standing, last: Row) -> None:
        """Tell that a trial that an earlier session paused has ended with the search."""
        self.announce(spec)
        self.judged(spec.label, standing)
        self._end(spec.label, TrialEnding.STOPPED_EARLY, None, last)

    def error_of(self, label: str) -> str | None:
        """Return the last line of the error of a trial that Tune is about to give up; None if it has none."""
        trial = self._started.get(label)
        return None if trial is None else _error_in(trial)

    def checkpoint_of(self, label: str) -> str | None:
        """Return where a trial's newest checkpoint of this session is; None if it has none."""
        return self._checkpoints.get(label)

    @property
    def open(self) -> bool:
        """Whether a trial was handed out and has no ending yet."""
        return bool(self._open)

    @property
    def running(self) -> set[str]:
        """The labels of the trials that run now."""
        return set(self._started) - self._paused

    def seal(self) -> None:
        """Let no thread but this one tell anything from now on: Tune's is abandoned, and may not know yet."""
        taken = self.lock.acquire(timeout=_HOOK_ENDS_WITHIN_S)
        self.sealed_by = threading.get_ident()
        if taken:
            self.lock.release()

    def close(self) -> None:
        """Declare every trial that has not ended interrupted, or what was said of it last."""
        for label, last in list(self._open.items()):
            is_stopped = last.get("verdict") == TrialEnding.STOPPED_EARLY
            said = last.get("ending") or (TrialEnding.STOPPED_EARLY if is_stopped else None)
            self._end(label, TrialEnding(said or TrialEnding.INTERRUPTED), None)

    @_whole
    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune started a trial, or started it again after a failure or a pause."""
        self.judge()
        self._started[label_of(trial)] = trial
        self._tell(lambda listener: listener.started(self._spec(trial)))

    @_whole
    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune received a report, or the word that a trial has handed over its checkpoint."""
        if result.get(HANDED_OVER):
            self._handed_over.add(label_of(trial))
        row = {name: value for name, value in result.items() if name in self._columns}
        if "step" not in row:
            return
        # Tune asks the scheduler first. In the report's row, its verdict survives whatever happens next.
        row |= self._verdict()
        self._open[label_of(trial)] = row
        self._tell(lambda listener: listener.reported(self._spec(trial), row))
        self.judge()

    @_whole
    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        """Tune stored a checkpoint; older ones are removed once rows name it, but for the one before.

        Tune's own way to keep one, ``num_to_keep``, writes its snapshot of all trials at every checkpoint.
        """
        path = str(checkpoint.path) if self.storage is None else self.storage.local(checkpoint.path)
        self._checkpoints[label_of(trial)] = path
        self._tell(lambda listener: listener.checkpointed(self._spec(trial), path))
        began_with = self._spec(trial).resume_from if self.storage is None else None
        self._remove(self._keeping.add(label_of(trial), checkpoint.path, began_with))

    @_whole
    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune ended a trial without an error."""
        label = label_of(trial)
        ending = ending_of(self._open.get(label), failed=False)
        if label in self._handed_over or (label in self._paused and not self._is_complete()):
            ending = TrialEnding.INTERRUPTED
        self._end(label, ending, "it ended without a report" if ending is TrialEnding.FAILED else None)

    @_whole
    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune gave a trial up, maybe before it could start."""
        label = label_of(trial)
        if self.losses is not None and self.losses.brought_back(label):
            self._end(label, TrialEnding.INTERRUPTED, None)
        else:
            self._end(label, TrialEnding.FAILED, _last_line(trial))

    @_whole
    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop has gone round."""
        self.judge()
        self._tell(lambda listener: listener.tick())

    def _remove(self, checkpoints: Iterable[str]) -> None:
        if self.failure is not None:
            return
        for path in checkpoints:
            if self.storage is not None:
                self.storage.replaced(path)
            elif not any(Path(path).glob(f"*{DAMAGED}")):  # somebody may want to know what happened
                shutil.rmtree(path, ignore_errors=True)

    def _spec(self, trial: Any) -> TrialSpec:
        return self._specs[label_of(trial)]

    def _end(self, label: str, ending: TrialEnding, error: str | None, last: Row | None = None) -> None:
        reported = self._open.pop(label, {})
        last = reported if last is None else last
        self._paused.discard(label)
        self._handed_over.discard(label)
        self._started.pop(label, None)
        self._tell(lambda listener: listener.ended(self._specs[label], ending, last, error))
        if ending not in (TrialEnding.INTERRUPTED, TrialEnding.FAILED):
            self._remove(self._keeping.over(label))

    def _tell(self, event: Callable[[Listener], None]) -> None:
        """Tell all listeners; if one cannot write, tell no more: the driver looks at it, and ends the search.

        Raised in a callback, the error would reach the driver as a text at best: Tune wraps or drops it.
        """
        if self.failure is not None:
            return
        try:
            for listener in self._listeners:
                event(listener)
        except OSError as error:
            self.failure = error

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles callbacks into its snapshot, which nothing here goes on from; open files stay out.
        return {}


def _last_line(trial: Any) -> str:
    """Return the last line of a trial's error, or what else to tell."""
    return _error_in(trial) or "the worker process ended without a word; was it out of memory?"


def _error_in(trial: Any) -> str | None:
    """Return the last line of a trial's error, which names the exception; None if it left none."""
    text = ""
    if trial.error_file:
        with suppress(OSError):
            text = Path(trial.error_file).read_text()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else None
