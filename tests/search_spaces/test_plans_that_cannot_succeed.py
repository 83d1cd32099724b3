"""Plans that are well-formed and could be searched, but to no end: refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.space_files import RIGHT, changed, load, refusal_of, with_only

from search_spaces.mistakes import SpaceFileError
from trainables.addition.config import VALIDATION_PROBLEMS
from trainables.addition.problems import held_out


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(RIGHT)
    return path


STATED_ONCE = "  steps: 400\n"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (changed(STATED_ONCE, "  steps: 400\n  eval_every: 400\n"), "fixed.eval_every", "has at most 1"),
        (changed("try_first", "target_hold: 50\ntry_first"), "target_hold", "has at most 4"),
        (
            changed("{trials: 6, seeds: 2}", "{trials: 2, seeds: 2}").replace(
                "lr: 0.01}\n", "lr: 0.01}\n  - {d_model: 4}\n"
            ),
            "search.trials",
            "none from try_first.1 on would be tried; accepted: at least 4",
        ),
        (
            changed("  lr: {type: float, low: 1e-3, high: 1e-1, log: true}\n", "")
            .replace(", lr: 0.01", "")
            .replace("  warmup: {type: float, low: 0.1, high: 0.3, when: {schedule: warmup_cosine}}\n", "")
            .replace("trials: 6", "trials: 60"),
            "search.trials",
            "the space has 8 that can be trained; accepted: at most 16",
        ),
        (
            changed("space:\n", "space:\n  position: {type: choice, values: [learned, rotary]}\n").replace(
                STATED_ONCE, f"{STATED_ONCE}  rope_theta: 100.0\n"
            ),
            "space.position.values.0",
            "with which no configuration of the space can be trained",
        ),
        (
            changed("when: {schedule: warmup_cosine}", "when: {schedule: constant}"),
            "space.warmup",
            "no effect",
        ),
        (changed(STATED_ONCE, f"{STATED_ONCE}  cooldown: 0.2\n"), "fixed.cooldown", "schedule is"),
        (changed(STATED_ONCE, f"{STATED_ONCE}  grokfast_alpha: 0.9\n"), "fixed.grokfast_alpha", "lamb is 0"),
        (
            changed("digits: 3", "digits: 2\n  val_problems: 1001"),
            "fixed.val_problems",
            "got 1,001, but with digits 2 there are only 1,000",
        ),
        (
            changed("  params: {max: 5000}", "  params: {min: 1}")
            .replace("digits: 3", "digits: 3\n  d_ff: 10000000000000")
            .replace("try_first:\n  - {d_model: 8, lr: 0.01}\n", ""),
            "space",
            "params must be at most 100,000,000,000",
        ),
    ],
)
def test_a_plan_that_cannot_succeed_is_refused_at_its_key(
    file: Path, text: str, key: str, words: str
) -> None:
    file.write_text(text)
    error = refusal_of(file)
    told = {".".join(map(str, mistake.path)): mistake.message for mistake in error.mistakes}
    assert key in told
    assert words in told[key]
    assert None not in error.lines


def test_a_smaller_budget_evaluates_more_often_where_the_target_could_not_be_held(file: Path) -> None:
    file.write_text(changed("grace_period: 100", "at: [0.5]"))
    assert load(file, 400).plan.fixed.get("eval_every") is None
    assert load(file, 100).plan.fixed["eval_every"] == 25
    with pytest.raises(SpaceFileError, match="must hold for 2 evaluations"):
        load(file, 1)


def test_a_value_by_default_or_of_nothing_is_not_without_effect(file: Path) -> None:
    file.write_text(changed(STATED_ONCE, f"{STATED_ONCE}  cooldown: 0.4\n  grokfast_lamb: 0.0\n"))
    assert load(file).plan.fixed["cooldown"] == 0.4


def test_fewer_trials_on_the_command_line_try_the_first_only(file: Path) -> None:
    file.write_text(RIGHT.replace("lr: 0.01}\n", "lr: 0.01}\n  - {d_model: 4}\n"))
    assert load(file, trials=2).plan.configurations == 1


@pytest.mark.parametrize("digits", [*VALIDATION_PROBLEMS, 4])
def test_so_many_problems_can_be_validated_on(digits: int) -> None:
    there = VALIDATION_PROBLEMS.get(digits, 100**digits // 40)
    if digits < 4:
        assert len(held_out(10**7, digits, "validation", seed=0)[0]) == there
    else:
        assert there == 2_500_000


def test_a_start_from_a_file_that_is_no_checkpoint_is_refused(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pt"
    other.write_text("no checkpoint")
    file.write_text(changed(STATED_ONCE, f"{STATED_ONCE}  start_from: {other}\n"))
    assert "is not a checkpoint" in str(refusal_of(file))


def test_a_start_from_another_model_is_refused_with_both_sizes(file: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.pt"
    config = {"digits": 3, "d_model": 12, "d_ff": 8}
    content = {
        "format": "paretune-checkpoint",
        "version": 1,
        "task": "addition",
        "config": config,
        "model": {},
    }
    torch.save(content, start)
    begin = f"  - {{d_model: 12, d_ff: %d, start_from: {start}}}"
    file.write_text(with_only(begin % 16))
    error = refusal_of(file)
    assert error.mistakes[0].path == ("only", 0, "start_from")
    assert "holds a model of" in str(error)
    file.write_text(with_only(begin % 8))
    assert load(file).plan.only[0]["d_ff"] == 8
