"""The function trainable: what runs in a Ray worker for one trial.

The driver imports this module too. Torch, which only workers need, is imported where it is used.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from ray import tune

from paretune.plan.slots import CONTEXT_BYTES
from paretune.storage.places import Place
from paretune.tune.assignment import TrialAssignment
from paretune.tune.notice import board_of
from paretune.tune.scratch import scratch_folder
from paretune.tune.worker.memory import (
    give_back_memory,
    in_smaller_parts,
    is_want_of_memory,
    limit_gpu_memory,
    limited_memory,
    told_of,
)
from paretune.tune.worker.reporting import Reporter
from paretune.tune.worker.resuming import Resumption
from paretune.tune.worker.warned import collected_warnings
from trainables.tasks import get_task

if TYPE_CHECKING:
    from trainables.config import TrainingConfig
    from trainables.contract import Task

log = logging.getLogger(__name__)


def prepare_worker() -> None:
    """Import what every trial needs, while a worker starts: it is no part of its first trial."""
    # Without torch, a trial fails and says so; here it would be a worker that never comes up.
    with suppress(ImportError):
        import trainables.loop  # noqa: F401


def run_trial(config: dict[str, Any]) -> None:
    """Train one configuration with one seed and report to Tune.

    Args:
        config: a :class:`TrialAssignment` as plain values.

    Raises:
        MemoryError: the trial needed more memory than it may have, also in smaller parts.
    """
    import torch

    trial = TrialAssignment.of(config)
    torch.set_num_threads(max(1, int(trial.cpu)))
    if trial.on_gpu:
        # The process is reused: what an earlier trial left behind, however it ended, is free by now.
        torch.cuda.empty_cache()
        limit_gpu_memory(trial.gpu, trial.gpu_context or CONTEXT_BYTES)
    # Whoever started the search has allowed it, or there would be no trial.
    task = get_task(trial.task, allow_code=True)
    with collected_warnings("trainables", "paretune.tune", type(task).__module__) as warnings:
        reporter = Reporter(warnings, trial.report_at if trial.keeps_at_rungs else ())
        _Training(trial, task, reporter).run()


@dataclass(frozen=True)
class _Training:
    """The training of one trial, within the memory that it may use."""

    trial: TrialAssignment
    task: Task
    reporter: Reporter

    def run(self) -> None:
        """Train; if memory is not enough, once more with half as many samples at a time."""
        trial = self.trial
        config: TrainingConfig = self.task.config_class.model_validate(trial.config)
        # Its neighbours plan with the rest.
        share = min(1.0, trial.gpu if trial.on_gpu else trial.cpu / (os.cpu_count() or 1))
        if trial.memory is not None and not trial.on_gpu:
            share = min(share, trial.memory / psutil.virtual_memory().total)
        missing = self._attempt(config, share)
        if missing is None:
            return
        smaller = in_smaller_parts(config, share)
        if smaller is None:
            raise missing
        give_back_memory()
        parts = smaller[0].micro_batch
        said = "auto, planned with half of the memory" if parts == "auto" else f"{parts:,}"
        log.warning("the trial %s; it began again in smaller parts: micro_batch is %s", missing, said)
        missing = self._attempt(*smaller)
        if missing is not None:
            raise missing

    def _attempt(self, config: TrainingConfig, share: float) -> MemoryError | None:
        """Train, and return what to raise if memory was not enough.

        That is a new error without a traceback, in which the tensors of the attempt would live on.
        """
        trial = self.trial
        try:
            with limited_memory(trial.memory):
                self._train(config, share)
        except Exception as error:
            if not is_want_of_memory(error):
                raise
            return MemoryError(told_of(error, trial.memory, trial.gpu if trial.on_gpu else None))
        return None

    def _train(self, config: TrainingConfig, share: float) -> None:
        """Train from the newest checkpoint that can be used until the trial ends, or has to leave."""
        import torch

        from trainables.checkpoints.prefixes import SharedPrefixes
        from trainables.loop import Goal, HandedOverError, Host, Start, train
        from trainables.terms import UnfitError, never

        trial, reporter = self.trial, self.reporter
        with _newest_checkpoint(trial.resume_from, trial.resume_at) as newest:
            resumption = Resumption(config, newest)
            while True:
                resume = resumption.next()
                try:
                    train(
                        self.task,
                        config,
                        device=torch.device("cuda" if trial.on_gpu else "cpu"),
                        report=reporter,
                        report_at=trial.report_at,
                        goal=Goal(target=trial.target, ends_run=trial.stop_at_target),
                        start=Start(
                            resume=resume,
                            prefixes=None if trial.prefixes is None else SharedPrefixes(Path(trial.prefixes)),
                        ),
                        host=Host(
                            memory_share=share,
                            is_given=board_of(trial.notice, trial.workers).is_given
                            if trial.notice
                            else never,
                            hand_over=reporter.hand_over,
                        ),
                    )
                except HandedOverError:
                    return
                except UnfitError as error:
                    resumption.refuse(str(error))
                    continue
                # What is resumed from its end reports nothing: its last report would stay lost.
                if resume is None or reporter.last_step is not None:
                    return


@contextmanager
def _newest_checkpoint(resume_from: str | None, resume_at: str | None) -> Iterator[Path | None]:
    """Yield the folder of this trial's newest checkpoint, in this session or else an earlier one.

    Raises:
        StorageError: it is in a storage that cannot be reached.
    """
    newest = tune.get_checkpoint()
    if newest is None and resume_at is not None and not Path(resume_from or "").is_dir():
        with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
            Place.of(resume_at).download(Path(folder))
            yield Path(folder)
        return
    if newest is None:
        yield None if resume_from is None else Path(resume_from)
        return
    with newest.as_directory() as folder:
        yield Path(folder)
