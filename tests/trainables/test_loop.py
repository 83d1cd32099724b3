"""The training loop: when it reports, how it ends, and that going on equals never having stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training import (
    INF,
    LOOP_NAMES,
    NAN,
    ScriptedTask,
    adder,
    assert_only_costs,
    run,
    same_tensors,
    trained_adder,
    without_times,
)
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.contract import (
    VALIDATION_LOSS,
    Report,
    Target,
)
from trainables.tasks import TASKS


def scripted(scores: Sequence[float], *, hold: int = 2, value: float = 0.9, **options: Any) -> Any:
    """Run 100 steps with an evaluation at every tenth, which give ``scores`` and then 0."""
    direction = options.pop("direction", "max")
    target = Target(metric="score", value=value, direction=direction, hold=hold)
    return run(ScriptedTask(scores), TrainingConfig(steps=100, eval_every=10), target=target, **options)


# When it reports


@pytest.mark.parametrize(
    ("steps", "eval_every", "report_at", "expected"),
    [
        (30, 10, (), [10, 20, 30]),
        (25, 10, (), [10, 20, 25]),
        (25, 10, (20, 3, 17), [3, 10, 17, 20, 25]),
        (5, 10, (), [5]),
        (5, 10, (2, 5, 7, 1000), [2, 5]),
        (1, 1, (1,), [1]),
        (3, 1, (), [1, 2, 3]),
    ],
)
def test_reports_come_at_every_interval_every_extra_step_and_the_last_in_order(
    steps: int, eval_every: int, report_at: Sequence[int], expected: list[int]
) -> None:
    config = TrainingConfig(steps=steps, eval_every=eval_every)
    ending, reports = run(ScriptedTask(), config, report_at=report_at)
    assert [report.step for report in reports] == expected
    assert [report.ending for report in reports] == [None] * (len(expected) - 1) + ["finished"]
    assert ending == "finished"


def test_a_report_holds_the_tasks_metrics_and_what_was_spent() -> None:
    config = TrainingConfig(steps=20, eval_every=10, batch=7, lr=0.5, schedule="constant")
    _, reports = run(ScriptedTask([0.25, 0.5]), config)
    first, second = (report.metrics for report in reports)
    assert first["score"] == 0.25
    assert (first["samples"], second["samples"]) == (70, 140)
    assert first["learning_rate"] == 0.5
    # The scripted loss is the step: each report has the mean of its own span, not of the whole run.
    assert (first["train_loss"], second["train_loss"]) == (5.5, 15.5)
    assert 0 < first["cpu_seconds"] < second["cpu_seconds"]
    assert 0 < first["wall_seconds"] < second["wall_seconds"]
    assert set(first) <= {"score", VALIDATION_LOSS} | LOOP_NAMES


def test_a_model_is_validated_in_evaluation_mode_and_trained_in_training_mode() -> None:
    modes = []

    class Watching(ScriptedTask):
        def loss(self, model: nn.Module, batch: int) -> Tensor:
            modes.append(model.training)
            return super().loss(model, batch)

    task = Watching()
    run(task, TrainingConfig(steps=20, eval_every=5))
    assert modes == [True] * 20
    assert not task.validated_in_training_mode


def test_a_row_begins_with_the_step_and_ends_with_the_ending() -> None:
    _, reports = run(ScriptedTask([0.5]), TrainingConfig(steps=1))
    row = reports[0].as_row()
    assert next(iter(row)) == "step"
    assert (row["step"], row["score"], row["ending"]) == (1, 0.5, "finished")
    assert "ending" not in Report(step=1, metrics={}).as_row()


# Solved


def test_the_target_must_hold_at_two_evaluations_in_a_row() -> None:
    ending, reports = scripted([0.1, 0.95, 0.9])
    assert ending == reports[-1].ending == "solved"
    assert [report.step for report in reports] == [10, 20, 30]
    assert "steps_to_target" not in reports[1].metrics, "reached once is not yet held"
    assert reports[-1].metrics["steps_to_target"] == 20
    assert reports[-1].metrics["cpu_seconds_to_target"] == reports[1].metrics["cpu_seconds"]


def test_a_target_reached_and_lost_and_reached_again_is_not_solved() -> None:
    ending, reports = scripted([0.95, 0.1, 0.95, 0.1, 0.95, 0.1, 0.95, 0.1, 0.95, 0.1])
    assert ending == reports[-1].ending == "finished"
    assert len(reports) == 10
    assert all("steps_to_target" not in report.metrics for report in reports)


def test_a_target_reached_only_at_the_last_evaluation_is_not_solved() -> None:
    ending, _ = scripted([0.0] * 9 + [1.0])
    assert ending == "finished"


def test_a_target_held_at_the_last_two_evaluations_is_solved() -> None:
    ending, reports = scripted([0.0] * 8 + [1.0, 1.0])
    assert (ending, reports[-1].step, reports[-1].metrics["steps_to_target"]) == ("solved", 100, 90)


def test_the_time_to_the_target_is_counted_from_the_evaluations_that_held_it() -> None:
    """Not from an earlier one that was lost again."""
    _, reports = scripted([0.95, 0.1, 0.95, 0.95])
    assert reports[-1].metrics["steps_to_target"] == 30


@pytest.mark.parametrize(("hold", "last_step"), [(1, 10), (2, 20), (3, 30)])
def test_a_target_can_ask_for_more_or_fewer_evaluations(hold: int, last_step: int) -> None:
    ending, reports = scripted([1.0] * 10, hold=hold)
    assert (ending, reports[-1].step) == ("solved", last_step)


def test_a_run_that_should_use_its_budget_goes_on_and_is_solved_all_the_same() -> None:
    ending, reports = scripted([0.1, 0.95, 0.95, 0.2, 0.95, 0.95], stop_when_solved=False)
    assert [report.step for report in reports] == list(range(10, 101, 10))
    assert [report.ending for report in reports] == [None] * 9 + ["solved"]
    assert ending == "solved", "held once, although it was lost later"
    assert [report.metrics.get("steps_to_target") for report in reports] == [None, None] + [20] * 8


def test_a_target_that_is_to_be_small_is_reached_from_above() -> None:
    ending, reports = scripted([0.95, 0.3, 0.2, 0.1], value=0.3, direction="min")
    assert (ending, reports[-1].step) == ("solved", 30)


def test_without_a_target_nothing_is_solved() -> None:
    ending, reports = run(ScriptedTask([1.0] * 10), TrainingConfig(steps=100, eval_every=10))
    assert ending == "finished"
    assert len(reports) == 10


@pytest.mark.parametrize("direction", ["min", "max"])
def test_no_target_is_reached_by_nan(direction: Any) -> None:
    assert not Target(metric="score", value=0.5, direction=direction).is_reached_by(NAN)
    assert Target(metric="score", value=0.5, direction=direction).is_reached_by(0.5)


# Divergence


@pytest.mark.parametrize("nan_from", [1, 7, 60, 999, 1000])
def test_a_loss_of_nan_ends_the_run_soon_as_diverged(nan_from: int) -> None:
    """Although the model still scores perfectly, and the next evaluation is far away."""
    target = Target(metric="score", value=0.9, direction="max", hold=1)
    config = TrainingConfig(steps=1000, eval_every=1000)
    ending, reports = run(ScriptedTask([1.0] * 10, nan_loss_from=nan_from), config, target=target)
    assert ending == reports[-1].ending == "diverged"
    assert len(reports) == 1
    assert nan_from <= reports[-1].step <= min(nan_from + 100, 1000), "found within 100 steps"
    assert_only_costs(reports[-1])
    assert "steps_to_target" not in reports[-1].metrics


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_an_evaluation_that_is_not_finite_ends_the_run_as_diverged(direction: str, value: float) -> None:
    """Infinity beats every target, and NaN beats those of a careless comparison."""
    ending, reports = scripted([value, 0.5], hold=1, value=0.5, direction=direction)
    assert ending == reports[-1].ending == "diverged"
    assert [report.step for report in reports] == [10]
    assert_only_costs(reports[0])
    assert "steps_to_target" not in reports[0].metrics


@pytest.mark.parametrize("direction", ["min", "max"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_an_evaluation_that_is_not_finite_does_not_hold_a_target_reached_before(
    direction: str, value: float
) -> None:
    ending, reports = scripted([0.5, value, 0.5], value=0.5, direction=direction)
    assert ending == "diverged"
    assert "steps_to_target" not in reports[-1].metrics


def test_one_metric_that_is_not_finite_withdraws_all_of_that_evaluation() -> None:
    class TwoScores(ScriptedTask):
        def validate(self, model: nn.Module) -> dict[str, float]:
            return {"score": 1.0, "loss": NAN}

    target = Target(metric="score", value=0.9, direction="max", hold=1)
    ending, reports = run(TwoScores(), TrainingConfig(steps=20, eval_every=10), target=target)
    assert ending == "diverged"
    assert_only_costs(reports[0])


def test_a_run_that_held_the_target_and_diverged_later_is_diverged() -> None:
    ending, reports = scripted([1.0, 1.0, 1.0, NAN], stop_when_solved=False)
    assert ending == reports[-1].ending == "diverged"
    assert [report.step for report in reports] == [10, 20, 30, 40]
    assert_only_costs(reports[-1])


@pytest.mark.parametrize("lr", [1e6, 1e30])
def test_an_adder_at_an_absurd_rate_ends_as_diverged(lr: float) -> None:
    config = TASKS["addition"].config_class.model_validate(
        {"lr": lr, "steps": 300, "batch": 32, "digits": 2, "d_model": 8, "n_heads": 2, "val_problems": 100}
    )
    target = Target(metric="val_loss", value=100.0, direction="min", hold=1)
    ending, reports = run(TASKS["addition"], config, target=target)
    assert ending == reports[-1].ending == "diverged"
    assert_only_costs(reports[-1])


# The same again


@pytest.mark.parametrize("middle", [20, 33, 40])
def test_going_on_from_a_checkpoint_equals_never_having_stopped(middle: int, tmp_path: Path) -> None:
    """Bit by bit on a CPU: weights, optimizer, metrics. Step 33 is no evaluation's and no phase's end."""
    # Solved at the first report: the times to the target have to travel too.
    target = Target(metric="val_loss", value=1000.0, direction="min", hold=1)
    options: dict[str, Any] = {"report_at": (33,), "target": target, "stop_when_solved": False}
    ending, reports, snapshots = trained_adder(adder(), tmp_path, **options)
    assert [report.step for report in reports] == [20, 33, 40, 60]

    resumed_ending, resumed, resumed_snapshots = trained_adder(
        adder(), tmp_path, resume=snapshots[middle], **options
    )
    assert resumed_ending == ending == "solved"
    later = [report for report in reports if report.step > middle]
    assert [report.step for report in resumed] == [report.step for report in later]
    for again, before in zip(resumed, later, strict=True):
        assert without_times(again.metrics) == without_times(before.metrics)
        assert again.ending == before.ending
    for part in ("model", "optimizer"):
        assert same_tensors(resumed_snapshots[60][part], snapshots[60][part]), f"the {part} differs"
    assert not same_tensors(snapshots[60]["model"], snapshots[middle]["model"]), "there was nothing to do"


def test_what_was_spent_before_a_stop_counts_on(tmp_path: Path) -> None:
    _, _, snapshots = trained_adder(adder(), tmp_path)
    spent_before = {**snapshots[20], "progress": {**snapshots[20]["progress"]}}
    spent_before["progress"].update(cpu_seconds=1000.0, wall_seconds=2000.0)
    _, reports, _ = trained_adder(adder(), tmp_path, resume=spent_before)
    assert 1000 < reports[0].metrics["cpu_seconds"] < 1500
    assert 2000 < reports[0].metrics["wall_seconds"] < 2500
    assert reports[0].metrics["samples"] == 40 * 16


def test_a_target_reached_before_a_stop_and_held_after_it_is_solved(tmp_path: Path) -> None:
    target = Target(metric="val_loss", value=1000.0, direction="min", hold=3)
    _, _, snapshots = trained_adder(adder(), tmp_path, target=target)
    ending, reports, _ = trained_adder(adder(), tmp_path, target=target, resume=snapshots[40])
    assert ending == "solved"
    assert [report.step for report in reports] == [60]
    assert reports[0].metrics["steps_to_target"] == 20


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path) -> None:
    _, _, snapshots = trained_adder(adder(), tmp_path)
    ending, reports, _ = trained_adder(adder(), tmp_path, resume=snapshots[60])
    assert ending == "finished"
    assert reports == []


def test_the_same_seed_gives_the_same_weights_and_metrics_bit_by_bit(tmp_path: Path) -> None:
    runs = [trained_adder(adder(seed=seed), tmp_path) for seed in (4, 4, 5)]
    first, again, other = (snapshots[60]["model"] for _, _, snapshots in runs)
    assert same_tensors(first, again)
    assert not same_tensors(first, other)
    for before, after in zip(runs[0][1], runs[1][1], strict=True):
        assert without_times(before.metrics) == without_times(after.metrics)


def test_the_seed_decides_the_initial_weights_too_and_not_only_the_data() -> None:
    """The scripted task has no data and no gradient: its weight stays what it was at first."""

    class Keeping(ScriptedTask):
        def build_model(self) -> nn.Module:
            self.model = super().build_model()
            return self.model

    weights = []
    for seed in (4, 4, 5):
        task = Keeping()
        run(task, TrainingConfig(steps=1, weight_decay=0, seed=seed))
        weights.append(task.model.weight.item())
    assert weights[0] == weights[1] != weights[2]


def test_what_happened_before_a_run_does_not_change_it(tmp_path: Path) -> None:
    """The seed alone decides, not how often the process has drawn random numbers already."""
    _, _, first = trained_adder(adder(), tmp_path)
    torch.rand(1000)
    _, _, again = trained_adder(adder(), tmp_path)
    assert same_tensors(first[60]["model"], again[60]["model"])


def test_reporting_more_often_does_not_change_what_is_learnt(tmp_path: Path) -> None:
    _, _, seldom = trained_adder(adder(eval_every=60), tmp_path)
    _, _, often = trained_adder(adder(eval_every=7), tmp_path)
    assert same_tensors(seldom[60]["model"], often[60]["model"])


def test_a_clip_of_zero_means_no_clipping(tmp_path: Path) -> None:
    weights = {
        clip: trained_adder(adder(grad_clip=clip), tmp_path)[2][60]["model"] for clip in (0.0, 1e9, 1e-6)
    }
    assert same_tensors(weights[0.0], weights[1e9]), "a bound that is never met clips nothing either"
    assert not same_tensors(weights[0.0], weights[1e-6])


def test_the_rate_that_is_reported_is_the_rate_that_is_used() -> None:
    """At a constant gradient and without decay, Adam moves a weight by the rate at every step."""

    class Falling(ScriptedTask):
        def build_model(self) -> nn.Module:
            self.model = super().build_model()
            nn.init.zeros_(self.model.weight)
            return self.model

        def loss(self, model: nn.Module, batch: int) -> Tensor:
            return model.weight.sum()

    task = Falling()
    config = TrainingConfig(steps=10, eval_every=1, lr=0.25, weight_decay=0, warmup=0.4, final_lr=0.5)
    _, reports = run(task, config)
    rates = [report.metrics["learning_rate"] for report in reports]
    assert rates[:4] == [0.0625, 0.125, 0.1875, 0.25]
    assert rates[-1] == 0.125
    assert task.model.weight.item() == pytest.approx(-sum(rates), rel=1e-5)
