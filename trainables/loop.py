"""The one training loop. Every task and every way of running (search, retraining, test) uses it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import nn

from trainables.checkpoints import Snapshot, make_snapshot
from trainables.config import TrainingConfig
from trainables.contract import Ending, Report, Target, Task
from trainables.gauges import Clock, RunningLoss
from trainables.schedules import rate_at

_DIVERGENCE_CHECK_EVERY = 50
"""Steps between two looks at whether the loss is still finite; on a GPU each look waits for the device."""


@dataclass
class Progress:
    """What has been spent and reached so far; it travels in checkpoints."""

    step: int = 0
    samples: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    evaluations_at_target: int = 0
    solved: bool = False
    steps_to_target: int = 0
    cpu_seconds_to_target: float = 0.0

    def count_towards(self, target: Target, value: float) -> None:
        """Take note of an evaluation: the target must hold for several of them in a row."""
        if not target.is_reached_by(value):
            self.evaluations_at_target = 0
            return
        self.evaluations_at_target += 1
        if self.evaluations_at_target == 1 and not self.solved:
            self.steps_to_target, self.cpu_seconds_to_target = self.step, self.cpu_seconds
        self.solved = self.solved or self.evaluations_at_target >= target.hold

    def as_metrics(self) -> dict[str, float]:
        """Return what a report says of the progress; times to the target only once it has been held."""
        spent: dict[str, float] = {
            "samples": self.samples,
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
        }
        if self.solved:
            spent["steps_to_target"] = self.steps_to_target
            spent["cpu_seconds_to_target"] = self.cpu_seconds_to_target
        return spent


ReportFunction = Callable[[Report, Callable[[], Snapshot]], None]
"""Receives every report, with a function that returns the checkpoint of that moment.

The checkpoint holds the live weights, not a copy: save it before returning, or not at all.
"""


def train(
    task: Task,
    config: TrainingConfig,
    *,
    device: torch.device,
    report: ReportFunction,
    report_at: Collection[int] = (),
    target: Target | None = None,
    stop_when_solved: bool = True,
    resume: Snapshot | None = None,
) -> Ending:
    """Train one configuration with one seed until it ends by itself, and return how.

    Args:
        task: the task.
        config: its configuration; ``config.steps`` is the budget.
        device: where the model and the data live.
        report: called at every multiple of ``config.eval_every``, at the steps in ``report_at``
            and at the last step.
        report_at: further steps to report at, such as the rungs of early stopping.
        target: what counts as solved: reached at ``target.hold`` evaluations in a row, those at
            ``report_at`` not counted.
        stop_when_solved: end as soon as that is so, instead of using the whole budget.
        resume: a checkpoint of the same configuration to go on from.

    Returns:
        "diverged" if a loss was not finite, else "solved" if the target was reached and held at any
        time, else "finished".
    """
    run = _Run(task, config, device, target, stop_when_solved=stop_when_solved, resume=resume)
    evaluate_at = {*range(config.eval_every, config.steps, config.eval_every), *report_at, config.steps}
    while (ending := run.ending) is None:
        run.take_step()
        if run.progress.step in evaluate_at or run.has_diverged():
            row = run.evaluate()
            report(row, partial(run.snapshot, row.metrics))
            run.restart_clock()
    return ending


class _Run:
    """Model, optimizer, data and progress of one training run, and what one step does to them."""

    def __init__(
        self,
        task: Task,
        config: TrainingConfig,
        device: torch.device,
        target: Target | None,
        *,
        stop_when_solved: bool,
        resume: Snapshot | None,
    ) -> None:
        self._task = task
        self._config = config
        self._target = target
        self._stop_when_solved = stop_when_solved
        # Decides the initial weights; the data has generators of its own.
        torch.manual_seed(config.seed)
        self._workload = task.workload(config, device)
        self._model = self._workload.build_model()
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(),
            lr=config.lr,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.progress = Progress()
        if resume is not None:
            self._model.load_state_dict(resume["model"])
            self._optimizer.load_state_dict(resume["optimizer"])
            self.progress = Progress(**resume["progress"])
        self._losses = RunningLoss(device)
        self._clock = Clock(device)
        self._diverged = False

    @property
    def ending(self) -> Ending | None:
        """How the run has ended, or None if it goes on."""
        if self._diverged:
            return "diverged"
        if self.progress.step >= self._config.steps or (self.progress.solved and self._stop_when_solved):
            return "solved" if self.progress.solved else "finished"
        return None

    def take_step(self) -> None:
        """Take one optimizer step on the next batch."""
        step = self.progress.step + 1
        for group in self._optimizer.param_groups:
            group["lr"] = rate_at(step, self._config)
        loss = self._workload.loss(self._model, self._workload.batch(step))
        self._optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        if self._config.grad_clip > 0:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._config.grad_clip)
        self._optimizer.step()
        self._losses.add(loss.detach())
        self.progress.step = step
        self.progress.samples += self._config.batch

    def has_diverged(self) -> bool:
        """Look, every so many steps, whether the loss is still finite."""
        return self.progress.step % _DIVERGENCE_CHECK_EVERY == 0 and not self._losses.is_finite()

    def evaluate(self) -> Report:
        """Validate, take note of how far the run is, and return the report."""
        progress = self.progress
        progress.cpu_seconds += self._clock.cpu_seconds()
        progress.wall_seconds += self._clock.wall_seconds()
        measured = {"train_loss": self._losses.mean()}
        if math.isfinite(measured["train_loss"]):
            self._model.eval()
            measured |= self._workload.validate(self._model)
            self._model.train()
        if not all(math.isfinite(value) for value in measured.values()):
            # Of a diverged model only what it cost is true.
            self._diverged, measured = True, {}
        # Rungs are further evaluations; counting them would make "held" depend on early stopping.
        is_regular = progress.step % self._config.eval_every == 0 or progress.step == self._config.steps
        if self._target is not None and (is_regular or self._diverged):
            progress.count_towards(self._target, measured.get(self._target.metric, math.nan))
        self._losses.reset()
        rate = rate_at(progress.step, self._config)
        metrics = {**measured, "learning_rate": rate, **progress.as_metrics()}
        return Report(step=progress.step, metrics=metrics, ending=self.ending)

    def restart_clock(self) -> None:
        """Leave out what happened since the evaluation began: validation, reporting, checkpoints."""
        self._clock.restart()

    def snapshot(self, metrics: Mapping[str, float]) -> Snapshot:
        """Return the checkpoint of this moment, with live weights."""
        return make_snapshot(
            self._task,
            self._config,
            step=self.progress.step,
            model=self._model.state_dict(),
            optimizer=self._optimizer.state_dict(),
            progress=asdict(self.progress),
            metrics=metrics,
        )
