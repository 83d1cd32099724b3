"""The function trainable: what runs in a Ray worker for one trial."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ray import tune

from trainables.checkpoints import Snapshot, load, save
from trainables.contract import Report, Target
from trainables.loop import train
from trainables.prefixes import SharedPrefixes
from trainables.tasks import get_task

CHECKPOINT_FILE = "checkpoint.pt"
CHECKPOINT_EVERY_SECONDS = 20.0
"""At most so much work is lost when a trial is interrupted."""


def run_trial(assignment: dict[str, Any]) -> None:
    """Train one configuration with one seed and report to Tune.

    Args:
        assignment: ``label``, ``task``, ``config`` (the task's, seed included), ``target`` (the
            fields of :class:`Target`, or None), ``stop_at_target``, ``report_at`` (steps),
            ``may_stop_early`` (read by early stopping, not here), ``cpu`` and ``gpu`` (cores and GPUs,
            or shares of one, that are this trial's), ``resume_from`` (folder of a checkpoint, or None),
            ``prefixes`` (a folder, or None).
    """
    cores, gpus = assignment["cpu"], assignment["gpu"]
    torch.set_num_threads(max(1, int(cores)))
    if gpus:
        # The process is reused: what an earlier trial left behind, however it ended, is free by now.
        torch.cuda.empty_cache()
    task = get_task(assignment["task"])
    config = task.config_class.model_validate(assignment["config"])
    target = None if assignment["target"] is None else Target(**assignment["target"])
    train(
        task,
        config,
        device=torch.device("cuda" if gpus else "cpu"),
        # Its neighbours plan with the rest.
        memory_share=min(1.0, gpus or cores / (os.cpu_count() or 1)),
        report=_Reporter(),
        report_at=assignment["report_at"],
        target=target,
        stop_when_solved=assignment["stop_at_target"],
        resume=_begun_before(assignment["resume_from"]),
        prefixes=None if assignment["prefixes"] is None else SharedPrefixes(Path(assignment["prefixes"])),
    )


class _Reporter:
    """Passes reports on to Tune, with a checkpoint now and then and at the end."""

    def __init__(self) -> None:
        self._saved_at = time.monotonic()

    def __call__(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        is_good_end = report.ending in ("solved", "finished")
        is_due = report.ending is None and time.monotonic() - self._saved_at > CHECKPOINT_EVERY_SECONDS
        if not is_good_end and not is_due:
            tune.report(report.as_row())
            return
        with tempfile.TemporaryDirectory(prefix="paretune-") as folder:
            save(snapshot(), Path(folder) / CHECKPOINT_FILE)
            tune.report(report.as_row(), checkpoint=tune.Checkpoint.from_directory(folder))
        self._saved_at = time.monotonic()


def _begun_before(resume_from: str | None) -> Snapshot | None:
    """Return what to go on from: this trial's newest checkpoint, else the one of an earlier session."""
    newest = tune.get_checkpoint()
    if newest is not None:
        with newest.as_directory() as folder:
            return load(Path(folder) / CHECKPOINT_FILE)
    if resume_from is not None and (Path(resume_from) / CHECKPOINT_FILE).exists():
        return load(Path(resume_from) / CHECKPOINT_FILE)
    return None
