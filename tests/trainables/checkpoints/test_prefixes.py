"""Cooldowns that branch from a shared prefix: the same run as from the beginning, only sooner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.commands import no_file_larger_than
from helpers.training import same_tensors, without_times

from trainables.checkpoints import Snapshot
from trainables.checkpoints.prefixes import SharedPrefixes
from trainables.contract import Report, Target
from trainables.loop import Goal, Start, train
from trainables.optim.schedules import rate_at
from trainables.tasks import TASKS

TASK = TASKS["gpt2"]
SMALL: dict[str, Any] = {
    "n_layers": 1, "d_model": 16, "n_heads": 2, "d_ff": 32, "context": 16, "batch": 2, "val_tokens": 64,
    "eval_every": 4, "schedule": "constant_linear", "warmup": 0.0, "cooldown": 0.5, "final_lr": 0.0,
    "optimizer": "muon", "momentum_warmup": 10,
}  # fmt: skip


def trained(prefixes: SharedPrefixes | None = None, **values: Any) -> tuple[list[Report], dict[str, Any]]:
    """Train, and return the reports and the last weights."""
    reports: list[Report] = []
    last: dict[str, Any] = {}

    def report(row: Report, snapshot: Any) -> None:
        reports.append(row)
        made: Snapshot = snapshot()
        last.update({name: value.clone() for name, value in made["model"].items()})

    config = TASK.config_class(**SMALL | values)
    target = Target(metric="val_loss", value=100.0, direction="min", hold=1)
    train(
        TASK,
        config,
        device=torch.device("cpu"),
        report=report,
        goal=Goal(target=target, ends_run=False),
        start=Start(prefixes=prefixes),
    )
    return reports, last


def test_a_branched_run_ends_as_one_that_began_at_the_beginning(tmp_path: Path) -> None:
    """Bit by bit on a CPU, with what it would have spent alone; and it says where it branched."""
    alone, weights = trained(steps=24)
    prefixes = SharedPrefixes(tmp_path)
    trained(prefixes, steps=8)
    branched, branched_weights = trained(prefixes, steps=24)
    assert same_tensors(branched_weights, weights)
    assert [report.step for report in branched] == [8, 12, 16, 20, 24]
    assert [report.step for report in alone] == [4, 8, 12, 16, 20, 24]
    for now, before in zip(branched[1:], alone[2:], strict=True):
        assert without_times(now.metrics) == without_times(before.metrics)
    assert branched[-1].metrics["steps_to_target"] == 4, "what the shared prefix reached travels along"
    assert branched[0].metrics["cpu_seconds"] > 0.5 * alone[1].metrics["cpu_seconds"]
    assert "began at step 4 of a shared prefix" in str(branched[0].engine)
    assert "shared prefix" not in str(alone[0].engine)


def test_a_run_branches_from_the_furthest_prefix_before_its_own_cooldown(tmp_path: Path) -> None:
    prefixes = SharedPrefixes(tmp_path)
    for steps in (8, 16, 24):
        trained(prefixes, steps=steps)
    reports, _ = trained(prefixes, steps=20)
    assert "began at step 8 of" in str(reports[0].engine)
    assert sorted(int(path.stem) for path in tmp_path.glob("*/*.pt")) == [4, 8, 10, 12]


def test_a_cooldown_of_less_than_a_step_is_one_step_long_here_too(tmp_path: Path) -> None:
    """Else a run would go on from a shared prefix at its own last step, and end without a report."""
    short = {"steps": 8, "cooldown": 0.05}
    config = TASK.config_class(**SMALL | short)
    assert config.prefix_steps == 7
    assert [rate_at(step, config) for step in (7, 8)] == [config.peak_lr, 0.0]
    assert TASK.config_class(**SMALL | {"steps": 1}).prefix_steps == 0
    prefixes = SharedPrefixes(tmp_path)
    alone, weights = trained(prefixes, **short)
    branched, branched_weights = trained(prefixes, **short)
    assert [report.step for report in branched] == [8]
    assert "began at step 7" in str(branched[0].engine)
    assert same_tensors(branched_weights, weights)
    assert branched[-1].metrics["val_loss"] == alone[-1].metrics["val_loss"]


@pytest.mark.parametrize("other", [{"seed": 1}, {"muon_lr": 0.01}, {"batch": 3}, {"eval_every": 3}], ids=str)
def test_a_run_that_differs_in_more_than_its_horizon_has_a_prefix_of_its_own(
    other: dict[str, Any], tmp_path: Path
) -> None:
    prefixes = SharedPrefixes(tmp_path)
    trained(prefixes, steps=8)
    reports, _ = trained(prefixes, steps=16, **other)
    assert "shared prefix" not in str(reports[0].engine)


@pytest.mark.parametrize("other", [{"cooldown": 0.25}, {"final_lr": 0.1}], ids=str)
def test_a_run_with_another_cooldown_branches_too(other: dict[str, Any], tmp_path: Path) -> None:
    prefixes = SharedPrefixes(tmp_path)
    trained(prefixes, steps=8)
    alone, weights = trained(steps=16, **other)
    branched, branched_weights = trained(prefixes, steps=16, **other)
    assert "began at step 4" in str(branched[0].engine)
    assert same_tensors(branched_weights, weights)
    assert without_times(branched[-1].metrics) == without_times(alone[-1].metrics)


@pytest.mark.parametrize(
    "other",
    [
        {"schedule": "warmup_cosine"},
        {"warmup": 0.25},
        {"window": [4, 16]},
        {"second_pass": {"share": 0.5, "lr": 0.1}},
    ],
    ids=str,
)
def test_what_depends_on_the_horizon_from_the_first_step_on_has_no_prefix(
    other: dict[str, Any], tmp_path: Path
) -> None:
    trained(SharedPrefixes(tmp_path), steps=8, **other)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_starts_from_a_checkpoint_has_no_prefix(tmp_path: Path) -> None:
    """Its file can be replaced between two runs; and where none is looked for, none is kept."""
    begun = SharedPrefixes(tmp_path / "begun")
    trained(begun, steps=8)
    (start,) = (tmp_path / "begun").glob("*/4.pt")
    prefixes = SharedPrefixes(tmp_path / "prefixes")
    for steps in (8, 16):
        reports, _ = trained(prefixes, steps=steps, start_from=str(start))
        assert "shared prefix" not in str(reports[0].engine)
    assert not (tmp_path / "prefixes").exists()


def test_adders_share_prefixes_unless_their_problems_change_along_the_way() -> None:
    adder = TASKS["addition"].config_class
    stated: dict[str, Any] = {"steps": 100, "schedule": "constant_linear", "warmup": 0.0}
    assert adder(**stated).prefix_steps == 60
    assert adder(**stated, chain_share=0.5).prefix_steps == 0
    assert adder(**stated, curriculum=[{"digits": [1, 2], "share": 1.0}]).prefix_steps == 0


def test_a_damaged_prefix_is_passed_over(tmp_path: Path) -> None:
    prefixes = SharedPrefixes(tmp_path)
    trained(prefixes, steps=8)
    trained(prefixes, steps=16)
    (newest,) = tmp_path.glob("*/8.pt")
    newest.write_bytes(newest.read_bytes()[:100])
    reports, _ = trained(prefixes, steps=24)
    assert "began at step 4 of" in str(reports[0].engine)


@pytest.mark.parametrize("disk", ["full", "no folder"])
def test_a_prefix_that_cannot_be_kept_is_told_once_and_costs_no_run(
    disk: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alone, weights = trained(steps=8)
    folder = tmp_path / "prefixes"
    if disk == "full":
        with no_file_larger_than(1000):
            reports, kept = trained(SharedPrefixes(folder), steps=8)
        reason = "File too large"
    else:
        folder.write_text("a file where the folder should be")
        reports, kept = trained(SharedPrefixes(folder), steps=8)
        reason = "Not a directory"
    assert same_tensors(kept, weights)
    assert [without_times(now.metrics) for now in reports] == [without_times(then.metrics) for then in alone]
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message.startswith(f"the shared prefix {folder}")
    assert "/4.pt is not saved" in message
    assert reason in message
    assert not [path for path in folder.rglob("*") if path.is_file()]
