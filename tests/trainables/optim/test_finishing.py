"""Finishes: L-BFGS and CMA-ES on one large batch, when they begin, when they end, and going on in one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.training import (
    CPU,
    ScriptedTask,
    adder,
    assert_only_costs,
    run,
    same_tensors,
    trained_adder,
    without_times,
)
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.addition.config import MAX_CMA_PARAMETERS
from trainables.checkpoints import Snapshot
from trainables.config import TrainingConfig
from trainables.contract import VALIDATION_LOSS, Ending, Metric, Report, Target, parameter_count
from trainables.optim.finishing import CmaEsFinish, Finish, LbfgsFinish, make_finish
from trainables.tasks import TASKS

NAN, INF = math.nan, math.inf
KINDS = ("lbfgs", "cma_es")
CENTRE = 0.5


def bowl(model: nn.Module) -> Tensor:
    """Return a loss of the weights alone, zero where all are at the centre."""
    total: Tensor = sum(((weight - CENTRE) ** 2).sum() for weight in model.parameters())  # type: ignore[assignment]
    return total


def at(value: float) -> nn.Module:
    """Return a small model, all of whose weights have a value."""
    model = nn.Linear(3, 1)
    for weight in model.parameters():
        nn.init.constant_(weight, value)
    return model


def made(kind: str, model: nn.Module, loss: Callable[[], Tensor], *, seed: int = 0) -> Finish:
    return make_finish(model, TrainingConfig.model_validate({"finish": kind, "seed": seed}), loss)


def weights_of(model: nn.Module) -> list[float]:
    return nn.utils.parameters_to_vector(model.parameters()).tolist()


class Finishing(ScriptedTask):
    """A task whose steps change nothing, and whose large batch has the bowl for its loss."""

    def __init__(
        self, scores: Sequence[float], *, losses: Callable[[int], float] = lambda call: 1.0, **script: Any
    ) -> None:
        super().__init__(scores, **script)
        self.losses = losses
        self.calls = 0
        self.large_batches: list[int] = []
        self.autocast: set[bool] = set()

    def build_model(self) -> nn.Module:
        self.model = at(0.0)
        return self.model

    engine = "PyTorch"

    def large_batch(self, samples: int) -> int:
        self.large_batches.append(samples)
        return 0

    def loss(self, model: nn.Module, batch: int) -> Tensor:
        if batch > 0:
            return bowl(model) * 0 + 1
        self.calls += 1
        self.autocast.add(torch.is_autocast_enabled("cpu"))
        return bowl(model) * self.losses(self.calls)


def finishing(
    scores: Sequence[float], kind: str = "lbfgs", *, task: Finishing | None = None, **options: Any
) -> tuple[Ending, list[Report], Finishing]:
    """Run up to 100 steps with an evaluation at every tenth, and a finish from a score of 0.9 on."""
    task = task or Finishing(scores)
    config = TrainingConfig.model_validate(
        {"steps": 100, "eval_every": 10, "finish": kind, "finish_steps": 3, "finish_batch": 50}
        | {name: options.pop(name) for name in list(options) if name in TrainingConfig.model_fields}
    )
    ending, reports = run(task, config, **options)
    assert ending == reports[-1].ending
    return ending, reports, task


def steps_of(reports: Sequence[Report]) -> list[int]:
    return [report.step for report in reports]


# A step


def test_lbfgs_finds_the_bottom_of_a_bowl_in_a_step() -> None:
    model = at(0.0)
    finish = made("lbfgs", model, lambda: bowl(model))
    assert finish.step().item() == pytest.approx(4 * CENTRE**2), "it returns the loss it began with"
    assert weights_of(model) == pytest.approx([CENTRE] * 4, abs=1e-5)
    assert finish.step().item() == pytest.approx(0, abs=1e-9)


def test_lbfgs_goes_along_a_curved_valley() -> None:
    """Rosenbrock's function, which gradient descent takes thousands of steps for."""
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[-1.2, 1.0]])

    def valley() -> Tensor:
        x, y = model.weight[0]
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2

    finish = made("lbfgs", model, valley)
    losses = [finish.step().item() for _ in range(6)]
    assert losses[-1] < 1e-6 < losses[0]
    assert weights_of(model) == pytest.approx([1.0, 1.0], abs=1e-2)


