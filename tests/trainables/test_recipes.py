"""Recipes in the training loop: second passes, weight decay, starting weights, patience, and going on.

Finishes have a file of their own.
"""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers.training import ScriptedTask, adder, run, same_tensors, trained_adder, without_times
from torch import Tensor, nn

from trainables.addition.config import AdditionConfig
from trainables.checkpoints import load
from trainables.config import TrainingConfig
from trainables.contract import CheckpointError, Target
from trainables.optim.schedules import rate_at
from trainables.tasks import TASKS

FULL_LENGTH: dict[str, Any] = {"curriculum": []}
SECOND_PASS = {"share": 0.5, "lr": 0.004, "batch": 24, "weight_decay": 0.3, "warmup": 0.2}


class OneWeight(ScriptedTask):
    """A task of one weight, whose value after every step is kept."""

    def __init__(self, *, start: float = 1.0, **script: Any) -> None:
        super().__init__(**script)
        self.start = start
        self.weights: list[float] = []

    def build_model(self) -> nn.Module:
        self.model = super().build_model()
        nn.init.constant_(self.model.weight, self.start)
        return self.model

    def validate(self, model: nn.Module) -> dict[str, float]:
        self.weights.append(model.weight.item())
        return super().validate(model)


class Turning(OneWeight):
    """A loss that falls with the weight up to a step, and rises with it from then on."""

    def __init__(self, turns_after: int) -> None:
        super().__init__(start=0.0)
        self.turns_after = turns_after

    def loss(self, model: nn.Module, batch: int) -> Tensor:
        return model.weight.sum() * (-1 if batch <= self.turns_after else 1)


# Weight decay


def decays(**fields: object) -> list[float]:
    config = AdditionConfig.model_validate({"digits": 2, "steps": 8, **fields})
    return [config.weight_decay_at(step) for step in range(1, 9)]


def phases(*decays_of_phases: float | None) -> list[dict[str, Any]]:
    return [{"digits": [1, 2], "share": 1, "weight_decay": decay} for decay in decays_of_phases]


def in_second_pass(decay: float | None) -> dict[str, Any]:
    return {"share": 0.5, "lr": 0.1, "weight_decay": decay}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [0.1] * 8),
        ({"curriculum": phases(0.5, None)}, [0.5] * 4 + [0.1] * 4),
        ({"curriculum": phases(None, 0.5)}, [0.1] * 4 + [0.5] * 4),
        ({"curriculum": phases(0.5, 0.0, None, 0.7)}, [0.5] * 2 + [0.0] * 2 + [0.1] * 2 + [0.7] * 2),
        ({"second_pass": in_second_pass(0.2)}, [0.1] * 4 + [0.2] * 4),
        ({"second_pass": in_second_pass(0.0)}, [0.1] * 4 + [0.0] * 4),
        ({"second_pass": in_second_pass(None)}, [0.1] * 8),
        # A phase's own comes before a pass's, which comes before the configuration's.
        (
            {"curriculum": phases(None, 0.5, None, 0.7), "second_pass": in_second_pass(0.2)},
            [0.1] * 2 + [0.5] * 2 + [0.2] * 2 + [0.7] * 2,
        ),
    ],
    ids=str,
)
def test_weight_decay_is_the_phases_own_else_the_passs_else_the_configurations(
    fields: dict[str, Any], expected: list[float]
) -> None:
    assert decays(weight_decay=0.1, **fields) == expected


def test_a_phase_too_short_for_a_step_decays_nothing() -> None:
    curriculum = [
        {"digits": [1, 1], "share": 1e-6, "weight_decay": 0.9},
        {"digits": [1, 2], "share": 1},
        {"digits": [2, 2], "share": 1e-6, "weight_decay": 0.9},
    ]
    assert decays(weight_decay=0.1, curriculum=curriculum) == [0.1] * 8


