"""Runs that begin again: when, with what weights, what they report, and that going on is exact."""

from __future__ import annotations

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from helpers.training import (
    CPU,
    NAN,
    ScriptedTask,
    adder,
    run,
    same_tensors,
    trained_adder,
    without_times,
)
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.checkpoints import Snapshot
from trainables.config import TrainingConfig
from trainables.contract import Report
from trainables.loop import HandedOverError, Host, Start, train
from trainables.restarts import seed_of_attempt
from trainables.tasks import TASKS


class Attempts(ScriptedTask):
    """A task whose loss is another for every attempt, whatever the step, or becomes NaN at a step."""

    def __init__(self, losses: list[float], nan_at: int = 0) -> None:
        super().__init__()
        self.losses, self.nan_at = losses, nan_at
        self.seeds: list[int] = []
        self.steps: list[int] = []

    def workload(self, config: TrainingConfig, device: Any) -> Attempts:
        self.seeds.append(config.seed)
        return self

    def loss(self, model: nn.Module, batch: int) -> Tensor:
        self.steps.append(batch)
        loss = self.losses[len(self.seeds) - 1]
        return model.weight.sum() * 0 + (NAN if math.isinf(loss) and batch >= self.nan_at else loss)


def restarting(most: int = 3, **fields: Any) -> TrainingConfig:
    rule = {"at": 0.1, "above": 0.7, "most": most}
    return TrainingConfig.model_validate(
        {"steps": 100, "eval_every": 5, "batch": 2, "seed": 7, "restarts": rule, **fields}
    )


@pytest.mark.parametrize(
    ("losses", "attempts"),
    [([0.7], 1), ([0.71, 0.69], 2), ([2.0, 1.0, 0.1], 3), ([1.0] * 4, 4)],
    ids=["not above", "once", "twice", "the last goes on"],
)
def test_a_run_begins_again_while_its_loss_is_above_and_restarts_are_left(
    losses: list[float], attempts: int
) -> None:
    task = Attempts(losses)
    ending, reports = run(task, restarting())
    assert ending == "finished"
    assert task.seeds == [seed_of_attempt(7, number) for number in range(attempts)]
    assert task.steps == [*range(1, 11)] * (attempts - 1) + [*range(1, 101)]
    assert [report.step for report in reports] == list(range(10, 101, 5)), (
        "an attempt on trial reports nothing"
    )
    assert {report.metrics["attempts"] for report in reports} == {attempts}
    first, last = reports[0].metrics, reports[-1].metrics
    assert first["samples"] == 2 * 10 * attempts, "all attempts are paid for"
    assert last["samples"] == 2 * (100 + 10 * (attempts - 1))
    assert last["progress"] == 1
    assert first["train_loss"] == pytest.approx(losses[-1]), "the mean is of its own attempt"
    told = "".join(f"; attempt {n + 1} had a loss of {losses[n]:.3f} at step 10" for n in range(attempts - 1))
    assert reports[0].engine == "PyTorch" + told


def test_only_the_last_tenth_of_the_judged_steps_is_judged() -> None:
    class Falling(Attempts):
        def loss(self, model: nn.Module, batch: int) -> Tensor:
            self.steps.append(batch)
            return model.weight.sum() * 0 + (0.5 if batch in (19, 20) else 9.0)

    task = Falling([])
    run(task, restarting(steps=200))
    assert len(task.seeds) == 1


def test_rungs_before_the_judgement_are_passed_without_a_report() -> None:
    _, reports = run(Attempts([1.0, 0.5]), restarting(), report_at=(3, 9, 12))
    assert [report.step for report in reports][:3] == [10, 12, 15]


def test_an_attempt_that_diverges_early_is_given_up_at_once_and_the_last_one_ends_the_run() -> None:
    rule = {"at": 0.5, "above": 0.7, "most": 1}
    ending, reports = run(Attempts([math.inf, 0.1], nan_at=20), restarting(steps=200, restarts=rule))
    assert ending == "finished"
    assert reports[0].engine == "PyTorch; attempt 1 diverged at step 50"
    ending, reports = run(Attempts([math.inf, math.inf], nan_at=20), restarting(steps=200, restarts=rule))
    assert ending == "diverged"
    assert [report.step for report in reports] == [50]
    assert reports[0].metrics["samples"] == 200


