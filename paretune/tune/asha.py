"""Early stopping: :class:`paretune.sampling.stopping.Rungs` as a scheduler of Tune."""

from __future__ import annotations

from typing import Any

from paretune.sampling.stopping import Rungs
from paretune.tune.assignment import TrialAssignment
from paretune.tune.scheduling import NewestFirst


class RungScheduler(NewestFirst):
    """Asks the rungs at every report whether a trial is to go on.

    Args:
        rungs: filled with what earlier sessions saw, if there were any.
    """

    def __init__(self, rungs: Rungs) -> None:
        super().__init__()
        self._rungs = rungs

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Compare a trial at the rung that it has reached."""
        assignment = TrialAssignment.of(trial.config)
        is_weak = self._rungs.reported(assignment.label, result, assignment.report_at)
        # A baseline is compared with at its end, so it gets there.
        return str(self.STOP if is_weak and assignment.may_stop_early else self.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Tell the rungs of a trial's last report."""
        self._rungs.ended(TrialAssignment.of(trial.config).label, result)

    def debug_string(self) -> str:
        """Return a line for Tune's own output, which is not shown."""
        return f"ASHA, trials by rung: {self._rungs}"