@pytest.mark.parametrize("recipe", ["phases", "passes", "both"])
def test_weight_decay_shrinks_the_weights_by_the_decay_of_each_step(recipe: str) -> None:
    """The scripted loss has no gradient, so that nothing else moves the weight."""
    fields: dict[str, Any] = {"steps": 12, "eval_every": 1, "lr": 0.5, "weight_decay": 0.1, "warmup": 0.25}
    if recipe != "passes":
        fields["curriculum"] = phases(0.4, None, 0.8)
    if recipe != "phases":
        fields["second_pass"] = {"share": 0.5, "lr": 0.25, "weight_decay": 0.05}
    config = AdditionConfig.model_validate({"digits": 2, **fields})
    task = OneWeight()
    run(task, config)
    expected = 1.0
    for step, weight in enumerate(task.weights, start=1):
        expected *= 1 - rate_at(step, config) * config.weight_decay_at(step)
        assert weight == pytest.approx(expected, rel=1e-6)
    assert len(task.weights) == 12
    assert expected < 0.9


def fading(**rule: float) -> TrainingConfig:
    return TrainingConfig.model_validate(
        {
            "steps": 8, "eval_every": 2, "lr": 0.5, "schedule": "constant", "weight_decay": 0.1,
            "adaptive_decay": rule,
        }
    )  # fmt: skip


class EveryWeight(OneWeight):
    """Its weight before each step is kept too."""

    def batch(self, step: int) -> int:
        self.before = [*getattr(self, "before", []), self.model.weight.item()]
        return super().batch(step)


def decays_in(task: EveryWeight) -> list[float]:
    """Return each step's decay, of a weight that nothing else moves, at rate 0.5."""
    weights = [*task.before, task.weights[-1]]
    return [(1 - later / earlier) / 0.5 for earlier, later in pairwise(weights)]


@pytest.mark.parametrize(("power", "shares"), [(1.0, [1, 0.5, 1.0]), (2.0, [1, 0.25, 1.0])])
def test_an_adaptive_decay_follows_the_loss_of_the_last_evaluation(power: float, shares: list[float]) -> None:
    """Down and up again; an evaluation at a rung does not count."""
    task = EveryWeight(val_losses={2: 0.8, 3: 0.01, 4: 0.2, 6: 0.4})
    run(task, fading(below=0.4, power=power), report_at=(3,))
    expected = [0.1 * share for share in (1.0, 1.0, *(share for share in shares for _ in range(2)))]
    assert decays_in(task) == pytest.approx(expected, rel=1e-5)


def test_without_an_adaptive_decay_the_loss_changes_no_decay() -> None:
    task = EveryWeight(val_losses={2: 1e-3, 4: 1e-3})
    run(task, fading(below=0.4).model_copy(update={"adaptive_decay": None}))
    assert decays_in(task) == pytest.approx([0.1] * 8, rel=1e-5)


# A second pass


def test_a_second_pass_has_a_fresh_optimizer_and_the_weights_reached() -> None:
    """Where the gradient turns, old moments would go on, and fresh ones turn at once by the whole rate."""
    fields: dict[str, Any] = {
        "steps": 8, "eval_every": 1, "lr": 0.5, "schedule": "constant", "weight_decay": 0.0
    }  # fmt: skip
    task = Turning(turns_after=5)
    second = {"share": 0.375, "lr": 0.25, "schedule": "constant"}
    run(task, TrainingConfig.model_validate({**fields, "second_pass": second}))
    assert task.weights == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5, 2.25, 2.0, 1.75], rel=1e-5)

    without = Turning(turns_after=5)
    run(without, TrainingConfig.model_validate(fields))
    assert without.weights[5] > 2.5, "without a second pass the old moments go on"


def test_a_second_pass_has_fresh_slow_gradients() -> None:
    """Old averages would outweigh the turned gradient by far."""
    config = TrainingConfig.model_validate(
        {
            "steps": 8, "eval_every": 1, "lr": 0.5, "schedule": "constant", "weight_decay": 0.0,
            "grokfast_lamb": 100.0,
            "second_pass": {"share": 0.375, "lr": 0.25, "schedule": "constant"},
        }
    )  # fmt: skip
    task = Turning(turns_after=5)
    run(task, config)
    assert task.weights == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.5, 2.25, 2.0, 1.75], rel=1e-5)


