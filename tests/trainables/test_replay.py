"""Replay: which samples come into batches, where from, when, and that going on is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.problems import operands_in
from helpers.training import (
    CPU,
    ScriptedTask,
    adder,
    run,
    same_tensors,
    trained_adder,
    without_times,
)
from pydantic import ValidationError
from torch import Tensor, nn

from trainables.addition.answers import greedy_answers
from trainables.addition.problems import in_split
from trainables.addition.workload import AdditionWorkload
from trainables.base import BaseWorkload
from trainables.config import TrainingConfig
from trainables.gpt2.config import GPT2Config
from trainables.replay import NoReplayError, Replay

MODEL = nn.Linear(1, 1)


class Numbers(BaseWorkload[TrainingConfig]):
    """Samples are numbers: a batch holds -1 only, fresh ones come after 1000 times their step."""

    right: frozenset[int] = frozenset()

    def batch(self, step: int) -> Tensor:
        return torch.full((self.config.batch_at(step),), -1)

    def fresh_batch(self, step: int, samples: int) -> Tensor:
        return 1000 * step + torch.arange(samples)

    def is_incorrect(self, model: nn.Module, batch: Tensor) -> Tensor:
        assert not model.training
        return torch.tensor([int(sample) not in self.right for sample in batch], dtype=torch.bool)


def numbers(**fields: Any) -> tuple[Numbers, Replay]:
    config = TrainingConfig.model_validate(
        {"steps": 100, "batch": 8, "replay_share": 0.5, "replay_every": 10, "replay_pool": 6, **fields}
    )
    workload = Numbers(config, CPU)
    return workload, Replay(config, workload, CPU, None)


def replayed(workload: Numbers, replay: Replay, step: int) -> list[int]:
    batch = replay.mixed(workload.batch(step), step)
    assert len(batch) == workload.config.batch_at(step)
    return sorted(int(sample) for sample in batch if sample >= 0)


def test_wrong_samples_take_the_stated_share_of_each_batch_in_turn() -> None:
    workload, replay = numbers()
    assert replayed(workload, replay, 1) == [], "none is known yet"
    replay.refresh(MODEL, 0)
    seen = [replayed(workload, replay, step) for step in (1, 2, 3)]
    assert [len(each) for each in seen] == [4, 4, 4]
    assert sorted(sample for each in seen for sample in each) == sorted([*range(6)] * 2), (
        "each as often as the others"
    )


def test_a_sample_stands_in_a_batch_at_most_once() -> None:
    workload, replay = numbers()
    workload.right = frozenset({0, 1, 2, 4})
    replay.refresh(MODEL, 0)
    assert [replayed(workload, replay, step) for step in (1, 2)] == [[3, 5]] * 2


def test_where_nothing_is_incorrect_batches_are_as_they_were() -> None:
    workload, replay = numbers()
    workload.right = frozenset(range(6))
    replay.refresh(MODEL, 0)
    assert replay.samples is None
    assert replayed(workload, replay, 1) == []


def test_those_that_are_still_wrong_stay_behind_fresh_ones() -> None:
    workload, replay = numbers()
    workload.right = frozenset({0, 1, 2})
    replay.refresh(MODEL, 0)
    workload.right = frozenset({3, *range(10_000, 10_004)})
    replay.refresh(MODEL, 10)
    assert replay.samples.tolist() == [10_004, 10_005, 4, 5]
    workload.right = frozenset()
    replay.refresh(MODEL, 20)
    assert replay.samples.tolist() == [*range(20_000, 20_006)], "no more than the pool"


@pytest.mark.parametrize(
    ("fields", "asked_at"),
    [
        ({}, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]),
        ({"replay_from": 0.55}, [60, 70, 80, 90]),
        ({"replay_from": 0.6}, [60, 70, 80, 90]),
        ({"replay_share": 0.0}, []),
        ({"replay_share": 0.0, "passes": [{"share": 0.2, "lr": 0.1, "replay_share": 0.5}]}, [80, 90]),
        ({"second_pass": {"share": 0.8, "lr": 0.1, "replay_share": 0.0}}, [0, 10]),
    ],
    ids=str,
)
def test_the_model_is_asked_at_every_multiple_within_the_stretch(
    fields: dict[str, Any], asked_at: list[int]
) -> None:
    _, replay = numbers(**fields)
    asked = []
    for step in range(100):
        replay.samples = None
        replay.refresh(MODEL, step)
        if replay.samples is not None:
            asked.append(step)
    assert asked == asked_at
    assert {*asked} <= replay.pauses or not asked


def test_a_pass_without_replay_has_batches_without_wrong_samples() -> None:
    workload, replay = numbers(second_pass={"share": 0.5, "lr": 0.1, "batch": 4, "replay_share": 0.25})
    replay.refresh(MODEL, 0)
    assert [len(replayed(workload, replay, step)) for step in (1, 50, 51, 100)] == [4, 4, 1, 1]


def test_batches_of_several_parts_keep_samples_together() -> None:
    class Pairs(Numbers):
        def fresh_batch(self, step: int, samples: int) -> Any:
            numbers = torch.arange(samples)
            return numbers, torch.stack([numbers, numbers], 1).float()

        def is_incorrect(self, model: nn.Module, batch: Any) -> Tensor:
            return batch[0] % 2 == 1

    config = TrainingConfig(batch=8, replay_share=0.25, replay_pool=6)
    replay = Replay(config, Pairs(config, CPU), CPU, None)
    replay.refresh(MODEL, 0)
    first, second = replay.mixed((torch.full((8,), -1), torch.full((8, 2), -1.0)), 1)
    assert first[2:].tolist() == [-1] * 6
    assert sorted({1, 3, 5} & {*first.tolist()}) == sorted(first[:2].tolist())
    assert torch.equal(second, torch.stack([first, first], 1).float())


def test_a_task_that_cannot_tell_is_refused() -> None:
    with pytest.raises(NoReplayError, match="those of ScriptedTask are not; set it to 0"):
        run(ScriptedTask(), TrainingConfig(steps=4, replay_share=0.5))
    with pytest.raises(ValidationError, match="replay_share must be 0"):
        GPT2Config.model_validate({"passes": [{"share": 0.5, "lr": 0.1, "replay_share": 0.5}]})


def test_an_own_task_needs_a_measure_of_correct_and_incorrect() -> None:
    class Measured(BaseWorkload[TrainingConfig]):
        def measure(self, model: nn.Module, batch: Tensor) -> Tensor:
            return batch if batch.dtype.is_floating_point else batch > 2

    workload = Measured(TrainingConfig(), CPU)
    assert workload.is_incorrect(MODEL, torch.tensor([1, 3])).tolist() == [True, False]
    with pytest.raises(ValueError, match="replay_share needs a measure that returns bool"):
        workload.is_incorrect(MODEL, torch.tensor([1.0, 3.0]))


# In the addition task


REPLAYED: dict[str, dict[str, Any]] = {
    "native": {"engine": "native", "replay_share": 0.5, "replay_every": 7, "replay_pool": 40},
    "PyTorch": {"engine": "torch", "replay_share": 0.5, "replay_every": 7, "replay_pool": 40},
    "late": {
        "replay_every": 5, "replay_from": 0.2, "replay_pool": 30,
        "passes": [{"share": 0.5, "lr": 0.02, "batch": 24, "replay_share": 0.9}],
    },
    "of a set": {"curriculum": [], "train_problems": 50, "replay_share": 0.3, "replay_every": 4},
}  # fmt: skip


def small_adder(**settings: Any) -> TrainingConfig:
    """Of one digit, which is learned well enough in some hundred steps for some to be wrong."""
    return adder(**{"digits": 1, "curriculum": [], "val_problems": 4, "lr": 0.03, **settings})


@pytest.mark.parametrize("recipe", REPLAYED)
@pytest.mark.parametrize("middle", [33, 35, 40])
def test_going_on_with_replay_equals_never_having_stopped(recipe: str, middle: int, tmp_path: Path) -> None:
    config = adder(**REPLAYED[recipe])
    options: dict[str, Any] = {"report_at": (33, 35)}
    _, reports, snapshots = trained_adder(config, tmp_path, **options)
    assert "replay" in snapshots[60]
    _, resumed, again = trained_adder(config, tmp_path, resume=snapshots[middle], **options)
    for now, before in zip(resumed, [r for r in reports if r.step > middle], strict=True):
        assert without_times(now.metrics) == without_times(before.metrics)
    for part in ("model", "optimizer", "replay"):
        assert same_tensors(again[60][part], snapshots[60][part]), f"the {part} differs"
    _, _, without = trained_adder(config.model_copy(update={"replay_share": 0.0, "passes": ()}), tmp_path)
    assert not same_tensors(without[60]["model"], snapshots[60]["model"])


def test_no_held_out_problem_is_ever_replayed_and_all_are_wrong(tmp_path: Path) -> None:
    """Of the problems of one digit a fifth are held out, so that one would soon be met."""
    config = small_adder(steps=300, eval_every=50, replay_share=0.5, replay_every=50, replay_pool=200)
    _, _, snapshots = trained_adder(config, tmp_path)
    for step in (50, 150, 250):
        # The samples in a checkpoint are those of the refresh before it.
        a, b = operands_in(snapshots[step]["replay"].long(), config.layout)
        assert bool(in_split(a, b, "train").all())
        assert len(a) > 100
    workload = AdditionWorkload(config, CPU)
    model = workload.build_model()
    model.load_state_dict(snapshots[250]["model"])
    fresh = workload.fresh_batch(250, 500)
    wrong = workload.is_incorrect(model, fresh)
    a, b = operands_in(fresh.long(), config.layout)
    assert bool(in_split(a, b, "train").all())
    right = (greedy_answers(model, a, b, workload.format) == workload.format.encode_answer(a + b)).all(1)
    assert 0 < int(wrong.sum()) < 500
    assert torch.equal(wrong, ~right)


@pytest.mark.parametrize(
    "recipe", [{}, {"chain_share": 0.5}, {"train_problems": 60, "curriculum": []}], ids=str
)
def test_fresh_problems_are_the_same_with_both_engines_and_others_at_every_step(
    recipe: dict[str, Any],
) -> None:
    native, in_torch = (
        AdditionWorkload(adder(engine=engine, **recipe), CPU) for engine in ("native", "torch")
    )
    first, second = native.fresh_batch(0, 300), native.fresh_batch(30, 300)
    assert torch.equal(first, in_torch.fresh_batch(0, 300))
    assert torch.equal(second, in_torch.fresh_batch(30, 300))
    assert not torch.equal(first, second)
    assert first.dtype == torch.uint8


def test_both_engines_replay_the_same_while_rounding_is_small(tmp_path: Path) -> None:
    runs = []
    for engine in ("native", "torch"):
        config = adder(
            engine=engine, steps=20, eval_every=10, replay_share=0.5, replay_every=5, replay_pool=30
        )
        _, reports, snapshots = trained_adder(config, tmp_path)
        runs.append((snapshots[20]["replay"], [report.metrics["val_loss"] for report in reports]))
    (wrong, losses), (same_wrong, same_losses) = runs
    assert torch.equal(wrong, same_wrong)
    assert losses == pytest.approx(same_losses, rel=1e-4)


def test_steps_that_are_taken_together_have_the_batches_of_steps_one_by_one() -> None:
    config = adder(replay_share=0.3, replay_every=7, replay_pool=11)
    workload = AdditionWorkload(config, CPU)
    replay = Replay(config, workload, CPU, None)
    replay.refresh(workload.build_model(), 0)
    together = replay.mixed_steps(workload.stream.next_batches(3, 9), 3)
    for index, step in enumerate(range(3, 12)):
        assert torch.equal(together[index].long(), replay.mixed(workload.batch(step), step))
    assert not torch.equal(together[0].long(), workload.batch(3))
