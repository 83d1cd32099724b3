"""Folders of searches, rows on disk, and what is written when things go wrong; without Ray."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
from test_proposals import bound

from analysis.lines import mend_last_line, read_lines
from paretune.binding import BoundPlan
from paretune.driver import assignment_of, concurrency_of
from paretune.errors import InputError
from paretune.queue import TrialQueue
from paretune.recorder import Recorder, read_past
from paretune.runs import RunFolder


def test_name_that_is_taken_gets_a_number_and_nothing_is_overwritten(tmp_path: Path):
    first = RunFolder.create(tmp_path, bound(), "text of the first")
    second = RunFolder.create(tmp_path, bound(), "text of the second")
    assert (first.name, second.name) == ("test", "test-2")
    assert (first.path / "space.yaml").read_text() == "text of the first"
    assert RunFolder.open(tmp_path, "test-2").plan == bound().plan


def test_search_is_found_by_name_and_by_folder(tmp_path: Path):
    folder = RunFolder.create(tmp_path, bound(), "")
    assert RunFolder.open(tmp_path, "test").path == folder.path
    assert RunFolder.open(Path("elsewhere"), str(folder.path)).path == folder.path
    with pytest.raises(InputError, match="paretune search"):
        RunFolder.open(tmp_path / "nothing", "test")


def test_locked_folder_is_refused_and_free_again_afterwards(tmp_path: Path):
    folder = RunFolder.create(tmp_path, bound(), "")
    with folder.locked(), pytest.raises(InputError, match="another process"), folder.locked():
        pass
    with folder.locked():
        pass


def test_search_without_rows_says_what_to_do(tmp_path: Path):
    folder = RunFolder.create(tmp_path, bound(), "")
    with pytest.raises(InputError, match="--resume test"):
        folder.require_rows()


def test_rows_tell_the_next_session_what_is_left(tmp_path: Path):
    plan = bound(search={"trials": 3})
    queue = TrialQueue(plan)
    recorder = Recorder(tmp_path, session=1)
    done, begun, interrupted = (queue.next() for _ in range(3))
    for spec in (done, begun, interrupted):
        recorder.started(spec)
        recorder.reported(spec, {"step": 100, "exact_match": 0.5, "val_loss": float("nan")})
    recorder.checkpointed(begun, str(tmp_path / "ray" / "c001-s0" / "checkpoint_000001"))
    recorder.ended(done, "finished", {"step": 200, "exact_match": 0.6}, None)
    recorder.ended(interrupted, "interrupted", {"step": 100, "exact_match": 0.5}, None)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"trial": "c00')  # killed while it wrote

    mend_last_line(tmp_path / "trials.jsonl")
    past = read_past(tmp_path, {"exact_match"})
    assert [trial.spec.label for trial in past] == ["c000-s0", "c001-s0", "c002-s0"]
    assert past[0].outcome is not None
    assert past[0].outcome.metrics == {"exact_match": 0.6}
    assert past[1].outcome is None
    assert past[1].spec.resume_from == str(tmp_path / "ray" / "c001-s0" / "checkpoint_000001")
    assert past[2].outcome is None
    assert [row["step"] for row in read_lines(tmp_path / "reports.jsonl")] == [100, 100, 100]
    assert "NaN" not in (tmp_path / "reports.jsonl").read_text()


def test_moved_folder_keeps_its_checkpoints(tmp_path: Path):
    """Paths in the rows are relative, so a search can be copied to another machine."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    spec = TrialQueue(bound()).next()
    recorder = Recorder(old, session=1)
    recorder.started(spec)
    recorder.checkpointed(spec, str(old / "ray" / "checkpoint_000000"))
    old.rename(new)
    (trial,) = read_past(new, set())
    assert trial.spec.resume_from == str(new / "ray" / "checkpoint_000000")


def test_full_disk_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spec = TrialQueue(bound()).next()
    recorder = Recorder(tmp_path, session=1)
    recorder.started(spec)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("paretune.recorder.json.dumps", full)
        with pytest.raises(OSError, match="No space left"):
            recorder.reported(spec, {"step": 100})
    assert len(read_lines(tmp_path / "trials.jsonl")) == 1


@pytest.mark.parametrize(
    ("resources", "concurrency", "there", "expected"),
    [
        ({"cpu": 1}, None, {"CPU": 2}, 2),
        ({"cpu": 0.5}, None, {"CPU": 2}, 4),
        ({"cpu": 1}, 1, {"CPU": 8}, 1),
        ({"cpu": 1}, 100, {"CPU": 8}, 8),
        ({"cpu": 1, "gpu": 0.25}, None, {"CPU": 16, "GPU": 1}, 4),
        ({"cpu": 1, "gpu": 0.25}, None, {"CPU": 3, "GPU": 1}, 3),
        ({"cpu": 1, "gpu": 0.4}, None, {"CPU": 16, "GPU": 2}, 4),
        ({"cpu": 1, "gpu": 2}, None, {"CPU": 16, "GPU": 5}, 2),
    ],
)
def test_as_many_trials_run_at_a_time_as_the_machines_carry(resources, concurrency, there, expected):
    plan = bound(resources=resources, search={"concurrency": concurrency})
    assert concurrency_of(plan, there) == expected


def test_trial_that_fits_nowhere_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"needs 0\.5 GPU, but there are 0; ask for less with --gpu"):
        concurrency_of(bound(resources={"gpu": 0.5}), {"CPU": 2})
    with pytest.raises(InputError, match="needs 4 CPU, but there are 2"):
        concurrency_of(bound(resources={"cpu": 4}), {"CPU": 2})


def test_assignment_is_plain_and_complete():
    """It travels to workers, maybe of another machine: nothing in it but plain values."""
    plan: BoundPlan = bound(
        target={"exact_match": 0.99},
        early_stopping={
            "metric": "exact_match",
            "direction": "max",
            "grace_period": 150,
            "reduction_factor": 2,
        },
        fixed={"steps": 1000},
        resources={"cpu": 2},
    )
    assignment = assignment_of(plan, TrialQueue(plan).next())
    assert json.loads(json.dumps(assignment)) == assignment
    assert assignment["report_at"] == [150, 300, 600]
    assert assignment["config"]["seed"] == 0
    assert assignment["threads"] == 2
    assert assignment["use_gpu"] is False
    assert assignment["target"]["value"] == 0.99