def test_each_pass_has_slow_gradients_of_its_own_or_none() -> None:
    """AdamW's steps are as long as the rate, so only where the gradient turns does the multiple show."""
    constant = {"schedule": "constant"}
    config = TrainingConfig.model_validate(
        {
            "steps": 12, "eval_every": 1, "lr": 0.5, "weight_decay": 0.0, **constant,
            "passes": [
                {"share": 5 / 12, "lr": 0.5, "grokfast_lamb": 100.0, **constant},
                {"share": 3 / 12, "lr": 0.25, "grokfast_lamb": 0.0, **constant},
            ],
        }
    )  # fmt: skip
    weights = []
    for turns_after in (8, 12):  # within the second pass, never
        task = Turning(turns_after=turns_after)
        run(task, config)
        weights.append(task.weights)
    turned, straight = weights
    assert straight == pytest.approx([0.5 * step for step in range(1, 10)] + [4.75, 5.0, 5.25], rel=1e-5)
    assert turned[8] > turned[7], "the slow part, a hundred times, goes on against the gradient"
    assert turned[9] == pytest.approx(turned[8] - 0.25), "without it a fresh optimizer turns at once"


def test_the_optimizers_state_counts_the_steps_of_its_own_pass(tmp_path: Path) -> None:
    config = adder(second_pass=SECOND_PASS, beta1=0.9, grokfast_lamb=1.0)
    _, _, snapshots = trained_adder(config, tmp_path, report_at=(30, 31))
    steps = {
        at: {state["step"].item() for state in snapshots[at]["optimizer"]["adamw"]["state"].values()}
        for at in (20, 30, 31, 40, 60)
    }
    assert steps == {20: {20}, 30: {30}, 31: {1}, 40: {10}, 60: {30}}


def test_samples_are_counted_with_the_batch_of_each_pass() -> None:
    config = TrainingConfig.model_validate(
        {"steps": 10, "eval_every": 2, "batch": 3, "second_pass": {"share": 0.5, "lr": 0.1, "batch": 100}}
    )
    _, reports = run(ScriptedTask(), config)
    assert [report.metrics["samples"] for report in reports] == [6, 12, 115, 315, 515]


def test_a_second_pass_without_a_batch_of_its_own_keeps_the_first_ones() -> None:
    config = TrainingConfig.model_validate(
        {"steps": 10, "eval_every": 10, "batch": 3, "second_pass": {"share": 0.5, "lr": 0.1}}
    )
    _, reports = run(ScriptedTask(), config)
    assert reports[-1].metrics["samples"] == 30


def test_the_reported_rate_is_that_of_the_pass() -> None:
    second = {"share": 0.4, "lr": 0.25, "schedule": "constant"}
    config = TrainingConfig.model_validate(
        {"steps": 5, "eval_every": 1, "lr": 0.5, "schedule": "constant", "second_pass": second}
    )
    _, reports = run(ScriptedTask(), config)
    assert [report.metrics["learning_rate"] for report in reports] == [0.5] * 3 + [0.25] * 2


def test_a_second_pass_teaches_other_weights_than_one_pass_does(tmp_path: Path) -> None:
    _, _, with_two = trained_adder(adder(second_pass=SECOND_PASS), tmp_path)
    _, _, with_one = trained_adder(adder(), tmp_path)
    assert same_tensors(with_two[20]["model"].keys(), with_one[20]["model"].keys())
    assert not same_tensors(with_two[60]["model"], with_one[60]["model"])


# Going on