def test_lbfgs_counts_the_losses_it_computes() -> None:
    model, calls = at(0.0), 0

    def loss() -> Tensor:
        nonlocal calls
        calls += 1
        return bowl(model)

    finish = made("lbfgs", model, loss)
    for _ in range(3):
        finish.step()
        assert finish.evaluations == calls > 0


def test_cma_es_gives_the_model_the_best_weights_seen_so_far() -> None:
    model, seen = at(0.0), []

    def loss() -> Tensor:
        seen.append(bowl(model).item())
        return bowl(model)

    finish = made("cma_es", model, loss)
    returned = [finish.step().item() for _ in range(30)]
    assert finish.evaluations == len(seen)
    assert len(seen) % 30 == 1, "the weights it begins with, then generations of the same size"
    per_step = len(seen) // 30
    assert per_step > 3
    best = [min(seen[: 1 + per_step * (step + 1)]) for step in range(30)]
    assert returned == pytest.approx(best)
    assert bowl(model).item() == pytest.approx(returned[-1], rel=1e-5)
    assert returned[-1] < 0.9 * returned[0]


def test_cma_es_needs_no_gradients() -> None:
    model, enabled = at(0.0), []

    def loss() -> Tensor:
        enabled.append(torch.is_grad_enabled())
        return bowl(model)

    made("cma_es", model, loss).step()
    assert not any(enabled)
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_weights_keep_their_shapes_their_type_and_their_sharing(kind: str) -> None:
    model = nn.ModuleDict({"first": nn.Linear(2, 3), "second": nn.Linear(2, 3)})
    model["second"].weight = model["first"].weight
    before = {name: (weight.shape, weight.dtype) for name, weight in model.state_dict().items()}
    made(kind, model, lambda: bowl(model)).step()
    assert {name: (weight.shape, weight.dtype) for name, weight in model.state_dict().items()} == before
    assert model["second"].weight is model["first"].weight
    assert len(list(model.parameters())) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_finish_depends_on_nothing_that_happened_before(kind: str) -> None:
    """Neither on torch's nor on NumPy's random numbers."""

    def finished() -> list[float]:
        model = at(0.0)
        finish = made(kind, model, lambda: bowl(model))
        for _ in range(3):
            finish.step()
        return weights_of(model)

    first = finished()
    torch.rand(10)
    np.random.random(10)
    assert finished() == first


def test_cma_es_draws_from_the_seed() -> None:
    def finished(seed: int) -> list[float]:
        model = at(0.0)
        made("cma_es", model, lambda: bowl(model), seed=seed).step()
        return weights_of(model)

    assert finished(0) == finished(0)
    assert finished(0) != finished(1) != finished(2)


def test_cma_es_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    model = at(0.0)
    finish = made("cma_es", model, lambda: bowl(model))
    for _ in range(3):
        finish.step()
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_cma_es_never_makes_a_model_worse_than_it_was() -> None:
    model = at(CENTRE)
    made("cma_es", model, lambda: bowl(model)).step()
    assert bowl(model).item() == 0


def test_cma_es_works_with_the_seeds_that_a_search_gives() -> None:
    """A search's seed of 20,260,101 gives its trials the seeds from 20,260,101,000 on."""
    model = at(0.0)
    made("cma_es", model, lambda: bowl(model), seed=20_260_101_000)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_cma_es_goes_on_from_the_candidates_whose_loss_is_finite(bad: float) -> None:
    model, calls = at(0.0), 0

    def loss() -> Tensor:
        nonlocal calls
        calls += 1
        return bowl(model) * (bad if calls % 3 == 0 else 1)

    finish = made("cma_es", model, loss)
    losses = [finish.step().item() for _ in range(5)]
    assert all(map(math.isfinite, losses))
    assert bowl(model).item() == pytest.approx(losses[-1], rel=1e-5)