def test_without_restarts_nothing_is_reported_of_them() -> None:
    _, reports = run(Attempts([9.0]), restarting(restarts=None))
    assert reports[0].step == 5
    assert all("attempts" not in report.metrics for report in reports)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_an_attempt_is_what_a_fresh_seed_would_be_bit_for_bit(engine: str, tmp_path: Path) -> None:
    """Weights, optimizer and every metric, but what the attempts before have cost."""
    rule = {"at": 0.5, "above": 1e-6, "most": 2}
    config = adder(engine=engine, restarts=rule, seed=3, grokfast_lamb=1.0)
    _, reports, snapshots = trained_adder(config, tmp_path)
    assert [report.step for report in reports] == [40, 60]
    assert reports[-1].metrics["attempts"] == 3
    for seed, is_same in ((seed_of_attempt(3, 2), True), (3, False)):
        fresh = adder(engine=engine, seed=seed, grokfast_lamb=1.0)
        _, alone, of_fresh = trained_adder(fresh, tmp_path)
        for part in ("model", "optimizer"):
            assert same_tensors(of_fresh[60][part], snapshots[60][part]) == is_same
        for name in ("val_loss", "token_accuracy"):
            assert (reports[-1].metrics[name] == alone[-1].metrics[name]) == is_same
    assert snapshots[60]["config"]["seed"] == 3, "the checkpoint states the run's own seed"


def interrupted(config: TrainingConfig, after: int) -> tuple[Snapshot, list[Report]]:
    """Train until notice is given at the ``after``-th asking; return the checkpoint and the reports."""
    asked = 0
    handed: list[Snapshot] = []

    def is_given() -> bool:
        nonlocal asked
        asked += 1
        return asked == after

    def keep(snapshot: Any) -> None:
        handed.append(deepcopy(snapshot()))  # the weights in it are live

    reports: list[Report] = []
    host = Host(is_given=is_given, hand_over=keep)
    with pytest.raises(HandedOverError):
        train(
            TASKS["addition"], config, device=CPU, report=lambda report, _: reports.append(report), host=host
        )
    return handed[0], reports


@pytest.mark.parametrize("after", [1, 3, 5, 8])
def test_going_on_in_any_attempt_equals_never_having_stopped(after: int, tmp_path: Path) -> None:
    rule = {"at": 0.3, "above": 1e-6, "most": 2}
    config = adder(restarts=rule, seed=3)
    _, reports, snapshots = trained_adder(config, tmp_path)
    handed, so_far = interrupted(config, after)
    _, later, again = trained_adder(config, tmp_path, resume=handed)
    assert [r.step for r in so_far + later] == [r.step for r in reports]
    for now, before in zip(so_far + later, reports, strict=True):
        assert without_times(now.metrics) == without_times(before.metrics)
    assert "attempt 2 had a loss" in str((so_far + later)[0].engine)
    assert same_tensors(again[60]["model"], snapshots[60]["model"])
    assert same_tensors(again[60]["optimizer"], snapshots[60]["optimizer"])


def test_seeds_of_attempts_are_all_different() -> None:
    seeds = {seed_of_attempt(seed, number) for seed in range(200) for number in range(20)}
    assert len(seeds) == 200 * 20
    assert seed_of_attempt(5, 0) == 5


@pytest.mark.parametrize("wrong", [{"at": 0.0}, {"at": 1.0}, {"above": 0.0}, {"most": 0}], ids=str)
def test_a_rule_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        restarting(restarts={"at": 0.1, "above": 0.7, **wrong})


def test_a_run_with_restarts_shares_no_prefix() -> None:
    config = restarting(schedule="constant_linear", warmup=0.0)
    assert config.against_sharing == ["there are restarts"]
    assert config.prefix_steps == 0


def test_the_reports_attempts_are_those_of_the_checkpoint(tmp_path: Path) -> None:
    config = adder(restarts={"at": 0.3, "above": 1e-6, "most": 1})
    _, reports, snapshots = trained_adder(config, tmp_path)
    options: dict[str, Any] = {"start": Start(resume=snapshots[40])}
    again: list[Report] = []
    train(TASKS["addition"], config, device=CPU, report=lambda report, _: again.append(report), **options)
    assert again[-1].metrics["attempts"] == reports[-1].metrics["attempts"] == 2
    assert again[-1].metrics["samples"] == reports[-1].metrics["samples"] == 16 * (60 + 18)