RESUMED: dict[str, dict[str, Any]] = {
    "slow gradients": {"grokfast_lamb": 2.0, "grokfast_alpha": 0.9},
    "a second pass": {"second_pass": SECOND_PASS},
    "a second pass with slow gradients": {"second_pass": SECOND_PASS, "grokfast_lamb": 2.0},
    "passes": {
        "passes": [
            {"share": 0.5, "lr": 0.004, "batch": 24, "grokfast_lamb": 2.0},
            {"share": 0.2, "lr": 0.001, "schedule": "constant", "weight_decay": 0.0, "grokfast_lamb": 0.0},
        ]
    },
    "an adaptive decay": {"weight_decay": 0.5, "adaptive_decay": {"below": 9.0, "power": 3.0}},
    "an adaptive decay in PyTorch": {
        "engine": "torch",
        "weight_decay": 0.5,
        "adaptive_decay": {"below": 5.0},
    },
    "a linear schedule": {"schedule": "constant_linear"},
    "dropout": {"dropout": 0.2},
    "dropout and a second pass": {"dropout": 0.2, "second_pass": SECOND_PASS},
    "chains": {"chain_share": 0.5, "chain_fade": [0.2, 0.9]},
    "balanced carries": {"carries": "balanced"},
    "a set of problems": {**FULL_LENGTH, "train_problems": 500},
    "a set of problems and a second pass": {
        **FULL_LENGTH,
        "train_problems": 500,
        "second_pass": SECOND_PASS,
    },
    "a decay for each phase": {
        "curriculum": [
            {"digits": [1, 2], "share": 1, "weight_decay": 0.5},
            {"digits": [3, 3], "share": 1},
        ]
    },
    "patience": {"patience": 10, "min_delta": 0.1},
    "bf16": {"precision": "bf16"},
}


@pytest.mark.parametrize(
    ("recipe", "middle"),
    [(recipe, 33) for recipe in RESUMED]
    + [(recipe, middle) for recipe in RESUMED if "pass" in recipe for middle in (20, 30)],
)
def test_going_on_equals_never_having_stopped_with_every_recipe(
    recipe: str, middle: int, tmp_path: Path
) -> None:
    """Bit by bit; second passes also from before their boundary at step 30, and from it."""
    config = adder(**RESUMED[recipe])
    options = {"report_at": (30, 33)}
    _, reports, snapshots = trained_adder(config, tmp_path, **options)
    assert [report.step for report in reports] == [20, 30, 33, 40, 60]
    _, resumed, again = trained_adder(config, tmp_path, resume=snapshots[middle], **options)
    later = [report for report in reports if report.step > middle]
    assert [report.step for report in resumed] == [report.step for report in later]
    for now, before in zip(resumed, later, strict=True):
        assert without_times(now.metrics) == without_times(before.metrics)
    for part in ("model", "optimizer"):
        assert same_tensors(again[60][part], snapshots[60][part]), f"the {part} differs"


def test_every_recipe_changes_what_is_learnt(tmp_path: Path) -> None:
    """Without this, a recipe that is ignored would pass the test above."""
    learnt = {
        recipe: trained_adder(adder(**settings), tmp_path)[2][60]["model"]
        for recipe, settings in {"nothing": {}, "all at full length": FULL_LENGTH, **RESUMED}.items()
        if recipe != "patience"
    }
    for (recipe, weights), (other, others) in combinations(learnt.items(), 2):
        assert not same_tensors(weights, others), f"{recipe} teaches what {other} does"


def test_dropout_works_with_the_seeds_that_a_search_gives() -> None:
    """A search's seed of 20,260,101 gives its trials the seeds from 20,260,101,000 on."""
    run(TASKS["addition"], adder(dropout=0.1, seed=20_260_101_000, steps=1))


# Starting weights


def checkpoint_of(config: TrainingConfig, folder: Path) -> Path:
    """Train a configuration, and return the path of its last checkpoint."""
    folder.mkdir(exist_ok=True)
    trained_adder(config, folder)
    return folder / f"{config.steps}.pt"


def test_a_run_starts_from_a_checkpoints_weights(tmp_path: Path) -> None:
    """At a rate that changes no weight, the first report is what the checkpoint's own was."""
    path = checkpoint_of(adder(), tmp_path / "first")
    still = adder(start_from=str(path), steps=1, lr=1e-30, weight_decay=0.0, seed=9)
    _, reports, snapshots = trained_adder(still, tmp_path)
    saved = load(path)
    assert same_tensors(dict(snapshots[1]["model"]), dict(saved["model"]))
    for name in ("val_loss", "exact_match", "token_accuracy"):
        assert reports[0].metrics[name] == saved["metrics"][name]
    _, without, _ = trained_adder(adder(steps=1, lr=1e-30, weight_decay=0.0, seed=9), tmp_path)
    assert without[0].metrics["val_loss"] != saved["metrics"]["val_loss"]


