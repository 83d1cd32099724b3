"""Checkpoints of a trial: rows name the newest, the one before is kept until it has ended, others go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from analysis.store import RowStore
from paretune.record.endings import HANDED_OVER
from paretune.record.recorder import Recorder
from paretune.sampling.history import TrialSpec
from paretune.tune.assignment import folder_of
from paretune.tune.callback import Monitor
from paretune.tune.keeping import Keeping


def spec_of(resume_from: str | None = None) -> TrialSpec:
    return TrialSpec(
        label="c000-s0", configuration=0, seed_index=0, seed=0, values={}, params=1, resume_from=resume_from
    )


class Session:
    """One session of a search with one trial, as Tune tells of it."""

    def __init__(self, folder: Path, number: int, spec: TrialSpec) -> None:
        self.folder, self.spec = folder, spec
        self.store = RowStore(folder)
        self.monitor = Monitor([Recorder(self.store, number)], {"step", "ending"})
        config = {"label": spec.label, "resume_from": spec.resume_from}
        self.trial = SimpleNamespace(trial_id="1", config=config, checkpoint=None, error_file=None)
        self.path = folder / "ray" / f"session-{number}" / folder_of(self.trial, f"session-{number}")
        self.monitor.announce(spec)
        self.monitor.on_trial_start(0, [], self.trial)

    def reports(self, **result: Any) -> None:
        self.monitor.on_trial_result(0, [], self.trial, result)

    def saves(self, number: int) -> None:
        path = self.path / f"checkpoint_{number:06d}"
        path.mkdir(parents=True)
        self.trial.checkpoint = SimpleNamespace(path=str(path))
        self.monitor.on_checkpoint(0, [], self.trial, self.trial.checkpoint)

    def ends(self) -> None:
        self.monitor.on_trial_complete(0, [], self.trial)

    @property
    def row(self) -> dict[str, Any]:
        return self.store.trials()[self.spec.label]

    @property
    def kept(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder / "ray")) for path in self.folder.glob("ray/*/*/*"))


def test_a_trial_that_hands_over_is_interrupted_with_its_checkpoint_and_no_report(tmp_path: Path) -> None:
    first = Session(tmp_path, 1, spec_of())
    for number in range(3):
        first.reports(step=100 * (number + 1))
        first.saves(number)
    assert first.kept == ["session-1/c000-s0/checkpoint_000001", "session-1/c000-s0/checkpoint_000002"]
    first.reports(**{HANDED_OVER: True})
    first.saves(3)
    first.ends()
    assert (first.row["ending"], first.row["step"]) == ("interrupted", 300)
    assert first.row["checkpoint"] == "ray/session-1/c000-s0/checkpoint_000003"
    assert [row["step"] for row in first.store.reports_by_trial()["c000-s0"]] == [100, 200, 300]
    assert first.kept == ["session-1/c000-s0/checkpoint_000002", "session-1/c000-s0/checkpoint_000003"]

    second = Session(tmp_path, 2, spec_of(str(tmp_path / first.row["checkpoint"])))
    damaged = tmp_path / "ray/session-1/c000-s0/checkpoint_000002/checkpoint.pt.damaged"
    damaged.touch()
    second.reports(step=400)
    second.saves(0)
    assert "session-1/c000-s0/checkpoint_000003" in second.kept, "the one before is of an earlier session"
    second.reports(step=500, ending="finished")
    second.saves(1)
    second.ends()
    assert second.row["ending"] == "finished"
    assert second.kept == [
        "session-1/c000-s0/checkpoint_000002", "session-2/c000-s0/checkpoint_000001",
    ], "what was set aside stays"  # fmt: skip
    assert damaged.exists()


def test_a_trial_that_goes_on_in_the_same_session_does_not_overwrite_what_it_resumes_from(
    tmp_path: Path,
) -> None:
    names = []
    resume_from = None
    for session in (1, 1, 1, 2, 2):
        trial = SimpleNamespace(config={"label": "c000-s0", "resume_from": resume_from})
        names.append(folder_of(trial, f"session-{session}"))
        resume_from = str(tmp_path / f"session-{session}" / names[-1] / "checkpoint_000000")
    assert names == ["c000-s0", "c000-s0+2", "c000-s0+3", "c000-s0", "c000-s0+2"]


# Which are kept


def test_of_a_trial_that_runs_the_newest_two_are_kept_and_of_one_that_has_ended_the_last() -> None:
    keeping = Keeping()
    assert keeping.add("a", "1", "0") == []
    assert keeping.add("a", "2", "0") == ["0"], "of an earlier session"
    assert keeping.add("b", "1") == []
    assert keeping.add("a", "3", "0") == ["1"]
    assert keeping.over("a") == ["2"]
    assert keeping.over("b") == []
    assert keeping.over("c") == []


def test_a_checkpoint_that_is_written_again_is_not_removed() -> None:
    keeping = Keeping()
    keeping.add("a", "1")
    keeping.add("a", "2")
    assert keeping.add("a", "1") == []
    assert keeping.add("a", "3") == ["2"]
