"""Training recipes: each does what its fields say, and going on equals never having stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from trainables.addition.config import AdditionConfig
from trainables.addition.task import AdditionTask
from trainables.checkpoints import Snapshot, load, save
from trainables.config import Pass, TrainingConfig
from trainables.contract import CheckpointError, Ending, Report, Target
from trainables.loop import train
from trainables.schedules import rate_at

CPU = torch.device("cpu")
TASK = AdditionTask()
SMALL = {"digits": 2, "d_model": 8, "d_ff": 8, "batch": 16, "steps": 40, "eval_every": 10, "val_problems": 50}
SECOND = {"share": 0.5, "lr": 0.003, "batch": 8, "weight_decay": 0.5}
LEARNS = {
    "digits": 2,
    "d_model": 12,
    "d_ff": 32,
    "n_heads": 4,
    "lr": 0.03,
    "batch": 64,
    "steps": 300,
    "eval_every": 50,
    "val_problems": 200,
    "final_norm": False,
}
"""A third of two-digit addition within 150 steps."""


def run(
    config: AdditionConfig, keep_at: int | None = None, folder: Path | None = None, **options: Any
) -> tuple[Ending, list[Report], Path]:
    """Train, keeping the checkpoint of one report as a file."""
    reports: list[Report] = []
    path = (folder or Path()) / "kept.pt"

    def report(row: Report, snapshot: Callable[[], Snapshot]) -> None:
        reports.append(row)
        if row.step == keep_at:
            save(snapshot(), path)

    return train(TASK, config, device=CPU, report=report, **options), reports, path


def comparable(reports: list[Report]) -> list[dict[str, Any]]:
    """Leave out what measures the machine."""
    return [{key: value for key, value in row.as_row().items() if "seconds" not in key} for row in reports]


RECIPES: dict[str, dict[str, Any]] = {
    "slow gradients": {"slow_gradient_gain": 2.0},
    "second pass": {"second_pass": SECOND},
    "dropout": {"dropout": 0.3},
    "chains": {"chain_share": 0.8},
    "balanced": {"carries": "balanced"},
    "training set": {"train_problems": 100},
    "linear": {"schedule": "constant_linear"},
    "patience": {"patience": 2, "min_delta": 0.05, "steps": 200},
    "phases": {
        "curriculum": [
            {"digits": [1, 1], "share": 1, "weight_decay": 0},
            {"digits": [1, 2], "share": 2},
        ]
    },
}


@pytest.mark.parametrize("stop_at", [10, 20, 30])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_that_goes_on_from_a_checkpoint_ends_as_one_that_never_stopped(
    recipe: str, stop_at: int, tmp_path: Path
) -> None:
    config = AdditionConfig.model_validate({**SMALL, **RECIPES[recipe]})
    ending, whole, path = run(config, keep_at=stop_at, folder=tmp_path)
    again, rest, _ = run(config, resume=load(path))
    assert again == ending
    assert comparable(rest) == comparable([row for row in whole if row.step > stop_at])


@pytest.mark.parametrize("recipe", sorted(set(RECIPES) - {"patience"}))
def test_a_recipe_changes_what_is_learned(recipe: str) -> None:
    plain, changed = (
        run(AdditionConfig.model_validate({**SMALL, **values}))[1][-1].metrics["val_loss"]
        for values in ({}, RECIPES[recipe])
    )
    assert plain != changed


# Schedules


@settings(deadline=None)
@given(
    steps=st.integers(2, 300),
    warmup=st.floats(0, 0.5),
    cooldown=st.floats(0.01, 0.5),
    final=st.floats(0, 1),
)
def test_constant_linear_rises_stays_and_falls_to_the_final_rate(
    steps: int, warmup: float, cooldown: float, final: float
) -> None:
    config = TrainingConfig(
        steps=steps, lr=0.5, schedule="constant_linear", warmup=warmup, cooldown=cooldown, final_lr=final
    )
    rates = [rate_at(step, config) for step in range(1, steps + 1)]
    begins, ends = round(warmup * steps), steps - max(1, round(cooldown * steps))
    assert all(0 < rate <= 0.5 or rate == pytest.approx(0.5 * final) for rate in rates)
    assert rates[begins:ends] == pytest.approx([0.5] * max(0, ends - begins))
    if begins < steps:
        assert rates[-1] == pytest.approx(0.5 * final)
    falling = rates[max(begins, ends) :]
    assert falling == sorted(falling, reverse=True)


def test_a_second_pass_follows_its_own_schedule_from_its_first_step() -> None:
    second = Pass(share=0.25, lr=0.005, warmup=0.1, final_lr=0.02)
    config = TrainingConfig(steps=400, lr=0.02, warmup=0.05, final_lr=0.1, second_pass=second)
    assert rate_at(15, config) == pytest.approx(0.02)
    assert rate_at(300, config) == pytest.approx(0.002)
    assert rate_at(301, config) == pytest.approx(0.0005)
    assert rate_at(310, config) == pytest.approx(0.005)
    assert rate_at(400, config) == pytest.approx(0.0001)
    assert (config.batch_at(400), config.weight_decay_at(400)) == (config.batch, config.weight_decay)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"schedule": "constant_linear", "warmup": 0.7, "cooldown": 0.4},
            r"warmup \+ cooldown <= 1.*0\.7.*0\.4",
        ),
        ({"steps": 3, "second_pass": {"share": 0.1, "lr": 0.1}}, r"leave steps to both.*share=0.1, steps=3"),
        ({"second_pass": {"share": 1.0, "lr": 0.1}}, r"share"),
        ({"finish": "cma_es", "d_model": 64}, r"at most 2,000, but got [\d,]+"),
    ],
)
def test_recipes_that_cannot_be_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        AdditionConfig.model_validate(values)


# Passes and weight decay


def test_samples_of_both_passes_are_counted() -> None:
    _, reports, _ = run(AdditionConfig.model_validate({**SMALL, "second_pass": SECOND}))
    assert [row.metrics["samples"] for row in reports] == [160, 320, 400, 480]


def test_a_second_pass_begins_with_a_fresh_optimizer(tmp_path: Path) -> None:
    config = AdditionConfig.model_validate({**SMALL, "second_pass": SECOND, "eval_every": 1})
    counts = []
    for at in (20, 21):
        state = load(run(config, keep_at=at, folder=tmp_path)[2])["optimizer"]["adamw"]["state"]
        counts.append({int(entry["step"]) for entry in state.values()})
    assert counts == [{20}, {1}]


def test_weight_decay_is_that_of_the_phase_and_of_the_pass() -> None:
    phases = [{"digits": [1, 1], "share": 1, "weight_decay": 0.0}, {"digits": [1, 2], "share": 3}]
    config = AdditionConfig.model_validate(
        {**SMALL, "weight_decay": 0.1, "curriculum": phases, "second_pass": {**SECOND, "share": 0.25}}
    )
    assert [config.weight_decay_at(step) for step in (1, 10, 11, 30, 31, 40)] == [0, 0, 0.1, 0.1, 0.5, 0.5]


def test_weight_decay_of_a_pass_shrinks_the_weights(tmp_path: Path) -> None:
    norms = []
    for decay in (0.0, 50.0):
        config = AdditionConfig.model_validate({**SMALL, "second_pass": {**SECOND, "weight_decay": decay}})
        model = load(run(config, keep_at=40, folder=tmp_path)[2])["model"]
        norms.append(model["embedding.weight"].norm().item())
    assert norms[1] < 0.5 * norms[0]


# Starting from a checkpoint


def test_a_run_starts_from_the_weights_of_a_checkpoint_with_nothing_else_of_it(tmp_path: Path) -> None:
    config = AdditionConfig.model_validate(LEARNS)
    _, first, path = run(config, keep_at=300, folder=tmp_path)
    began = AdditionConfig.model_validate(
        {**LEARNS, "start_from": str(path), "lr": 1e-9, "steps": 1, "weight_decay": 0}
    )
    _, reports, _ = run(began)
    assert reports[0].metrics["val_loss"] == pytest.approx(first[-1].metrics["val_loss"], rel=1e-4)
    assert reports[0].metrics["samples"] == config.batch


def test_a_checkpoint_of_another_model_or_none_cannot_be_started_from(tmp_path: Path) -> None:
    path = run(AdditionConfig.model_validate(SMALL), keep_at=40, folder=tmp_path)[2]
    with pytest.raises(CheckpointError, match=r"kept\.pt cannot be started from: it holds another model"):
        run(AdditionConfig.model_validate({**SMALL, "d_model": 4, "start_from": str(path)}))
    with pytest.raises(CheckpointError, match=r"no checkpoint .*nothing\.pt"):
        run(AdditionConfig.model_validate({**SMALL, "start_from": str(tmp_path / "nothing.pt")}))


def test_a_resumed_run_does_not_start_again(tmp_path: Path) -> None:
    config = AdditionConfig.model_validate({**SMALL, "start_from": str(tmp_path / "gone.pt")})
    state = load(run(AdditionConfig.model_validate(SMALL), keep_at=20, folder=tmp_path)[2])
    assert run(config, resume=state)[0] == "finished"


# Patience


def test_patience_ends_a_run_after_so_many_evaluations_without_a_gain() -> None:
    config = AdditionConfig.model_validate({**SMALL, "steps": 500, "patience": 3, "min_delta": 100.0})
    ending, reports, _ = run(config)
    # The first evaluation is better than none; three more are not better than it.
    assert (ending, [row.step for row in reports]) == ("finished", [10, 20, 30, 40])
    assert [row.ending for row in reports] == [None, None, None, "finished"]


def test_evaluations_at_rungs_do_not_wear_out_patience() -> None:
    config = AdditionConfig.model_validate({**SMALL, "steps": 500, "patience": 3, "min_delta": 100.0})
    _, reports, _ = run(config, report_at=(3, 4, 5, 12, 13))
    assert reports[-1].step == 40


def test_gains_renew_patience() -> None:
    ending, reports, _ = run(AdditionConfig.model_validate({**LEARNS, "patience": 4}))
    losses = [row.metrics["val_loss"] for row in reports]
    best = losses.index(min(losses))
    assert ending == "finished"
    assert len(losses) in (best + 5, 6)


# Finishes


def finishing(kind: str, **values: Any) -> AdditionConfig:
    finish = {"finish": kind, "finish_above": 0.3, "finish_steps": 4, "finish_batch": 200}
    return AdditionConfig.model_validate({**LEARNS, "steps": 1000, **finish, **values})


@pytest.mark.parametrize("kind", ["lbfgs", "cma_es"])
def test_a_finish_begins_at_its_threshold_and_improves_its_batch_step_by_step(kind: str) -> None:
    ending, reports, _ = run(finishing(kind))
    last_before = len(reports) - 5
    matches = [row.metrics["exact_match"] for row in reports]
    assert matches[last_before] >= 0.3
    assert all(match < 0.3 for match in matches[:last_before])
    begun = reports[last_before].step
    assert [row.step for row in reports[last_before + 1 :]] == [begun + 1, begun + 2, begun + 3, begun + 4]
    assert ending == reports[-1].ending == "finished"
    losses = [row.metrics["train_loss"] for row in reports[last_before + 1 :]]
    assert losses == sorted(losses, reverse=True)
    spent = reports[-1].metrics["samples"] - reports[last_before].metrics["samples"]
    assert spent > 0
    assert spent % 200 == 0


@pytest.mark.parametrize("kind", ["lbfgs", "cma_es"])
def test_a_finish_is_decided_by_the_seed(kind: str) -> None:
    assert comparable(run(finishing(kind))[1]) == comparable(run(finishing(kind))[1])


@pytest.mark.parametrize("kind", ["lbfgs", "cma_es"])
def test_a_finish_can_be_resumed_and_ends_where_it_would_have(kind: str, tmp_path: Path) -> None:
    _, reports, _ = run(finishing(kind))
    middle = reports[-3].step
    path = run(finishing(kind), keep_at=middle, folder=tmp_path)[2]
    ending, rest, _ = run(finishing(kind), resume=load(path))
    assert (ending, [row.step for row in rest]) == ("finished", [row.step for row in reports[-2:]])
    assert rest[-1].metrics["train_loss"] < reports[-3].metrics["train_loss"]


def test_a_threshold_that_is_never_reached_leaves_the_run_alone() -> None:
    plain = run(AdditionConfig.model_validate(SMALL))[1]
    waiting = run(AdditionConfig.model_validate({**SMALL, "finish": "lbfgs", "finish_above": 2.0}))[1]
    assert comparable(plain) == comparable(waiting)


def test_a_finish_with_losses_that_are_not_finite_has_diverged_and_solved_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from trainables import loop

    class Broken:
        evaluations = 1

        def step(self) -> torch.Tensor:
            return torch.tensor(math.nan)

    monkeypatch.setattr(loop, "make_finish", lambda *_: Broken())
    target = Target(metric="exact_match", value=1.0, direction="max")
    ending, reports, _ = run(finishing("lbfgs"), target=target)
    assert ending == "diverged"
    assert "exact_match" not in reports[-1].metrics
    assert "steps_to_target" not in reports[-1].metrics


def test_a_finish_ends_as_solved_when_it_holds_the_target() -> None:
    target = Target(metric="exact_match", value=0.6, direction="max")
    ending, reports, _ = run(finishing("lbfgs", finish_steps=10), target=target)
    assert ending == "solved"
    assert reports[-1].metrics["steps_to_target"] == reports[-2].step
