"""Retraining: a configuration at its full budget, alone, on seeds that the search never used."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from analysis.ranking import cheapest, ranking
from analysis.rows import PARAMS, SearchRows
from analysis.wording import cost_text
from paretune.confirm.evaluation import told_in
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from search_spaces.parts.search import MAX_SEEDS
from search_spaces.plan import Values
from trainables.checkpoints import Snapshot, load_model, save
from trainables.config import TrainingConfig
from trainables.contract import Ending, Evaluation, Report, Task
from trainables.loop import Goal, train

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The configuration to retrain, and why it."""

    number: int
    values: Values
    why: str


@dataclass(kw_only=True)
class SeedRun:
    """One fresh seed: its reports, its best checkpoint, and how that did on the test problems.

    >>> import paretune
    >>> retrained = paretune.open("results/quickstart").retrain(0, seeds=1, problems=100, progress=False)
    >>> run = retrained.runs[0]
    >>> run.ending, run.reports[-1]["step"] >= run.best.step
    ('finished', True)
    """

    seed: int
    """The seed itself: one that no trial of the search can have had."""
    ending: Ending
    """How its training ended: solved, finished or diverged."""
    reports: list[dict[str, Any]] = field(default_factory=list)
    """Every report, as ``reports.jsonl`` has them for trials."""
    best: Report | None = None
    """The report that is best by validation; None if it diverged before one."""
    checkpoint: Path | None = None
    """The checkpoint of that report, if it was kept."""
    evaluation: Evaluation | None = None
    """How that checkpoint did on held-out problems."""
    seconds: float = 0.0
    """Elapsed time of training, validation included."""


class Watcher(Protocol):
    """Someone who is told how far a seed is."""

    def report(self, report: Report) -> None:
        """Take note of a report."""
        ...

    def evaluating(self) -> AbstractContextManager[object]:
        """Return what is entered while the checkpoint is evaluated, to say so."""
        ...


def choose(rows: SearchRows, number: int | None) -> Chosen:
    """Return the configuration to retrain: the one named, or the cheapest that reaches the target.

    Raises:
        InputError: there is no such configuration, or none reaches the target.
    """
    first = rows.trials.drop_duplicates("configuration")
    values = dict(zip(first["configuration"].tolist(), first["values"], strict=True))
    if number is not None:
        if number not in values:
            raise InputError(f"there is no configuration {number}; there are 0 to {max(values)}")
        return Chosen(number=number, values=values[number], why="it was asked for")
    ranked = ranking(rows)
    if ranked.empty:
        raise InputError(f"{rows.plan.name} has no trials yet")
    best = int(ranked["configuration"].iloc[0])
    named = f"--configuration {best}"
    if rows.plan.target is None:
        raise InputError(
            f"{rows.plan.name} has no target to choose by; name a configuration: {named} is the best"
        )
    cost = rows.cost_objectives[0]
    chosen = cheapest(rows, cost, ranked)
    if chosen is None:
        ((name, value),) = rows.plan.target.items()
        raise InputError(
            f"no configuration reached the target {name} {value:g} with an expected success rate of at least "
            f"65 %; the best is number {best}. Retrain it all the same with {named}"
        )
    number = int(chosen["configuration"])
    which = "it is the smallest" if cost == PARAMS else f"it has the least {cost_text(rows, cost)} of those"
    fresh = int(chosen["confirmed_seeds"])
    known = f", confirmed by {int(chosen['confirmed_solved'])} of {fresh} fresh seeds" if fresh else ""
    return Chosen(number=number, values=values[number], why=f"{which} that reached the target{known}")


def retrain_seed(
    bound: BoundPlan,
    values: Values,
    seed_index: int,
    *,
    folder: Path,
    device: torch.device,
    problems: int,
    watcher: Watcher,
) -> SeedRun:
    """Train one configuration with one fresh seed at full budget, then evaluate its best checkpoint.

    Args:
        bound: the plan that the configuration comes from.
        values: the configuration.
        seed_index: number of the fresh seed, counted from 0.
        folder: where the checkpoint goes.
        device: where to train.
        problems: how many held-out problems to evaluate on.
        watcher: who is told how far it is.
    """
    config = bound.config(values, seed=fresh_seed(bound, seed_index))
    folder.mkdir(parents=True, exist_ok=True)
    keeper = _BestKeeper(bound.task, folder / CHECKPOINT_FILE)

    def report(row: Report, snapshot: Callable[[], Snapshot]) -> None:
        keeper.consider(row, snapshot)
        watcher.report(row)

    began = time.perf_counter()
    goal = Goal(target=bound.target, ends_run=False)
    ending = train(bound.task, config, device=device, report=report, goal=goal)
    run = SeedRun(
        seed=config.seed,
        ending=ending,
        reports=keeper.reports,
        best=keeper.best,
        seconds=time.perf_counter() - began,
    )
    if keeper.best is not None:
        run.checkpoint = keeper.path
        with watcher.evaluating():
            # Its task has just been trained.
            found = evaluate_checkpoint(keeper.path, device, problems=problems, seed=0, allow_task_code=True)
            run.evaluation = told_in(found, asked_metric(bound))
    return run


def evaluate_checkpoint(
    checkpoint: Path, device: torch.device, *, problems: int, seed: int, allow_task_code: bool = False
) -> Evaluation:
    """Evaluate a checkpoint's model on held-out test problems.

    Raises:
        CheckpointError: the file is not a usable checkpoint.
    """
    loaded = load_model(checkpoint, device, allow_task_code=allow_task_code)
    return loaded.workload.evaluate(loaded.model, problems=problems, seed=seed)


def asked_metric(bound: BoundPlan) -> str:
    """Return the metric that held-out results are told in: the target's, else the first that is no cost."""
    if bound.plan.target is not None:
        (name,) = bound.plan.target
        return name
    measured = (o.metric for o in bound.plan.objectives if not bound.metrics[o.metric].is_cost)
    return next(measured, bound.task.metrics[0].name)


def best_run(task: Task, runs: Sequence[SeedRun]) -> SeedRun | None:
    """Return the run whose checkpoint is best by validation; None if all diverged."""
    with_checkpoint = [run for run in runs if run.best is not None]
    return max(with_checkpoint, key=lambda run: merit(task, _best_of(run)), default=None)


def merit(task: Task, report: Report) -> tuple[float, ...]:
    """Return what reports are compared by: the task's metrics in order, larger being better."""
    return tuple(
        (1 if metric.direction == "max" else -1) * report.metrics[metric.name] for metric in task.metrics
    )


def fresh_seed(bound: BoundPlan, index: int) -> int:
    """Return a seed that no trial of the plan can have had."""
    return bound.plan.trial_seed(MAX_SEEDS + index)


def config_of(bound: BoundPlan, values: Values) -> TrainingConfig:
    """Return the configuration with the first fresh seed."""
    return bound.config(values, seed=fresh_seed(bound, 0))


class _BestKeeper:
    """Keeps all reports, and the checkpoint of the one that is best by validation."""

    def __init__(self, task: Task, path: Path) -> None:
        self.path = path
        self.reports: list[dict[str, Any]] = []
        self.best: Report | None = None
        self._task = task

    def consider(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        self.reports.append(report.as_row())
        if report.ending == "diverged":
            return
        if self.best is None or merit(self._task, report) > merit(self._task, self.best):
            save(snapshot(), self.path)
            self.best = report


def _best_of(run: SeedRun) -> Report:
    assert run.best is not None
    return run.best
