"""A trial's reports to Tune, with a checkpoint now and then, at the end, and when notice was given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from paretune.record.endings import HANDED_OVER
from paretune.record.events import WARNINGS
from paretune.tune.scratch import scratch_folder
from paretune.tune.worker.cadence import Cadence
from paretune.tune.worker.resuming import CHECKPOINT_FILE
from paretune.tune.worker.warned import Warnings
from trainables.contract import Report

if TYPE_CHECKING:
    from trainables.checkpoints import Snapshot


class Reporter:
    """Passes reports and warnings on to Tune, with checkpoints.

    Args:
        warnings: those of this trial.
        keep_at: steps at which there is to be a checkpoint besides.
    """

    def __init__(self, warnings: Warnings, keep_at: Collection[int] = ()) -> None:
        self._warnings = warnings
        self._keep_at = frozenset(keep_at)
        self._cadence = Cadence()
        self.last_step: int | None = None
        """The step of the last report; None before the first."""

    def __call__(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        """Report, unless a run that was begun again comes by a step for the second time."""
        if self.last_step is not None and report.step <= self.last_step:
            return
        self.last_step = report.step
        is_good_end = report.ending in ("solved", "finished")
        is_due = report.ending is None and (self._cadence.is_due() or report.step in self._keep_at)
        if is_good_end or is_due:
            self._save(self._row_of(report), snapshot())
        else:
            tune.report(self._row_of(report))

    def hand_over(self, snapshot: Callable[[], Snapshot]) -> None:
        """Save a checkpoint and say that the trial ends with it: notice was given."""
        self._save({HANDED_OVER: True}, snapshot())

    def _save(self, row: dict[str, Any], snapshot: Snapshot) -> None:
        from trainables.checkpoints import save

        began = self._cadence.now()
        with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
            save(snapshot, Path(folder) / CHECKPOINT_FILE)
            tune.report(row, checkpoint=tune.Checkpoint.from_directory(folder))
        self._cadence.saved(began)

    def _row_of(self, report: Report) -> dict[str, Any]:
        warnings = self._warnings.take()
        return {**report.as_row(), **({WARNINGS: warnings} if warnings else {})}
