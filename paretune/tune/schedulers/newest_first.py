"""Which trial gets a free worker: the newest, and so none whose own worker is starting."""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from paretune.record.endings import HANDED_OVER


class NewestFirst(FIFOScheduler):  # type: ignore[misc]
    """Lets Tune hand a freed worker to the trial that came last.

    In Tune's own order, oldest first, it goes to a trial that waits for a worker of its own, and Tune ends
    that worker while it starts; the next trial then asks for another. Where trials are shorter than a
    worker's start, this never ends: one runs at a time, however many were asked for.

    A freed worker makes room for one more trial, which is the newest and has no worker yet. Once no more
    come, it goes to one that still waits: every trial is run, also where its own worker never comes up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pending: list[Trial] = []
        self.holds = False
        """Whether nothing more is to begin: the search has been given notice."""

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take note of a trial that is new, or tried again after its worker died."""
        self._pending.append(trial)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Keep the trial's worker for the next one, unless it is on a machine that is about to go.

        Tune asks nobody else about it. A trial that has handed over has ended because of that.
        """
        tune_controller._reuse_actors = not result.get(HANDED_OVER)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the newest trial that does not run yet; Tune asks at every event."""
        if self.holds:
            return None
        self._pending = [trial for trial in self._pending if trial.status == Trial.PENDING]
        return self._pending[-1] if self._pending else None

    def debug_string(self) -> str:
        """Return a line for Tune's own output, which is not shown."""
        return "newest trial first"
