"""A run that is given notice hands over; resumed from there it equals one that never stopped, bit by bit."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.texts import config_of
from helpers.training import CPU, ScriptedTask, adder, same_tensors, without_times

from trainables.checkpoints import Snapshot, load, save
from trainables.checkpoints.prefixes import SharedPrefixes
from trainables.config import TrainingConfig
from trainables.contract import Ending, Report, Target, Task
from trainables.loop import Goal, HandedOverError, Host, Start, train
from trainables.tasks import TASKS
from trainables.terms import UnfitError

COOLING = {"schedule": "constant_linear", "warmup": 0.0, "cooldown": 0.4}
FINISH = {"finish_above": 0.0, "finish_steps": 5, "finish_batch": 64}
MUON = {"optimizer": "muon", "n_layers": 4, "window": [2, 16], "momentum_warmup": 9}

ADDERS: dict[str, dict[str, Any]] = {
    "curriculum": {"engine": "native"},
    "torch": {"engine": "torch", "dropout": 0.1},
    "grokfast": {"engine": "native", "grokfast_lamb": 2.0},
    "grokfast-torch": {"engine": "torch", "grokfast_lamb": 2.0},
    "second-pass": {"engine": "native", "second_pass": {"share": 0.45, "lr": 0.003, "batch": 7}},
    "lbfgs": {"engine": "native", "finish": "lbfgs", **FINISH},
    "cma-es": {"engine": "torch", "finish": "cma_es", **FINISH},
    "cooling": {"engine": "native", **COOLING},
}
TEXTS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "muon": {**MUON},
    "muon-second-pass": {**MUON, "second_pass": {"share": 0.4, "lr": 0.01, "batch": 3}, "micro_batch": 2},
}


class Sessions:
    """A run in sessions, each of which is given notice after some steps, until it ends.

    Args:
        task: the task.
        config: its configuration.
        folder: where its checkpoints are written, and read again.
        prefixes: the folder of shared prefixes, if there is one.
    """

    def __init__(
        self, task: Task, config: TrainingConfig, folder: Path, prefixes: Path | None = None
    ) -> None:
        self.task, self.config, self.prefixes = task, config, prefixes
        self.path = folder / "checkpoint.pt"
        self.reports: list[Report] = []
        self.last: Snapshot = {}
        self.handed_over_at: list[int] = []
        self.ending: Ending | None = None

    def run(self, draw: Callable[[], int], *, report_at: tuple[int, ...] = ()) -> Ending:
        """Run to the end; ``draw`` tells after how many times of asking each session hears of a notice."""
        while self.ending is None:
            asked, heard_at = 0, draw()

            def is_given(most: int = heard_at) -> bool:
                nonlocal asked
                asked += 1
                return asked >= most

            try:
                self.ending = train(
                    self.task,
                    self.config,
                    device=CPU,
                    report=self._report,
                    report_at=report_at,
                    # Solved at the first report: the times to the target have to travel too.
                    goal=Goal(target=Target(metric="val_loss", value=1e3, direction="min"), ends_run=False),
                    start=Start(
                        resume=load(self.path) if self.handed_over_at else None,
                        prefixes=None if self.prefixes is None else SharedPrefixes(self.prefixes),
                    ),
                    host=Host(is_given=is_given, hand_over=self._hand_over),
                )
            except HandedOverError:
                continue
        return self.ending

    def _report(self, report: Report, snapshot: Callable[[], Snapshot]) -> None:
        self.reports.append(report)
        save(snapshot(), self.path.with_name("last.pt"))
        self.last = load(self.path.with_name("last.pt"))

    def _hand_over(self, snapshot: Callable[[], Snapshot]) -> None:
        save(snapshot(), self.path)
        self.handed_over_at.append(load(self.path)["step"])


def assert_equal(interrupted: Sessions, whole: Sessions) -> None:
    assert interrupted.ending == whole.ending
    assert [report.step for report in interrupted.reports] == [report.step for report in whole.reports]
    for again, before in zip(interrupted.reports, whole.reports, strict=True):
        assert without_times(again.metrics) == without_times(before.metrics)
        assert again.ending == before.ending
    for part in ("model", "optimizer"):
        assert same_tensors(interrupted.last[part], whole.last[part]), f"the {part} differs"


def assert_indifferent(
    task: Task, config: TrainingConfig, folder: Path, seed: int, *, by: int, report_at: tuple[int, ...] = ()
) -> Sessions:
    """Interrupt a run every few times that it asks, at random, and compare it with one that is not."""
    whole = Sessions(task, config, folder)
    whole.run(lambda: 10**9, report_at=report_at)
    interrupted = Sessions(task, config, folder)
    rng = random.Random(seed)
    interrupted.run(lambda: rng.randint(1, by), report_at=report_at)
    assert len(interrupted.handed_over_at) > 1
    assert_equal(interrupted, whole)
    return interrupted


@pytest.mark.parametrize("kind", ADDERS)
def test_an_adder_that_is_interrupted_again_and_again_equals_one_that_is_not(
    kind: str, tmp_path: Path
) -> None:
    config = adder(**ADDERS[kind])
    # The native engine takes many steps at once, and is asked after these.
    by = 2 if config.model_dump()["engine"] == "native" else 12
    assert_indifferent(TASKS["addition"], config, tmp_path, 3, by=by, report_at=(33,))


@pytest.mark.parametrize("kind", TEXTS)
def test_a_language_model_that_is_interrupted_again_and_again_equals_one_that_is_not(
    kind: str, tmp_path: Path
) -> None:
    assert_indifferent(TASKS["gpt2"], config_of(**TEXTS[kind]), tmp_path, 2, by=5, report_at=(7,))


def test_a_run_that_is_interrupted_at_every_step_equals_one_that_is_not(tmp_path: Path) -> None:
    """Also where it should evaluate next, where a phase begins, and before its last evaluation."""
    config = adder(engine="torch", **COOLING)
    interrupted = assert_indifferent(TASKS["addition"], config, tmp_path, 0, by=1)
    assert interrupted.handed_over_at == list(range(1, 61))


@pytest.mark.parametrize("by", [4, 9])
def test_runs_that_share_a_prefix_equal_one_alone_wherever_they_are_interrupted(
    by: int, tmp_path: Path
) -> None:
    """The shorter keeps its prefix, the longer branches from it, with the losses since the last report."""
    shorter, longer = (adder(engine="torch", curriculum=[], steps=steps, **COOLING) for steps in (40, 60))
    alone = Sessions(TASKS["addition"], longer, tmp_path)
    alone.run(lambda: 10**9)
    rng = random.Random(by)
    Sessions(TASKS["addition"], shorter, tmp_path, tmp_path / "prefixes").run(lambda: rng.randint(1, by))
    branched = Sessions(TASKS["addition"], longer, tmp_path, tmp_path / "prefixes")
    branched.run(lambda: rng.randint(1, by))
    assert branched.handed_over_at[0] > 24, "it began at the prefix"
    assert "began at step 24 of a shared prefix" in str(branched.reports[0].engine)
    alone.reports = [report for report in alone.reports if report.step > 24]
    assert_equal(branched, alone)


@pytest.mark.parametrize("nan_from", [47, 50])
def test_a_run_that_has_diverged_says_so_after_its_interruption(nan_from: int, tmp_path: Path) -> None:
    task = ScriptedTask(nan_loss_from=nan_from)
    interrupted = Sessions(task, TrainingConfig(steps=1000, eval_every=1000), tmp_path)
    assert interrupted.run(lambda: 50) == "diverged"
    assert (interrupted.handed_over_at, [report.step for report in interrupted.reports]) == ([50], [50])


def test_what_was_spent_since_the_last_report_travels_too(tmp_path: Path) -> None:
    interrupted = Sessions(ScriptedTask(), TrainingConfig(steps=20, eval_every=10, batch=7), tmp_path)
    interrupted.run(lambda: 6)
    first, second = (report.metrics for report in interrupted.reports)
    assert interrupted.handed_over_at == [6, 12, 18]
    assert (first["train_loss"], second["train_loss"]) == (5.5, 15.5), "the scripted loss is the step"
    assert (first["samples"], second["samples"]) == (70, 140)
    speed = (second["tokens"] - first["tokens"]) / (second["wall_seconds"] - first["wall_seconds"])
    assert second["tokens_per_second"] == pytest.approx(speed)
    assert first["peak_memory"] <= second["peak_memory"]


def test_without_notice_nothing_is_handed_over(tmp_path: Path) -> None:
    interrupted = Sessions(ScriptedTask(), TrainingConfig(steps=20, eval_every=10), tmp_path)
    assert interrupted.run(lambda: 21) == "solved"
    assert interrupted.handed_over_at == []


@pytest.mark.parametrize("part", ["model", "optimizer", "gauges"])
def test_a_checkpoint_that_does_not_fit_is_refused(part: str, tmp_path: Path) -> None:
    good, other = (Sessions(TASKS["addition"], adder(d_model=size), tmp_path) for size in (8, 4))
    for sessions in (good, other):
        sessions.run(lambda: 10**9)
    wrong = {**good.last, part: {"losses": {}} if part == "gauges" else other.last[part]}
    with pytest.raises(UnfitError, match="does not fit"):
        train(good.task, good.config, device=CPU, report=lambda row, _: None, start=Start(resume=wrong))
