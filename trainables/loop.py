"""The one training loop. Every task and every way of running (search, retraining, test) uses it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.checkpoints import Snapshot, load_weights, make_snapshot
from trainables.config import TrainingConfig
from trainables.contract import VALIDATION_LOSS, Ending, Report, TakesSteps, Target, Task
from trainables.gauges import Clock, PeakMemory, RunningLoss, Speed
from trainables.machines.execution import no_denormals
from trainables.optim.finishing import Finish, make_finish
from trainables.optim.gradients import Gradients
from trainables.optim.optimization import Optimization
from trainables.optim.schedules import rate_at
from trainables.progress import Progress
from trainables.replay import Replay
from trainables.restarts import Judge, of_attempt
from trainables.terms import Goal, HandedOverError, Host, ReportFunction, Start, taken_from_checkpoint

__all__ = ["Goal", "HandedOverError", "Host", "ReportFunction", "Start", "train"]

_DIVERGENCE_CHECK_EVERY = 50
"""Steps between checks that the loss is finite; on a GPU each check waits for the device."""

_NO_GOAL = Goal()
_FIRST_STEP = Start()
_ALONE = Host()


@no_denormals()
def train(
    task: Task,
    config: TrainingConfig,
    *,
    device: torch.device,
    report: ReportFunction,
    report_at: Collection[int] = (),
    goal: Goal = _NO_GOAL,
    start: Start = _FIRST_STEP,
    host: Host = _ALONE,
) -> Ending:
    """Train one configuration with one seed until it ends, and return its ending.

    Args:
        task: the task.
        config: its configuration; ``config.steps`` is the budget.
        device: where the model and the data live.
        report: called at every multiple of ``config.eval_every``, at the steps in ``report_at``
            and at the last step.
        report_at: further steps to report at, such as the rungs of early stopping.
        goal: the target, and whether it ends the run.
        start: a state to begin with, if not fresh weights.
        host: what it may use of its machine, and how it learns that it has to leave.

    Returns:
        "diverged" if a loss became non-finite, else "solved" if the target was reached and held at any
        time, else "finished".

    Raises:
        HandedOverError: the host gave notice, and has the checkpoint.
    """
    prefixes = start.prefixes
    branched = prefixes.newest(task, config) if prefixes is not None and start.resume is None else None
    begin = partial(_Run, task, config, device, goal, memory_share=host.memory_share)
    run = begin(resume=start.resume or branched)
    if branched is not None:
        run.note(f"began at step {branched['step']:,} of a shared prefix")
    evaluate_at = {*range(config.eval_every, config.steps, config.eval_every), *report_at, config.steps}
    evaluate_at = {step for step in evaluate_at if step >= config.judged_after}
    checks = range(0, config.steps, _DIVERGENCE_CHECK_EVERY)
    pauses = sorted({*evaluate_at, *checks, config.prefix_steps, *run.pauses})
    while True:
        if run.is_stuck():
            spent = run.given_up()
            del run  # two models may not fit into the memory
            run = begin(spent=spent)
        # First, since a run that was interrupted before an evaluation resumes with it.
        if run.has_news and (run.progress.step in evaluate_at or run.is_finishing or run.has_diverged()):
            row = run.evaluate()
            report(row, partial(run.snapshot, row.metrics))
            run.restart_gauges()
        if (ending := run.ending) is not None:
            return ending
        if prefixes is not None and 0 < run.progress.step == config.prefix_steps:
            run.pause_gauges()
            prefixes.keep(task, config, run.snapshot({}))
            run.restart_gauges()
        run.take_steps(until=pauses[bisect_right(pauses, run.progress.step)])
        if host.is_given():
            run.pause_gauges()
            host.hand_over(partial(run.snapshot, {}))
            raise HandedOverError


class _Run:
    """Model, optimizer, data and progress of one training run, and its steps."""

    def __init__(
        self,
        task: Task,
        config: TrainingConfig,
        device: torch.device,
        goal: Goal,
        *,
        memory_share: float,
        resume: Snapshot | None = None,
        spent: Mapping[str, Any] | None = None,
    ) -> None:
        before = resume or spent or {}
        with taken_from_checkpoint():
            self.progress = Progress(**before["progress"]) if before else Progress()
        self._task, self._stated, self._goal = task, config, goal
        self._config = config = of_attempt(config, self.progress.restarts)
        # For the initial weights; the data has its own generators.
        torch.manual_seed(config.seed)
        self._workload = task.workload(config, device)
        self._model = self._workload.build_model()
        if resume is not None:
            with taken_from_checkpoint():
                self._model.load_state_dict(resume["model"])
        elif config.start_from is not None:
            load_weights(self._model, Path(config.start_from))
        # Before the optimizer allocates its averages, which are included in its plan of the memory.
        self._replay = Replay(config, self._workload, device, before.get("replay"))
        self._gradients = Gradients(self._workload, self._replay, self._model, config, device, memory_share)
        # Between two passes it is still that of the first of them.
        self._optimization = self._new_optimization(max(1, self.progress.step))
        self._finish: Finish | None = None
        self._losses = RunningLoss(device)
        gauges = before.get("gauges", {})
        with taken_from_checkpoint():
            self._judge = Judge(config, device, self.progress.restarts, gauges.get("judged"))
            if self.progress.finish_begun is not None:
                self._begin_finish(None if resume is None else resume["optimizer"].get("finish"))
            elif resume is not None:
                self._optimization.load_state_dict(resume["optimizer"])
            if "losses" in gauges:
                self._losses.load_state_dict(gauges["losses"])
        # Before the clock starts: preparing an engine or compiling is not a training step.
        self._engine: str | None = self._workload.engine
        self._untold: list[str] = list(gauges.get("untold", []))  # part of the first report, as the engine is
        if not self.is_finishing and (self._gradients.is_compiled or device.type == "cuda"):
            self._warm_up()
        self._memory = PeakMemory(device, gauges.get("peak_memory"))
        last = gauges.get("last", (self.progress.tokens, self.progress.wall_seconds))
        self._speed = Speed(self._workload, device, *last)
        self._clock = Clock(device)
        self._diverged = False

    @property
    def ending(self) -> Ending | None:
        """The ending of the run, or None while it continues."""
        if self._diverged:
            return "diverged"
        progress, config = self.progress, self._config
        last = config.steps
        if progress.finish_begun is not None:
            last = min(last, progress.finish_begun + config.finish_steps)
        is_over = progress.step >= last or (progress.solved and self._goal.ends_run)
        if config.patience is not None:
            is_over |= progress.evaluations_without_gain >= config.patience
        if not is_over:
            return None
        return "solved" if progress.solved else "finished"

    def take_steps(self, *, until: int) -> None:
        """Take at least one step of the optimizer, up to step ``until``, or one of the finish."""
        if self._finish is not None:
            self.progress.step += 1
            before = self._finish.evaluations
            self._losses.add([self._finish.step()])
            self._count_samples(self._config.finish_batch * (self._finish.evaluations - before))
            return
        first, ends = self.progress.step + 1, self._config.pass_ends
        if self.progress.step in ends:
            self._optimization = self._new_optimization(first)
        self._optimization.decay_share = self.progress.decay_share
        self._replay.refresh(self._model, self.progress.step)
        taken = self._learn(first, min(until, ends[bisect_left(ends, first)]))
        self.progress.step += taken
        self._count_samples(taken * self._config.batch_at(first))

    def has_diverged(self) -> bool:
        """Check periodically that the loss is finite."""
        return self.progress.step % _DIVERGENCE_CHECK_EVERY == 0 and not self._losses.is_finite()

    @property
    def pauses(self) -> set[int]:
        """Further steps behind which no others may be taken at once."""
        return self._judge.pauses | self._replay.pauses

    def is_stuck(self) -> bool:
        """Return whether this attempt should be given up for another one."""
        step = self.progress.step
        return self._judge.may_give_up(step) and (self._judge.is_above(step) or self.has_diverged())

    def given_up(self) -> dict[str, Any]:
        """Return what this attempt has spent, for the next one."""
        self.pause_gauges()
        self.note(self._judge.told(self.progress.step))
        return {"progress": asdict(self.progress.begun_again()), "gauges": self._gauges()}

    @property
    def is_finishing(self) -> bool:
        """Whether the finish has begun: its steps are few and slow, so each is evaluated."""
        return self._finish is not None

    @property
    def has_news(self) -> bool:
        """Whether steps were taken since the last report."""
        return self._losses.steps > 0

    def evaluate(self) -> Report:
        """Validate, update the progress, and return the report."""
        progress = self.progress
        self.pause_gauges()
        speed = self._speed.since_last(progress.step, progress.tokens, progress.wall_seconds)
        spent = {**speed, **self._memory.as_metrics()}
        measured = {"train_loss": self._losses.mean()}
        if math.isfinite(measured["train_loss"]):
            self._model.eval()
            measured |= self._workload.validate(self._model)
            self._model.train()
        if not all(math.isfinite(value) for value in measured.values()):
            # Only the costs of a diverged model are meaningful.
            self._diverged, measured = True, {}
        # Rungs are extra evaluations; counting them would make "held" depend on early stopping.
        at_regular_step = progress.step % self._config.eval_every == 0 or progress.step == self._config.steps
        if at_regular_step or self.is_finishing or self._diverged:
            self._take_note(measured)
        self._losses.reset()
        rate = rate_at(progress.step, self._config)
        share = progress.step / self._config.steps
        metrics = {**measured, "learning_rate": rate, "progress": share, **progress.as_metrics(), **spent}
        if self._config.restarts is not None:
            metrics["attempts"] = progress.restarts + 1
        engine = None if self._engine is None else "; ".join([self._engine, *self._untold])
        self._engine, self._untold = None, []
        return Report(step=progress.step, metrics=metrics, ending=self.ending, engine=engine)

    def note(self, text: str) -> None:
        """Add to the description of the engine in the first report."""
        self._untold.append(text)

    def pause_gauges(self) -> None:
        """Add the time since the gauges were restarted, and read the memory."""
        self.progress.cpu_seconds += self._clock.cpu_seconds()
        self.progress.wall_seconds += self._clock.wall_seconds()
        self._memory.look()

    def restart_gauges(self) -> None:
        """Exclude the time since the evaluation began: validation, reporting, checkpoints."""
        self._memory.restart()
        self._clock.restart()

    def snapshot(self, metrics: Mapping[str, float]) -> Snapshot:
        """Return the current checkpoint, with live weights; ``metrics`` are the step's report's, if any."""
        state = (
            self._optimization.state_dict() if self._finish is None else {"finish": self._finish.state_dict()}
        )
        snapshot = make_snapshot(
            self._task,
            self._stated,
            step=self.progress.step,
            model=self._model.state_dict(),
            optimizer=state,
            progress=asdict(self.progress),
            metrics=metrics,
            notes=self._workload.notes,
        )
        losses = {"losses": self._losses.state_dict(), **self._judge.state_dict()}
        return {**snapshot, **self._replay.state_dict(), "gauges": {**losses, **self._gauges()}}

    def _gauges(self) -> dict[str, Any]:
        most, untold = self._memory.most, list(self._untold)
        return {"last": self._speed.last, "peak_memory": most, "untold": untold}

    def _learn(self, step: int, last: int) -> int:
        """Take one step, or up to ``last`` in the workload's own way; return how many."""
        if isinstance(self._workload, TakesSteps):
            steps = range(step, last + 1)
            if losses := self._workload.take_steps(self._model, self._optimization, steps, self._replay):
                for sums in (self._losses, *self._judge.sums_at(step)):
                    sums.add_steps(losses)
                return len(losses)
        parts = self._gradients.of_step(step, self._optimization)
        for sums in (self._losses, *self._judge.sums_at(step)):
            sums.add(parts)
        self._optimization.step(
            number=step,
            rate=rate_at(step, self._config),
            weight_decay=self._config.weight_decay_at(step),
        )
        return 1

    def _warm_up(self) -> None:
        """Run a step's forward and backward pass, in which compilers run."""
        self._gradients.of_step(min(self.progress.step + 1, self._config.steps), self._optimization)
        self._model.zero_grad(set_to_none=True)

    def _new_optimization(self, step: int) -> Optimization:
        return Optimization(self._workload.parameter_groups(self._model), self._config, step)

    def _count_samples(self, samples: int) -> None:
        self.progress.samples += samples
        self.progress.tokens += samples * self._workload.tokens_per_sample

    def _take_note(self, measured: Mapping[str, float]) -> None:
        progress, config = self.progress, self._config
        target = self._goal.target
        if target is not None:
            progress.count_towards(target, measured.get(target.metric, math.nan))
        if self._diverged:
            return
        progress.count_gain(measured[VALIDATION_LOSS], config.min_delta)
        if config.adaptive_decay is not None:
            progress.decay_share = config.adaptive_decay.share_at(measured[VALIDATION_LOSS])
        headline = self._task.metrics[0]
        begins = Target(metric=headline.name, value=config.finish_above, direction=headline.direction)
        if (
            config.finish != "none"
            and not self.is_finishing
            and begins.is_reached_by(measured[headline.name])
        ):
            progress.finish_begun = progress.step
            self._begin_finish()

    def _begin_finish(self, state: Mapping[str, Any] | None = None) -> None:
        batch = self._workload.large_batch(self._config.finish_batch)

        def loss() -> Tensor:
            # Without dropout: a line search needs a deterministic loss.
            self._model.eval()
            return self._workload.loss(self._model, batch)

        self._finish = make_finish(self._model, self._config, loss)
        if state is not None:
            self._finish.load_state_dict(state)
