"""Runs of the training loop, small enough for a test, and what is the same in two of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.checkpoints import Snapshot, load, save
from trainables.config import TrainingConfig
from trainables.contract import (
    LOOP_METRICS,
    VALIDATION_LOSS,
    Ending,
    Evaluation,
    Metric,
    Report,
    Target,
    Task,
)
from trainables.loop import Goal, Start, train
from trainables.optim.optimization import ParameterGroup, one_group
from trainables.tasks import TASKS

CPU = torch.device("cpu")


NAN, INF = math.nan, math.inf


LOOP_NAMES = {metric.name for metric in LOOP_METRICS}


class ScriptedTask:
    """A task whose evaluations follow a script, and whose loss becomes NaN at a step if asked to.

    Scores come one after the other, validation losses by step; where none is given, they are 0 and 1.
    """

    name = "scripted"
    config_class = TrainingConfig
    metrics = (
        Metric(name="score", direction="max", unit="1", description="what the script says"),
        Metric(name=VALIDATION_LOSS, direction="min", unit="1", description="what the script says too"),
    )
    size_fields: frozenset[str] = frozenset()

    def __init__(
        self,
        scores: Sequence[float] = (),
        *,
        val_losses: Mapping[int, float] | None = None,
        nan_loss_from: int | None = None,
    ) -> None:
        self.scores = list(scores)
        self.val_losses = val_losses or {}
        self.step = 0
        self.nan_loss_from = nan_loss_from
        self.validated_in_training_mode = False

    def parameter_table(self, config: TrainingConfig) -> dict[str, int]:
        return {"weight": 1}

    def workload(self, config: TrainingConfig, device: torch.device) -> ScriptedTask:
        return self

    def build_model(self) -> nn.Module:
        return nn.Linear(1, 1, bias=False)

    def batch(self, step: int) -> int:
        self.step = step
        return step

    engine = "PyTorch"
    tokens_per_sample = 3
    notes: Mapping[str, Any] = {}

    def flops_per_token(self, step: int) -> None:
        return None

    def prepare(self, config: TrainingConfig) -> None:
        raise NotImplementedError

    def parameter_groups(self, model: nn.Module) -> list[ParameterGroup]:
        return one_group(model, TrainingConfig())

    def large_batch(self, samples: int) -> int:
        return 0

    def loss(self, model: nn.Module, batch: int) -> Tensor:
        if self.nan_loss_from is not None and batch >= self.nan_loss_from:
            return model.weight.sum() * NAN
        # The loss is the step, so that a mean tells which steps it is of; its gradient is zero.
        return model.weight.sum() * 0 + batch

    def validate(self, model: nn.Module) -> dict[str, float]:
        self.validated_in_training_mode |= model.training
        score = self.scores.pop(0) if self.scores else 0.0
        return {"score": score, VALIDATION_LOSS: self.val_losses.get(self.step, 1.0)}

    def evaluate(self, model: nn.Module, *, problems: int, seed: int) -> Evaluation:
        raise NotImplementedError


def in_train(
    *,
    target: Target | None = None,
    stop_when_solved: bool = True,
    resume: Snapshot | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Return what these tests say of a run as the arguments that the training loop takes."""
    return {
        "goal": Goal(target=target, ends_run=stop_when_solved),
        "start": Start(resume=resume),
        **others,
    }


def run(task: Any, config: TrainingConfig, **options: Any) -> tuple[Ending, list[Report]]:
    reports: list[Report] = []
    ending = train(
        task, config, device=CPU, report=lambda report, _: reports.append(report), **in_train(**options)
    )
    return ending, reports


def assert_only_costs(report: Report) -> None:
    """Of a diverged model only what it cost is true."""
    assert set(report.metrics) <= LOOP_NAMES - {"train_loss"}
    assert {"learning_rate", "samples", "cpu_seconds", "wall_seconds"} <= set(report.metrics)
    assert all(math.isfinite(value) for value in report.metrics.values())


def adder(**settings: object) -> TrainingConfig:
    return TASKS["addition"].config_class.model_validate(
        {
            "digits": 3,
            "curriculum": [{"digits": [1, 2], "share": 1}, {"digits": [3, 3], "share": 2}],
            "d_model": 8,
            "n_heads": 2,
            "d_ff": 12,
            "steps": 60,
            "batch": 16,
            "eval_every": 20,
            "val_problems": 100,
            **settings,
        }
    )


def trained_adder(
    config: TrainingConfig, folder: Path, **options: Any
) -> tuple[Ending, list[Report], dict[int, Snapshot]]:
    return trained_with_checkpoints(TASKS["addition"], config, folder, **options)


def trained_with_checkpoints(
    task: Task, config: TrainingConfig, folder: Path, **options: Any
) -> tuple[Ending, list[Report], dict[int, Snapshot]]:
    """Train and return the ending, the reports, and every report's checkpoint as read from its file."""
    reports: list[Report] = []
    snapshots: dict[int, Snapshot] = {}

    def report(row: Report, snapshot: Callable[[], Snapshot]) -> None:
        reports.append(row)
        path = folder / f"{row.step}.pt"
        save(snapshot(), path)
        snapshots[row.step] = load(path)

    ending = train(task, config, device=CPU, report=report, **in_train(**options))
    return ending, reports, snapshots


def same_tensors(first: Any, second: Any) -> bool:
    """Compare bit by bit, through dicts and lists."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same_tensors(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same_tensors, first, second))
    return bool(first == second)


def without_times(metrics: Any) -> dict[str, float]:
    """Leave out what depends on the machine and what else it does: times and memory."""
    return {k: v for k, v in metrics.items() if "second" not in k and k != "peak_memory"}