# When it begins


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("scores", "begins"), [([0.9], 10), ([0.0, 0.89, 0.95], 30), ([0.0] * 8 + [1.0], 90)]
)
def test_a_finish_begins_at_the_evaluation_that_reaches_its_value(
    scores: list[float], begins: int, kind: str
) -> None:
    ending, reports, task = finishing(scores, kind)
    assert ending == "finished"
    assert steps_of(reports) == [*range(10, begins + 1, 10), begins + 1, begins + 2, begins + 3]
    assert task.large_batches == [50], "one batch for the whole finish"


def test_a_finish_that_has_begun_goes_on_although_its_value_is_lost() -> None:
    _, reports, _ = finishing([0.0, 0.95, 0.0, 0.0, 0.0])
    assert steps_of(reports) == [10, 20, 21, 22, 23]


@pytest.mark.parametrize("scores", [[], [0.89] * 10])
def test_a_finish_whose_value_is_never_reached_never_begins(scores: list[float]) -> None:
    ending, reports, task = finishing(scores)
    assert (ending, steps_of(reports)) == ("finished", list(range(10, 101, 10)))
    assert task.large_batches == []
    assert weights_of(task.model) == pytest.approx([0.0] * 4)


def test_an_evaluation_at_a_rung_begins_no_finish() -> None:
    """Otherwise what is trained would depend on the rule of early stopping."""
    _, reports, _ = finishing([0.0, 1.0, 0.0, 1.0], report_at=(13,))
    assert steps_of(reports) == [10, 13, 20, 30, 31, 32, 33]


def test_a_first_metric_that_is_to_be_small_is_reached_from_above() -> None:
    class Downwards(Finishing):
        metrics = (
            Metric(name=VALIDATION_LOSS, direction="min", unit="1", description="first"),
            Metric(name="score", direction="max", unit="1", description="second"),
        )

    task = Downwards([1.0] * 20, val_losses={10: 0.9, 20: 0.6, 30: 0.4})
    _, reports, _ = finishing([], task=task, finish_above=0.5)
    assert steps_of(reports)[:4] == [10, 20, 30, 31]


def test_a_finish_of_another_batch_and_value() -> None:
    _, reports, task = finishing([0.1, 0.2, 0.3], finish_above=0.25, finish_batch=7)
    assert steps_of(reports) == [10, 20, 30, 31, 32, 33]
    assert task.large_batches == [7]


def test_an_evaluation_that_is_not_finite_begins_no_finish() -> None:
    ending, reports, task = finishing([INF])
    assert (ending, len(reports), task.large_batches) == ("diverged", 1, [])


# While it goes on, and how it ends


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [1, 2, 9])
def test_every_step_of_a_finish_is_reported_and_the_last_one_ends_the_run(most: int, kind: str) -> None:
    ending, reports, _ = finishing([0.0, 0.95], kind, finish_steps=most)
    assert ending == "finished"
    assert steps_of(reports) == [10, *range(20, 21 + most)]
    assert [report.ending for report in reports[:-1]] == [None] * (len(reports) - 1)


def test_the_budget_ends_a_finish_too() -> None:
    ending, reports, _ = finishing([0.0] * 8 + [0.95], finish_steps=50)
    assert (ending, steps_of(reports)[-12:]) == ("finished", [80, *range(90, 101)])


def test_a_value_reached_at_the_last_step_leaves_none_to_a_finish() -> None:
    ending, reports, task = finishing([0.0] * 9 + [0.95])
    assert (ending, steps_of(reports)) == ("finished", list(range(10, 101, 10)))
    assert task.calls == 0


