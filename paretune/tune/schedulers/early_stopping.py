"""Early stopping: :class:`paretune.stopping.stopper.EarlyStopper` as a scheduler of Tune."""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial

from paretune.record.endings import HANDED_OVER, TrialEnding
from paretune.sampling.queue import TrialQueue, outcome_of
from paretune.stopping.stopper import EarlyStopper, Verdict
from paretune.tune.assignment import label_of
from paretune.tune.schedulers.newest_first import NewestFirst
from paretune.tune.schedulers.turns import Turns


class EarlyStoppingScheduler(NewestFirst):
    """Asks at every report whether a trial is to go on, and lets paused ones go on when it is their turn.

    A paused trial is one of Tune's own: Tune has its checkpoint and gives its slot to another. Those that an
    earlier session paused are none of Tune's; the searcher hands them out.

    Args:
        stopper: filled with what earlier sessions saw, if there were any.
        queue: is told what waits.
        turns: whose turn it is.
        metrics: names of the metrics that the sampler may need.
    """

    def __init__(self, stopper: EarlyStopper, queue: TrialQueue, turns: Turns, metrics: set[str]) -> None:
        super().__init__()
        self._stopper = stopper
        self._queue = queue
        self._turns = turns
        self._metrics = metrics
        self._paused: dict[str, Trial] = {}

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Compare a trial at the rung that it has reached."""
        if result.get(HANDED_OVER):
            return str(self.CONTINUE)
        label = label_of(trial)
        verdict = self._stopper.reported(label, result)
        if verdict == Verdict.PAUSE:
            self._paused[label] = trial
            self._queue.pauses(label, outcome_of(TrialEnding.STOPPED_EARLY, result, self._metrics))
            return str(self.PAUSE)
        return str(self.STOP if verdict == Verdict.STOP else self.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Tell early stopping of a trial's last report."""
        super().on_trial_complete(tune_controller, trial, result)
        self._stopper.ended(label_of(trial), result)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return a paused trial whose turn it is, else the newest that does not run yet.

        When nothing runs and nothing is left to run, the trials that are still paused end.
        """
        if self.holds:
            return None
        label = self._turns.next()
        trial = None if label is None else self._paused.get(label)
        # Tune may still be saving its checkpoint.
        if label is not None and trial is not None and trial.status == Trial.PAUSED:
            del self._paused[label]
            self._turns.goes_on(label)
            self._pending.append(trial)
            return trial
        if label is None and self._turns.nothing_new and not self._queue.running:
            for waiting in list(self._paused.values()):
                if waiting.status == Trial.PAUSED:
                    del self._paused[label_of(waiting)]
                    tune_controller.stop_trial(waiting)
        return super().choose_trial_to_run(tune_controller)

    def debug_string(self) -> str:
        """Return a line for Tune's own output, which is not shown."""
        return f"ASHA, trials by rung: {self._stopper}"
