"""The function trainable: what runs in a Ray worker for one trial.

The driver imports this module too. Torch, which only workers need, is imported where it is used.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from paretune.record.endings import HANDED_OVER
from paretune.record.events import WARNINGS
from paretune.tune.assignment import TrialAssignment
from paretune.tune.notice import board_of
from paretune.tune.scratch import scratch_folder
from paretune.tune.warned import Warnings, collected_warnings
from trainables.contract import Report
from trainables.tasks import get_task

if TYPE_CHECKING:
    from trainables.checkpoints import Snapshot

CHECKPOINT_FILE = "checkpoint.pt"
CHECKPOINT_EVERY_SECONDS = 20.0
"""At most so much work is lost when a trial is interrupted."""


def prepare_worker() -> None:
    """Import what every trial needs, while a worker starts: it is no part of its first trial."""
    # Without torch, a trial fails and says so; here it would be a worker that never comes up.
    with suppress(ImportError):
        import trainables.loop  # noqa: F401


def run_trial(config: dict[str, Any]) -> None:
    """Train one configuration with one seed and report to Tune.

    Args:
        config: a :class:`TrialAssignment` as plain values.
    """
    import torch

    from trainables.loop import Goal, HandedOverError, Host, Start, train
    from trainables.prefixes import SharedPrefixes

    trial = TrialAssignment.of(config)
    torch.set_num_threads(max(1, int(trial.cpu)))
    if trial.on_gpu:
        # The process is reused: what an earlier trial left behind, however it ended, is free by now.
        torch.cuda.empty_cache()
    # Whoever started the search has allowed it, or there would be no trial.
    task = get_task(trial.task, allow_code=True)
    with collected_warnings("trainables", type(task).__module__) as warnings, suppress(HandedOverError):
        train(
            task,
            task.config_class.model_validate(trial.config),
            device=torch.device("cuda" if trial.on_gpu else "cpu"),
            report=(reporter := _Reporter(warnings, trial.report_at if trial.keeps_at_rungs else ())),
            report_at=trial.report_at,
            goal=Goal(target=trial.target, ends_run=trial.stop_at_target),
            start=Start(
                resume=_begun_before(trial.resume_from),
                prefixes=None if trial.prefixes is None else SharedPrefixes(Path(trial.prefixes)),
            ),
            host=Host(
                # Its neighbours plan with the rest.
                memory_share=min(1.0, trial.gpu if trial.on_gpu else trial.cpu / (os.cpu_count() or 1)),
                is_given=board_of(trial.notice).is_given if trial.notice else _never,
                hand_over=reporter.hand_over,
            ),
        )


class _Reporter:
    """Passes reports and warnings on to Tune, with a checkpoint now and then and at the end.

    Args:
        warnings: those of this trial.
        keep_at: steps at which there is to be a checkpoint besides.
    """

    def __init__(self, warnings: Warnings, keep_at: Collection[int] = ()) -> None:
        self._warnings = warnings
        self._keep_at = frozenset(keep_at)
        self._saved_at = time.monotonic()

    def __call__(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        is_good_end = report.ending in ("solved", "finished")
        is_old = time.monotonic() - self._saved_at > CHECKPOINT_EVERY_SECONDS
        is_due = report.ending is None and (is_old or report.step in self._keep_at)
        if not is_good_end and not is_due:
            tune.report(self._row_of(report))
            return
        self._tell(self._row_of(report), snapshot())

    def hand_over(self, snapshot: Callable[[], Snapshot]) -> None:
        """Save a checkpoint and say that the trial ends with it: notice was given."""
        self._tell({HANDED_OVER: True}, snapshot())

    def _tell(self, row: dict[str, Any], snapshot: Snapshot) -> None:
        from trainables.checkpoints import save

        with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
            save(snapshot, Path(folder) / CHECKPOINT_FILE)
            tune.report(row, checkpoint=tune.Checkpoint.from_directory(folder))
        self._saved_at = time.monotonic()

    def _row_of(self, report: Report) -> dict[str, Any]:
        warnings = self._warnings.take()
        return {**report.as_row(), **({WARNINGS: warnings} if warnings else {})}


def _never() -> bool:
    return False


def _begun_before(resume_from: str | None) -> Snapshot | None:
    """Return what to resume from: this trial's newest checkpoint, else the one of an earlier session."""
    from trainables.checkpoints import load

    newest = tune.get_checkpoint()
    if newest is not None:
        with newest.as_directory() as folder:
            return load(Path(folder) / CHECKPOINT_FILE)
    if resume_from is not None and (Path(resume_from) / CHECKPOINT_FILE).exists():
        return load(Path(resume_from) / CHECKPOINT_FILE)
    return None