def test_patience_goes_on_counting_in_a_finish() -> None:
    ending, reports, _ = finishing([0.95], finish_steps=50, patience=3)
    assert (ending, steps_of(reports)) == ("finished", [10, 11, 12, 13])


def test_a_target_held_in_a_finish_is_solved() -> None:
    target = Target(metric="score", value=0.9, direction="max", hold=3)
    ending, reports, _ = finishing([0.95] * 10, target=target, finish_steps=9)
    assert (ending, steps_of(reports)) == ("solved", [10, 11, 12])
    assert reports[-1].metrics["steps_to_target"] == 10


def test_a_solved_finish_that_should_use_its_budget_has_all_of_its_steps() -> None:
    target = Target(metric="score", value=0.9, direction="max", hold=2)
    ending, reports, _ = finishing([0.95] * 20, target=target, stop_when_solved=False)
    assert (ending, steps_of(reports)) == ("solved", [10, 11, 12, 13])


@pytest.mark.parametrize("kind", KINDS)
def test_samples_and_losses_of_a_finish_are_reported(kind: str) -> None:
    calls: list[int] = []

    class Counting(Finishing):
        def validate(self, model: nn.Module) -> dict[str, float]:
            calls.append(self.calls)
            return super().validate(model)

    _, reports, _ = finishing([], kind, task=Counting([0.95]), batch=4)
    assert calls[0] == 0 < calls[1] < calls[2]
    assert [report.metrics["samples"] for report in reports] == [40 + 50 * count for count in calls]
    losses = [report.metrics["train_loss"] for report in reports]
    assert losses[0] == 1
    assert all(later <= earlier for earlier, later in pairwise(losses[1:]))


def test_a_finish_computes_in_float32_whatever_training_does() -> None:
    _, _, task = finishing([0.95], precision="bf16")
    assert task.calls > 0
    assert task.autocast == {False}


@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("kind", KINDS)
def test_a_finish_whose_loss_is_not_finite_ends_as_diverged_and_not_as_solved(kind: str, bad: float) -> None:
    """Although the model still scores perfectly."""
    target = Target(metric="score", value=0.9, direction="max", hold=2)
    task = Finishing([0.0, 1.0, 1.0, 1.0, 1.0], losses=lambda call: bad)
    ending, reports, _ = finishing([], kind, task=task, target=target)
    assert ending == "diverged"
    assert steps_of(reports) == [10, 20, 21]
    assert_only_costs(reports[-1])
    assert "steps_to_target" not in reports[-1].metrics


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_loss_that_stops_being_finite_within_a_line_search_ends_as_diverged(bad: float) -> None:
    target = Target(metric="score", value=0.9, direction="max", hold=5)
    task = Finishing([1.0] * 20, losses=lambda call: 1.0 if call == 1 else bad)
    ending, reports, _ = finishing([], "lbfgs", task=task, target=target, finish_steps=9)
    assert ending == "diverged"
    assert reports[-1].step <= 13
    assert_only_costs(reports[-1])


# On a real model


