"""What holds for every rule of early stopping, whatever it compares: on made-up curves, without Ray."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers.plans import bound
from helpers.tune_twin import KilledError, Twin

from analysis.rows import SearchRows
from analysis.store import RowStore
from paretune.plan.binding import BoundPlan
from paretune.record.events import Listener
from paretune.sampling.history import Standing, TrialSpec

ONE = {"metric": "train_loss", "direction": "min"}
WEIGHTED = {
    "metrics": [
        {"metric": "train_loss", "direction": "min", "weight": 2},
        {"metric": "token_accuracy", "direction": "max", "weight": 1},
    ]
}
DOMINATED = {"metrics": [{"metric": m["metric"], "direction": m["direction"]} for m in WEIGHTED["metrics"]]}
RULES: dict[str, dict[str, Any]] = {
    "one metric": ONE | {"at": [0.3]},
    "rungs at steps": ONE | {"grace_period": 200, "max_steps": 600},
    "two rungs": ONE | {"at": [0.2, 0.5], "reduction_factor": 2},
    "bands": ONE | {"at": [0.3], "within": "params", "bands": 3},
    "stated bands": ONE | {"at": [0.2, 0.6], "within": "params", "bands": [1000]},
    "weights": WEIGHTED | {"at": [0.3]},
    "dominance": DOMINATED | {"at": [0.3, 0.5], "reduction_factor": 1.5},
}
CASES = [
    pytest.param({**rule, "below_cut": below_cut}, id=f"{name}, {below_cut}")
    for (name, rule), below_cut in itertools.product(RULES.items(), ("stop", "pause"))
]
STEPS, EVERY = 1000, 100


def plan(rule: dict[str, Any], **changes: Any) -> BoundPlan:
    return bound(
        objectives=[
            {"metric": "exact_match", "direction": "max"},
            {"metric": "params", "direction": "min"},
        ],
        target={"exact_match": 0.99},
        fixed={"digits": 3, "steps": STEPS, "eval_every": EVERY},
        early_stopping={"reserve": 0.2, **rule},
        **{"search": {"trials": 40, "sampler": "random"}, **changes},
    )


def curve(assignment: dict[str, Any]) -> list[dict[str, Any]]:
    """A trial's reports, made up from its label: some solve, at the end or before."""
    rng = random.Random(assignment["label"])
    talent = rng.random()
    at = sorted({*range(EVERY, STEPS + 1, EVERY), *assignment["report_at"]})
    rows = []
    for step in at:
        seen = talent * step / STEPS + 0.3 * rng.random()
        rows.append({"step": step, "train_loss": 2 - seen, "val_loss": 2 - seen, "token_accuracy": seen / 2})
        rows[-1]["exact_match"] = min(seen, 0.5)
        if talent > 0.7 and step >= 1000 * (1.5 - talent):
            return [*rows[:-1], {**rows[-1], "exact_match": 1.0, "ending": "solved"}]
    return [*rows[:-1], {**rows[-1], "ending": "finished"}]


def outcomes(folder: Path) -> dict[str, dict[str, Any]]:
    """How each trial ended, and where it stood."""
    told = ("ending", "step", "kept_chance", "below_cut_at", "paused")
    return {label: {name: row.get(name) for name in told} for label, row in RowStore(folder).trials().items()}


