"""The one training loop. Every task and every way of running (search, retraining, test) uses it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from trainables.checkpoints import Snapshot, make_snapshot
from trainables.config import TrainingConfig
from trainables.contract import Ending, Report, Target, Task, Workload
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
        target: what counts as solved: reached at ``target.hold`` evaluations in a row.
        stop_when_solved: end as soon as that is so, instead of using the whole budget.
        resume: a checkpoint of the same configuration to go on from.

    Returns:
        "solved" if the target was reached and held at any time, "diverged" if a loss was not
        finite, otherwise "finished".
    """
    # Decides the initial weights; the data has generators of its own.
    torch.manual_seed(config.seed)
    workload = task.workload(config, device)
    model = workload.build_model()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )
    progress = Progress()
    if resume is not None:
        model.load_state_dict(resume["model"])
        optimizer.load_state_dict(resume["optimizer"])
        progress = Progress(**resume["progress"])
    evaluate_at = {*range(config.eval_every, config.steps, config.eval_every), *report_at, config.steps}
    losses = _RunningLoss(device)
    clock = _Clock(device)

    if progress.solved and stop_when_solved:
        return "solved"
    while progress.step < config.steps:
        step = progress.step + 1
        rate = rate_at(step, config)
        loss = _take_step(
            workload.loss(model, workload.batch(step)), model, optimizer, rate, config.grad_clip
        )
        losses.add(loss)
        progress.step = step
        progress.samples += config.batch
        diverged = step % _DIVERGENCE_CHECK_EVERY == 0 and not losses.is_finite()
        if step not in evaluate_at and not diverged:
            continue

        progress.cpu_seconds += clock.cpu_seconds()
        progress.wall_seconds += clock.wall_seconds()
        measured = {} if diverged else {"train_loss": losses.mean(), **_validate(workload, model)}
        if diverged or not all(math.isfinite(value) for value in measured.values()):
            # Of a diverged model only what it cost is true.
            diverged, measured = True, {}
        if target is not None:
            progress.count_towards(target, measured.get(target.metric, math.nan))
        ending: Ending | None = None
        if diverged:
            ending = "diverged"
        elif (progress.solved and stop_when_solved) or step == config.steps:
            ending = "solved" if progress.solved else "finished"
        metrics = {**measured, "lr": rate, **progress.as_metrics()}

        def snapshot(metrics: dict[str, float] = metrics) -> Snapshot:
            return make_snapshot(
                task,
                config,
                step=progress.step,
                model=model.state_dict(),
                optimizer=optimizer.state_dict(),
                progress=asdict(progress),
                metrics=metrics,
            )

        report(Report(step=step, metrics=metrics, ending=ending), snapshot)
        if ending is not None:
            return ending
        losses.reset()
        clock.restart()
    # Only a run resumed from its own last step gets here: there was nothing left to do.
    return "solved" if progress.solved else "finished"


def _take_step(
    loss: Tensor, model: nn.Module, optimizer: torch.optim.Optimizer, rate: float, grad_clip: float
) -> Tensor:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    if grad_clip > 0:
        nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    return loss.detach()


def _validate(workload: Workload, model: nn.Module) -> dict[str, float]:
    model.eval()
    measured = workload.validate(model)
    model.train()
    return measured


class _RunningLoss:
    """Mean loss since the last report, summed on the device so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._sum = torch.zeros((), device=device)
        self._steps = 0

    def add(self, loss: Tensor) -> None:
        self._sum += loss
        self._steps += 1

    def is_finite(self) -> bool:
        return math.isfinite(self._sum.item())

    def mean(self) -> float:
        return self._sum.item() / self._steps

    def reset(self) -> None:
        self._sum.zero_()
        self._steps = 0


class _Clock:
    """Processor and elapsed time since it was last restarted."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.restart()

    def restart(self) -> None:
        self._wait()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def cpu_seconds(self) -> float:
        self._wait()
        return time.process_time() - self._cpu

    def wall_seconds(self) -> float:
        self._wait()
        return time.perf_counter() - self._wall

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