def test_what_starts_from_a_checkpoint_has_a_fresh_optimizer_schedule_and_count(tmp_path: Path) -> None:
    path = checkpoint_of(adder(grokfast_lamb=1.0), tmp_path / "first")
    config = adder(start_from=str(path), steps=10, eval_every=1, batch=5, warmup=0.5, lr=0.01)
    _, reports, snapshots = trained_adder(config, tmp_path)
    assert [report.step for report in reports] == list(range(1, 11))
    assert reports[0].metrics["samples"] == 5
    assert reports[0].metrics["learning_rate"] == pytest.approx(0.002)
    assert {state["step"].item() for state in snapshots[1]["optimizer"]["adamw"]["state"].values()} == {1}


def test_the_checkpoints_task_parameters_may_be_others_as_long_as_its_weights_fit(tmp_path: Path) -> None:
    path = checkpoint_of(adder(batch=8, seed=3, dropout=0.1), tmp_path / "first")
    run(TASKS["addition"], adder(start_from=str(path), steps=1, carries="balanced"))


def test_starting_from_a_checkpoint_leaves_it_as_it_was(tmp_path: Path) -> None:
    path = checkpoint_of(adder(), tmp_path / "first")
    before = path.read_bytes()
    run(TASKS["addition"], adder(start_from=str(path)))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "changes", [{"d_model": 12}, {"n_layers": 2}, {"digits": 4}, {"tied_embeddings": False}], ids=str
)
def test_a_checkpoint_of_another_shape_is_refused_by_its_name(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    path = checkpoint_of(adder(), tmp_path / "first")
    with pytest.raises(CheckpointError, match="cannot be started from: it holds another model") as caught:
        run(TASKS["addition"], adder(start_from=str(path), **changes))
    assert str(path) in str(caught.value)


def test_a_checkpoint_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pt"
    with pytest.raises(CheckpointError, match=f"there is no checkpoint {missing}"):
        run(TASKS["addition"], adder(start_from=str(missing)))


def test_going_on_does_not_start_again_and_needs_the_file_no_longer(tmp_path: Path) -> None:
    path = checkpoint_of(adder(seed=5), tmp_path / "first")
    config = adder(start_from=str(path))
    _, reports, snapshots = trained_adder(config, tmp_path)
    path.unlink()
    _, resumed, again = trained_adder(config, tmp_path, resume=snapshots[40])
    assert same_tensors(again[60]["model"], snapshots[60]["model"])
    assert without_times(resumed[-1].metrics) == without_times(reports[-1].metrics)


def test_a_start_and_a_second_pass_go_together(tmp_path: Path) -> None:
    path = checkpoint_of(adder(), tmp_path / "first")
    config = adder(start_from=str(path), second_pass=SECOND_PASS)
    ending, reports, _ = trained_adder(config, tmp_path)
    assert (ending, reports[-1].metrics["samples"]) == ("finished", 30 * 16 + 30 * 24)


# Patience


def patient(val_losses: list[float], *, steps: int = 100, **options: Any) -> tuple[str, list[int]]:
    """Run with an evaluation at every tenth step that gives these losses, and then the last again."""
    script = {10 * (index + 1): loss for index, loss in enumerate(val_losses)}
    script |= dict.fromkeys(range(10 * len(val_losses), steps + 1, 10), val_losses[-1])
    fields = {name: options.pop(name) for name in ("patience", "min_delta") if name in options}
    config = TrainingConfig.model_validate({"steps": steps, "eval_every": 10, **fields})
    ending, reports = run(ScriptedTask(val_losses=script), config, **options)
    assert ending == reports[-1].ending
    assert [report.ending for report in reports[:-1]] == [None] * (len(reports) - 1)
    return ending, [report.step for report in reports]


@pytest.mark.parametrize(
    ("val_losses", "patience", "min_delta", "last_step"),
    [
        ([4.0], 1, 0.0, 20),
        ([4.0], 2, 0.0, 30),
        ([4.0], 5, 0.0, 60),
        ([4.0, 3.0, 2.0, 2.0, 2.0], 2, 0.0, 50),
        ([4.0, 5.0, 3.0, 5.0, 5.0], 2, 0.0, 50),
        ([4.0, 5.0, 3.9, 5.0, 3.8, 5.0, 3.7, 5.0, 5.0], 2, 0.0, 90),
        # A gain of exactly min_delta is none.
        ([4.0, 3.5, 3.0], 2, 0.5, 50),
        ([4.0, 3.5, 3.5], 2, 0.5, 30),
        # Small gains add up: the loss is compared with the last that counted as better.
        ([4.0, 3.75, 3.25, 3.0, 2.5, 2.25, 2.25], 2, 0.5, 70),
        # Better than the one before is not better than the best.
        ([2.0, 5.0, 4.0, 3.0], 3, 0.0, 40),
        ([1e9], 3, 1e12, 40),
    ],
)
def test_patience_ends_the_run_after_exactly_so_many_evaluations_without_a_gain(
    val_losses: list[float], patience: int, min_delta: float, last_step: int
) -> None:
    ending, steps = patient(val_losses, patience=patience, min_delta=min_delta)
    assert ending == "finished"
    assert steps == list(range(10, last_step + 1, 10))


def test_a_loss_that_falls_all_the_time_uses_the_budget() -> None:
    ending, steps = patient([10.0 - index for index in range(10)], patience=1)
    assert (ending, steps[-1]) == ("finished", 100)


def test_without_patience_a_loss_may_stand_still() -> None:
    assert patient([4.0])[1][-1] == 100


def test_patience_longer_than_the_run_never_ends_it() -> None:
    assert patient([4.0], patience=10)[1][-1] == 100


def test_evaluations_at_rungs_do_not_count_for_patience() -> None:
    plain = patient([4.0], patience=3)
    ending, steps = patient([4.0], patience=3, report_at=range(1, 100, 7))
    assert (ending, [step for step in steps if step % 10 == 0]) == plain


def test_a_gain_at_a_rung_is_no_gain() -> None:
    """Otherwise when a run ends would depend on the rule of early stopping."""
    task = ScriptedTask(val_losses={15: 0.1, 25: 0.05})
    config = TrainingConfig(steps=100, eval_every=10, patience=2)
    _, reports = run(task, config, report_at=(15, 25))
    assert [report.step for report in reports] == [10, 15, 20, 25, 30]


def test_a_run_out_of_patience_that_held_the_target_is_solved() -> None:
    target = Target(metric="val_loss", value=4.0, direction="min", hold=2)
    ending, steps = patient([4.0], patience=3, target=target, stop_when_solved=False)
    assert (ending, steps[-1]) == ("solved", 40)


def test_a_run_out_of_patience_at_an_evaluation_that_is_not_finite_is_diverged() -> None:
    ending, steps = patient([4.0, math.nan], patience=1)
    assert (ending, steps) == ("diverged", [10, 20])


@pytest.mark.parametrize("middle", [10, 20, 30])
def test_patience_counts_on_after_a_stop(middle: int, tmp_path: Path) -> None:
    """No validation loss gains this much, so three evaluations after the first one the run is over."""
    config = adder(eval_every=10, patience=3, min_delta=100.0)
    ending, reports, snapshots = trained_adder(config, tmp_path)
    assert (ending, reports[-1].step) == ("finished", 40)
    ending, resumed, _ = trained_adder(config, tmp_path, resume=snapshots[middle])
    assert (ending, [report.step for report in resumed]) == ("finished", list(range(middle + 10, 41, 10)))


def test_a_run_out_of_patience_has_nothing_left_to_do(tmp_path: Path) -> None:
    config = adder(eval_every=10, patience=1, min_delta=100.0)
    _, _, snapshots = trained_adder(config, tmp_path)
    ending, reports, _ = trained_adder(config, tmp_path, resume=snapshots[20])
    assert (ending, reports) == ("finished", [])


@pytest.mark.parametrize(("field", "value"), [("patience", 0), ("patience", 1.5), ("min_delta", -0.1)])
def test_patience_that_makes_no_sense_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        TrainingConfig.model_validate({field: value})