def run(rule: dict[str, Any], folder: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    folder.mkdir()
    assert Twin(plan(rule), folder, curve, **changes).run()
    return outcomes(folder)


@pytest.mark.parametrize("rule", CASES)
def test_every_trial_ends_and_some_are_stopped_and_some_are_not(rule, tmp_path):
    found = run(rule, tmp_path / "a")
    endings = Counter(row["ending"] for row in found.values())
    assert len(found) == 40
    assert set(endings) == {"solved", "finished", "stopped early"}
    assert not any(row["paused"] for row in found.values())


@pytest.mark.parametrize("rule", CASES)
def test_who_was_stopped_came_below_a_cut_and_ended_there(rule, tmp_path):
    for row in run(rule, tmp_path / "a").values():
        if row["ending"] == "stopped early":
            (mark,) = row["below_cut_at"]
            assert row["step"] == (mark if mark >= 1 else mark * STEPS)
            assert row["kept_chance"] is None
        elif rule["below_cut"] == "stop" and row["kept_chance"] is None:
            assert row["below_cut_at"] is None


@pytest.mark.parametrize("rule", CASES)
def test_the_reserve_runs_to_its_end_below_the_cut_and_says_with_which_chance(rule, tmp_path):
    found = run(rule, tmp_path / "a")
    kept = [row for row in found.values() if row["kept_chance"] is not None]
    assert kept, "of some 20 trials below the cut a fifth run on; that none does has odds of one in a hundred"
    assert {row["ending"] for row in kept} <= {"solved", "finished"}
    assert {row["kept_chance"] for row in kept} <= {0.2, 1.0}
    assert all(bool(row["below_cut_at"]) == (row["kept_chance"] < 1) for row in kept)


@pytest.mark.parametrize("rule", CASES)
def test_without_a_reserve_nobody_runs_on_by_lot(rule, tmp_path):
    found = run({**rule, "reserve": 0}, tmp_path / "a")
    assert all(row["kept_chance"] is None for row in found.values())


@pytest.mark.parametrize("rule", CASES)
@pytest.mark.parametrize("slots", [1, 3])
def test_a_search_that_was_killed_decides_as_one_that_was_not(rule, slots, tmp_path):
    whole = run(rule, tmp_path / "whole", slots=slots)
    for kill_after in (15, 60, 130):
        folder = tmp_path / f"killed-{kill_after}"
        folder.mkdir()
        with pytest.raises(KilledError):
            Twin(plan(rule), folder, curve, slots=slots, kill_after=kill_after).run()
        assert Twin(plan(rule), folder, curve, slots=slots).run()
        assert outcomes(folder) == whole, kill_after


class Notified(Twin):
    """A session whose trials hand over when the twin would be killed, and which is over then."""

    def _report(self, trial: SimpleNamespace) -> None:
        if self.reports == self._kill_after:
            for running in [trial for trial in self._trials if trial.status == "RUNNING"]:
                running.last = {"handed_over": True}
                assert self.parts.scheduler.on_trial_result(self, running, running.last) == "CONTINUE"
                self.parts.monitor.on_trial_result(0, [], running, running.last)
                self.stop_trial(running)
            self.parts.close()
        super()._report(trial)


@pytest.mark.parametrize("rule", CASES)
def test_a_search_whose_trials_handed_over_decides_as_one_that_went_on(rule, tmp_path):
    whole = run(rule, tmp_path / "whole", slots=3)
    folder = tmp_path / "notified"
    folder.mkdir()
    for notice_after in (15, 40, 30):
        with pytest.raises(KilledError):
            Notified(plan(rule), folder, curve, slots=3, kill_after=notice_after).run()
        endings = [row["ending"] for row in outcomes(folder).values()]
        assert "interrupted" in endings
        assert None not in endings
    assert Twin(plan(rule), folder, curve, slots=3).run()
    assert outcomes(folder) == whole


@pytest.mark.parametrize("rule", CASES)
def test_a_search_can_be_killed_at_every_third_report(rule, tmp_path):
    """Nothing is lost or done twice, however often; which trial is where it is says every row."""
    folder = tmp_path / "a"
    folder.mkdir()
    small = plan(rule, search={"trials": 12, "sampler": "random"})
    for _ in range(100):
        try:
            is_complete = Twin(small, folder, curve, kill_after=3).run()
        except KilledError:
            continue
        break
    assert is_complete
    reports = SearchRows.of_frames(small.plan, [], RowStore(folder).reports()).trials
    assert not reports.duplicated(["trial", "step"]).any()
    whole = tmp_path / "whole"
    whole.mkdir()
    Twin(small, whole, curve).run()
    assert outcomes(folder) == outcomes(whole)


@pytest.mark.parametrize("rule", CASES)
def test_baselines_run_to_their_end(rule, tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    baselines = {f"baseline {n}": {"d_model": 4 * n, "lr": 0.01} for n in range(1, 8)}
    Twin(plan(rule, baselines=baselines), folder, curve).run()
    found = list(outcomes(folder).values())[:7]
    assert {row["ending"] for row in found} <= {"solved", "finished"}
    assert all(row["kept_chance"] is None for row in found)


class Watching(Listener):
    """Checks that events come in an order that makes sense."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.paused: set[str] = set()
        self.most = 0
        self.went_on = 0

    def started(self, trial: TrialSpec) -> None:
        self.went_on += trial.label in self.paused
        self.paused.discard(trial.label)
        self.running.add(trial.label)
        self.most = max(self.most, len(self.running))

    def reported(self, trial: TrialSpec, row: Any) -> None:
        assert trial.label in self.running

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        if standing.is_paused:
            self.running.remove(trial.label)
            self.paused.add(trial.label)

    def ended(self, trial: TrialSpec, ending: Any, last: Any, error: str | None) -> None:
        self.running.discard(trial.label)
        self.paused.discard(trial.label)


@pytest.mark.parametrize("rule", [case for case in CASES if case.values[0]["below_cut"] == "pause"])
def test_paused_trials_leave_their_slots_and_some_go_on(rule, tmp_path):
    watching = Watching()
    run(rule, tmp_path / "a", listeners=[watching])
    assert watching.most == 2
    assert watching.went_on
    assert not watching.running
    assert not watching.paused


def test_a_paused_trial_whose_reports_are_lost_is_run_again(tmp_path):
    """A row says that it waits, but nothing is left of what it came to."""
    rule = RULES["one metric"] | {"below_cut": "pause", "reserve": 0}
    with pytest.raises(KilledError):
        Twin(plan(rule), tmp_path, curve, kill_after=60).run()
    waiting = [label for label, row in RowStore(tmp_path).trials().items() if row.get("paused")]
    assert waiting
    reports = tmp_path / "reports.jsonl"
    kept = [line for line in reports.read_text().splitlines() if f'"{waiting[0]}"' not in line]
    reports.write_text("".join(f"{line}\n" for line in kept))
    assert Twin(plan(rule), tmp_path, curve).run()
    assert {row["ending"] for row in outcomes(tmp_path).values()} == {"solved", "finished", "stopped early"}
    again = RowStore(tmp_path).reports_by_trial()[waiting[0]]
    assert again[0]["step"] == EVERY


class KillsAt(Listener):
    """Ends the process without a word once the row of a verdict is written, before or after the trial's own.

    Args:
        verdict: the verdict.
        place: which of them, counted from 1.
        event: ``reported``, right after the report's row, or ``judged``, right after the trial's.
    """

    def __init__(self, verdict: str, place: int, event: str) -> None:
        self._verdict, self._left, self._event = verdict, place, event
        self._label = ""

    def reported(self, trial: TrialSpec, row: Any) -> None:
        self._left -= row.get("verdict") == self._verdict
        if not self._left and not self._label:
            self._label = trial.label
            if self._event == "reported":
                raise KilledError

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        if trial.label == self._label:
            raise KilledError


@pytest.mark.parametrize("event", ["reported", "judged"])
@pytest.mark.parametrize("verdict", ["stopped early", "paused", "kept by lot"])
@pytest.mark.parametrize("name", ["two rungs", "bands", "dominance"])
def test_a_verdict_holds_that_was_taken_just_before_the_kill(name, verdict, event, tmp_path):
    """Between a rung's report and the trial's own row lie some milliseconds, and nothing is lost in them."""
    rule = {**RULES[name], "below_cut": "pause" if verdict == "paused" else "stop"}
    whole = run(rule, tmp_path / "whole")
    for place in (1, 3):
        folder = tmp_path / f"killed-{place}"
        folder.mkdir()
        with pytest.raises(KilledError):
            Twin(plan(rule), folder, curve, listeners=[KillsAt(verdict, place, event)]).run()
        assert Twin(plan(rule), folder, curve).run()
        assert outcomes(folder) == whole, place
        rows = RowStore(folder)
        assert {label: row["reports"] for label, row in rows.trials().items()} == {
            label: len(reports) for label, reports in rows.reports_by_trial().items()
        }
