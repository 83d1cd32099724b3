"""A trial's reports to Tune, with a checkpoint now and then, at the end, and when notice was given."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from paretune.record.endings import HANDED_OVER
from paretune.record.events import WARNINGS
from paretune.tune.scratch import scratch_folder
from paretune.tune.worker.resuming import CHECKPOINT_FILE
from paretune.tune.worker.warned import Warnings
from trainables.contract import Report

if TYPE_CHECKING:
    from trainables.checkpoints import Snapshot

CHECKPOINT_EVERY_SECONDS = 20.0
"""At most so much work is lost when a worker or its machine is killed, and what was done since a report."""

_FIRST_CHECKPOINTS_SECONDS = (2.0, 5.0, 10.0)
"""Ages at which a trial has a checkpoint before: else one that is killed early would lose everything."""


class Reporter:
    """Passes reports and warnings on to Tune, with checkpoints.

    Args:
        warnings: those of this trial.
        keep_at: steps at which there is to be a checkpoint besides.
    """

    def __init__(self, warnings: Warnings, keep_at: Collection[int] = ()) -> None:
        self._warnings = warnings
        self._keep_at = frozenset(keep_at)
        self._began = self._saved_at = time.monotonic()
        self._early = list(_FIRST_CHECKPOINTS_SECONDS)
        self.last_step: int | None = None
        """The step of the last report; None before the first."""

    def __call__(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        """Report, unless a run that was begun again comes by a step for the second time."""
        if self.last_step is not None and report.step <= self.last_step:
            return
        self.last_step = report.step
        is_good_end = report.ending in ("solved", "finished")
        is_due = report.ending is None and (self._is_time() or report.step in self._keep_at)
        if is_good_end or is_due:
            self._save(self._row_of(report), snapshot())
        else:
            tune.report(self._row_of(report))

    def hand_over(self, snapshot: Callable[[], Snapshot]) -> None:
        """Save a checkpoint and say that the trial ends with it: notice was given."""
        self._save({HANDED_OVER: True}, snapshot())

    def _is_time(self) -> bool:
        """Tell whether enough was done since the last checkpoint."""
        now = time.monotonic()
        if now - self._saved_at > CHECKPOINT_EVERY_SECONDS:
            return True
        return bool(self._early) and now - self._began > self._early[0]

    def _save(self, row: dict[str, Any], snapshot: Snapshot) -> None:
        from trainables.checkpoints import save

        with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
            save(snapshot, Path(folder) / CHECKPOINT_FILE)
            tune.report(row, checkpoint=tune.Checkpoint.from_directory(folder))
        self._saved_at = time.monotonic()
        self._early = [age for age in self._early if age > self._saved_at - self._began]

    def _row_of(self, report: Report) -> dict[str, Any]:
        warnings = self._warnings.take()
        return {**report.as_row(), **({WARNINGS: warnings} if warnings else {})}