def small_adder(**settings: object) -> TrainingConfig:
    return adder(
        **{
            "digits": 2,
            "format": "undelimited",
            "curriculum": [],
            "d_model": 8,
            "d_ff": 8,
            "lr": 0.02,
            "batch": 64,
            "steps": 400,
            "eval_every": 400,
            **settings,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an adder that has learned something, but by far not all."""
    folder = tmp_path_factory.mktemp("trained")
    torch.set_num_threads(1)  # this comes before the fixture that sees to it for every test
    _, reports, _ = trained_adder(small_adder(), folder)
    assert reports[-1].metrics["val_loss"] < 1.5, "guessing gives 2.3"
    return folder / "400.pt"


def finished_adder(
    trained: Path, kind: str, folder: Path, **options: Any
) -> tuple[TrainingConfig, Ending, list[Report], dict[int, Snapshot]]:
    """Take one step that changes no weight, then three of a finish."""
    fields = {name: options.pop(name) for name in ("dropout", "seed", "finish_batch") if name in options}
    config = small_adder(
        start_from=str(trained),
        steps=50,
        eval_every=1,
        lr=1e-30,
        weight_decay=0.0,
        finish=kind,
        finish_above=0.0,
        finish_steps=3,
        **{"finish_batch": 256, **fields},
    )
    return config, *trained_adder(config, folder, **options)


def loss_on_its_batch(config: TrainingConfig, snapshot: Snapshot) -> float:
    workload = TASKS["addition"].workload(config, CPU)
    model = workload.build_model()
    model.load_state_dict(snapshot["model"])
    return workload.loss(model, workload.large_batch(config.finish_batch)).item()


@pytest.mark.parametrize("kind", KINDS)
def test_a_finish_improves_an_adders_loss_on_its_batch_at_every_step(
    kind: str, trained: Path, tmp_path: Path
) -> None:
    config, ending, reports, snapshots = finished_adder(trained, kind, tmp_path)
    assert (ending, steps_of(reports)) == ("finished", [1, 2, 3, 4])
    losses = [loss_on_its_batch(config, snapshots[step]) for step in (1, 2, 3, 4)]
    assert losses[3] <= losses[2] <= losses[1] < losses[0]
    reported = [report.metrics["train_loss"] for report in reports[1:]]
    # L-BFGS reports the loss that a step began with, CMA-ES the best so far.
    assert reported == pytest.approx(losses[:3] if kind == "lbfgs" else losses[1:], rel=1e-4)


def test_lbfgs_improves_an_adders_validation_too(trained: Path, tmp_path: Path) -> None:
    _, _, reports, _ = finished_adder(trained, "lbfgs", tmp_path, finish_batch=2048)
    assert reports[-1].metrics["val_loss"] < 0.95 * reports[0].metrics["val_loss"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_finish_again_gives_the_same_bit_by_bit(kind: str, trained: Path, tmp_path: Path) -> None:
    _, _, reports, snapshots = finished_adder(trained, kind, tmp_path)
    torch.rand(10)
    np.random.random(10)
    _, _, again, snapshots_again = finished_adder(trained, kind, tmp_path)
    assert same_tensors(snapshots[4]["model"], snapshots_again[4]["model"])
    for before, after in zip(reports, again, strict=True):
        assert without_times(before.metrics) == without_times(after.metrics)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("middle", "dropout"), [(1, 0.0), (1, 0.3), (2, 0.0), (3, 0.3)])
def test_going_on_in_a_finish_equals_never_having_stopped(
    middle: int, dropout: float, kind: str, trained: Path, tmp_path: Path
) -> None:
    _, _, reports, snapshots = finished_adder(trained, kind, tmp_path, dropout=dropout)
    assert snapshots[middle]["progress"]["finish_begun"] == 1
    resume = snapshots[middle]
    _, ending, resumed, again = finished_adder(trained, kind, tmp_path, dropout=dropout, resume=resume)
    assert (ending, steps_of(resumed)) == ("finished", list(range(middle + 1, 5)))
    for part in ("model", "optimizer"):
        assert same_tensors(again[4][part], snapshots[4][part])
    for now, before in zip(resumed, reports[middle:], strict=True):
        assert without_times(now.metrics) == without_times(before.metrics)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finish_of_a_checkpoint_without_its_history_goes_on_from_the_weights(
    kind: str, trained: Path, tmp_path: Path
) -> None:
    """Such are those of earlier versions."""
    config, _, _, snapshots = finished_adder(trained, kind, tmp_path)
    older = {**snapshots[2], "optimizer": {}}
    _, ending, resumed, again = finished_adder(trained, kind, tmp_path, resume=older)
    assert (ending, steps_of(resumed)) == ("finished", [3, 4])
    before, after = (loss_on_its_batch(config, held) for held in (older, again[4]))
    # One generation of CMA-ES may find nothing better; what it began with is kept then.
    assert after <= before if kind == "cma_es" else after < before


@pytest.mark.parametrize("kind", KINDS)
def test_a_finish_that_is_over_has_nothing_left_to_do(kind: str, trained: Path, tmp_path: Path) -> None:
    _, _, _, snapshots = finished_adder(trained, kind, tmp_path)
    _, ending, reports, _ = finished_adder(trained, kind, tmp_path, resume=snapshots[4])
    assert (ending, reports) == ("finished", [])


def test_checkpoints_of_a_finish_hold_what_any_other_does(trained: Path, tmp_path: Path) -> None:
    _, _, _, snapshots = finished_adder(trained, "cma_es", tmp_path)
    first, last = snapshots[1]["model"], snapshots[4]["model"]
    assert {name: (w.shape, w.dtype) for name, w in first.items()} == {
        name: (w.shape, w.dtype) for name, w in last.items()
    }
    assert (tmp_path / "4.pt").stat().st_size < 2 * trained.stat().st_size


@pytest.mark.parametrize("kind", KINDS)
def test_a_finish_that_never_begins_changes_nothing(kind: str, tmp_path: Path) -> None:
    never = {"finish": kind, "finish_above": 2.0, "finish_steps": 5}
    ending, reports, snapshots = trained_adder(adder(**never), tmp_path)
    expected_ending, expected, expected_snapshots = trained_adder(adder(), tmp_path)
    assert ending == expected_ending
    assert [without_times(report.metrics) for report in reports] == [
        without_times(report.metrics) for report in expected
    ]
    for part in ("model", "optimizer"):
        assert same_tensors(snapshots[60][part], expected_snapshots[60][part])


# What cannot be


def test_cma_es_is_refused_for_a_model_too_large_for_its_matrix() -> None:
    task = TASKS["addition"]
    small = task.config_class.model_validate({"finish": "cma_es", "digits": 2, "d_model": 8, "d_ff": 8})
    assert parameter_count(task, small) <= MAX_CMA_PARAMETERS
    large = {"digits": 2, "d_model": 32, "d_ff": 64}
    for finish in ("none", "lbfgs"):
        task.config_class.model_validate({"finish": finish, **large})
    with pytest.raises(ValidationError, match="finish cma_es holds a matrix of parameters by parameters"):
        task.config_class.model_validate({"finish": "cma_es", **large})


@pytest.mark.parametrize(("params", "is_valid"), [(1996, True), (2008, False)])
def test_the_largest_model_of_cma_es_is_the_one_that_is_stated(params: int, is_valid: bool) -> None:
    """Two features: every unit of the feed-forward layer has a weight up and one down for each."""
    task = TASKS["addition"]
    shape = {"digits": 1, "format": "undelimited", "position": "none", "norm": "none", "d_model": 2}
    base = parameter_count(task, task.config_class.model_validate({**shape, "d_ff": 1}))
    fields = {**shape, "d_ff": 1 + (params - base) // 4}
    assert parameter_count(task, task.config_class.model_validate(fields)) == params
    if is_valid:
        task.config_class.model_validate({**fields, "finish": "cma_es"})
    else:
        with pytest.raises(ValidationError, match="at most 2,000, but got 2,008"):
            task.config_class.model_validate({**fields, "finish": "cma_es"})


@pytest.mark.parametrize(
    ("field", "value"), [("finish", "sgd"), ("finish_steps", 0), ("finish_batch", 0), ("finish_above", NAN)]
)
def test_a_finish_that_makes_no_sense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        TrainingConfig.model_validate({field: value})


def test_each_name_makes_its_own_finish() -> None:
    model = at(0.0)
    assert isinstance(made("lbfgs", model, lambda: bowl(model)), LbfgsFinish)
    assert isinstance(made("cma_es", model, lambda: bowl(model)), CmaEsFinish)
