"""Folders of searches, rows on disk, and what is written when things go wrong; without Ray."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.plans import bound

from analysis.files.lines import append_line, read_lines
from analysis.store import RowStore
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import concurrency_of
from paretune.record.recorder import Recorder, read_past, settle_past
from paretune.record.run_folder import RunFolder
from paretune.record.tensorboard_log import TensorBoardLog
from paretune.sampling.history import Standing
from paretune.sampling.queue import TrialQueue
from paretune.terminal.board import Board
from paretune.tune.assignment import TrialAssignment, assignment_of
from paretune.tune.callback import Monitor
from paretune.tune.run import next_session


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
    with pytest.raises(InputError, match=r"paretune resume .*test"):
        folder.require_rows()


def test_rows_tell_the_next_session_what_is_left(tmp_path: Path):
    plan = bound(search={"trials": 3})
    queue = TrialQueue(plan)
    recorder = Recorder(RowStore(tmp_path), session=1)
    done, begun, interrupted = (queue.next() for _ in range(3))
    for spec in (done, begun, interrupted):
        recorder.announced(spec)
        recorder.started(spec)
        recorder.reported(spec, {"step": 100, "exact_match": 0.5, "val_loss": float("nan")})
    recorder.checkpointed(begun, str(tmp_path / "ray" / "c001-s0" / "checkpoint_000001"))
    recorder.ended(done, "finished", {"step": 200, "exact_match": 0.6}, None)
    recorder.ended(interrupted, "interrupted", {"step": 100, "exact_match": 0.5}, None)
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"trial": "c00')  # killed while it wrote

    RowStore(tmp_path).mend()
    past = read_past(RowStore(tmp_path), {"exact_match"})
    assert [trial.spec.label for trial in past] == ["c000-s0", "c001-s0", "c002-s0"]
    assert past[0].outcome is not None
    assert past[0].outcome.metrics == {"exact_match": 0.6}
    assert past[1].outcome is None
    assert past[1].spec.resume_from == str(tmp_path / "ray" / "c001-s0" / "checkpoint_000001")
    assert past[2].outcome is None
    assert [row["step"] for row in read_lines(tmp_path / "reports.jsonl")] == [100, 100, 100]
    assert "NaN" not in (tmp_path / "reports.jsonl").read_text()


def test_what_is_judged_before_it_is_handed_out_again_is_of_the_session_that_judges(tmp_path: Path):
    """A full disk kept its ending from being written; early stopping sees it first in the next session."""
    queue = TrialQueue(bound())
    waits, ended = queue.next(), queue.next()
    first = Recorder(RowStore(tmp_path), session=1)
    for spec in (waits, ended):
        first.announced(spec)
    first.ended(ended, "finished", {"step": 200}, None)
    second = Recorder(RowStore(tmp_path), session=2)
    for spec in (waits, ended):
        second.judged(spec, Standing(below_cut_at=(100,), is_paused=spec is waits))
    rows = RowStore(tmp_path).trials()
    assert rows[waits.label]["session"] == 2
    assert rows[waits.label]["paused"]
    assert rows[ended.label]["session"] == 1, "where it ended"


def test_moved_folder_keeps_its_checkpoints(tmp_path: Path):
    """Paths in the rows are relative, so a search can be copied to another machine."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    spec = TrialQueue(bound()).next()
    recorder = Recorder(RowStore(old), session=1)
    recorder.announced(spec)
    recorder.checkpointed(spec, str(old / "ray" / "checkpoint_000000"))
    old.rename(new)
    (trial,) = read_past(RowStore(new), set())
    assert trial.spec.resume_from == str(new / "ray" / "checkpoint_000000")


def test_line_that_cannot_be_written_whole_is_not_written_at_all(tmp_path: Path):
    """A file system of 16 KiB fills up in the middle of a line; what was whole stays, nothing is glued."""
    path = tmp_path / "rows.jsonl"
    limit = 16 * 1024
    written = 0

    def fill() -> None:
        nonlocal written
        while True:
            append_line(path, json.dumps({"row": written, "filler": "x" * 700}))
            written += 1

    with _file_size_limit(limit), pytest.raises(OSError, match="File too large"):
        fill()
    assert [row["row"] for row in read_lines(path)] == list(range(written))
    assert path.stat().st_size < limit
    append_line(path, "{}")
    assert len(read_lines(path)) == written + 1


def test_listener_that_cannot_write_is_heard_of_and_told_no_more(tmp_path: Path):
    recorder = Recorder(RowStore(tmp_path), session=1)
    monitor = Monitor([recorder], {"step", "exact_match"})
    spec = TrialQueue(bound()).next()
    trial = SimpleNamespace(config={"label": spec.label})
    monitor.announce(spec)
    monitor.on_trial_start(0, [], trial)
    # The driver looks at it ten times a second, and ends the search.
    with _file_size_limit(10):
        monitor.on_trial_result(0, [], trial, {"step": 100, "exact_match": 0.5})
    assert isinstance(monitor.failure, OSError)
    assert monitor.failure.filename == str(tmp_path / "reports.jsonl"), "the system does not say which"
    monitor.close()
    assert [row["ending"] for row in read_lines(tmp_path / "trials.jsonl")] == [None, None]


@contextmanager
def _file_size_limit(limit: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_trial_that_ended_just_before_a_crash_keeps_its_ending(tmp_path: Path):
    spec = TrialQueue(bound()).next()
    recorder = Recorder(RowStore(tmp_path), session=1)
    recorder.announced(spec)
    recorder.started(spec)
    recorder.reported(spec, {"step": 900, "exact_match": 0.995, "ending": "solved"})
    settle_past(RowStore(tmp_path))
    (trial,) = read_past(RowStore(tmp_path), {"exact_match"})
    assert trial.outcome.ending == "solved"
    assert trial.outcome.metrics == {"exact_match": 0.995}
    last = read_lines(tmp_path / "trials.jsonl")[-1]
    (report,) = read_lines(tmp_path / "reports.jsonl")
    assert last["ended"] == report["at"]
    assert "at" not in last, "a row of a trial has no such column"


def test_interrupted_search_believes_what_a_trial_said_last(tmp_path: Path):
    monitor = Monitor([Recorder(RowStore(tmp_path), session=1)], {"step", "exact_match", "ending"})
    queue = TrialQueue(bound())
    first, second = queue.next(), queue.next()
    for spec in (first, second):
        monitor.announce(spec)
        monitor.on_trial_start(0, [], SimpleNamespace(config={"label": spec.label}))
    trial = SimpleNamespace(config={"label": first.label})
    monitor.on_trial_result(0, [], trial, {"step": 9, "exact_match": 1.0, "ending": "solved"})
    monitor.close()
    last = {row["trial"]: row["ending"] for row in read_lines(tmp_path / "trials.jsonl")}
    assert last == {first.label: "solved", second.label: "interrupted"}


def test_trial_whose_process_never_came_up_is_a_failed_one(tmp_path: Path):
    plan = bound()
    log = TensorBoardLog(tmp_path / "tensorboard", plan)
    monitor = Monitor([Recorder(RowStore(tmp_path), session=1), log, Board(plan, [])], {"step"})
    spec = TrialQueue(plan).next()
    monitor.announce(spec)
    monitor.on_trial_error(0, [], SimpleNamespace(config={"label": spec.label}, error_file=None))
    assert read_lines(tmp_path / "trials.jsonl")[-1]["ending"] == "failed"


def test_retry_does_not_forget_the_newest_checkpoint(tmp_path: Path):
    spec = TrialQueue(bound()).next()
    recorder = Recorder(RowStore(tmp_path), session=1)
    recorder.announced(spec)
    recorder.started(spec)
    recorder.checkpointed(spec, str(tmp_path / "checkpoint_000003"))
    recorder.started(spec)  # Tune starts it again after its process died
    (trial,) = read_past(RowStore(tmp_path), set())
    assert trial.spec.resume_from == str(tmp_path / "checkpoint_000003")


@pytest.mark.parametrize(
    ("resources", "concurrency", "there", "expected"),
    [
        ({"cpu": 1}, None, [{"CPU": 2}], 2),
        ({"cpu": 0.5}, None, [{"CPU": 2}], 4),
        ({"cpu": 0.6}, None, [{"CPU": 16}], 26),
        ({"cpu": 1}, 1, [{"CPU": 8}], 1),
        ({"cpu": 1}, 100, [{"CPU": 8}], 8),
        ({"cpu": 2}, None, [{"CPU": 3}, {"CPU": 5}], 3),
        ({"cpu": 1, "gpu": 0.25}, None, [{"CPU": 16, "GPU": 1}], 4),
        ({"cpu": 1, "gpu": 0.25}, None, [{"CPU": 3, "GPU": 1}], 3),
        ({"cpu": 1, "gpu": 0.4}, None, [{"CPU": 16, "GPU": 2}], 4),
        ({"cpu": 1, "gpu": 2}, None, [{"CPU": 16, "GPU": 5}], 2),
        ({"cpu": 1, "gpu": 0.5}, None, [{"CPU": 4}, {"CPU": 4, "GPU": 1}], 2),
        ({"cpu": 1, "memory": "2 GiB"}, None, [{"CPU": 4, "memory": 5 * 2**30}], 2),
    ],
)
def test_as_many_trials_run_at_a_time_as_the_machines_carry(resources, concurrency, there, expected):
    plan = bound(resources=resources, search={"concurrency": concurrency})
    assert concurrency_of(plan, there) == expected


def test_trial_that_fits_nowhere_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"needs 0\.5 GPU, but .* has 0; ask for less with --gpu"):
        concurrency_of(bound(resources={"gpu": 0.5}), [{"CPU": 2}])
    with pytest.raises(InputError, match="needs 4 CPU, but the largest machine has 3"):
        concurrency_of(bound(resources={"cpu": 4}), [{"CPU": 3}, {"CPU": 3}])
    with pytest.raises(InputError, match="no machine has both 4 CPU and 1 GPU"):
        concurrency_of(bound(resources={"cpu": 4, "gpu": 1}), [{"CPU": 8}, {"CPU": 2, "GPU": 1}])
    with pytest.raises(InputError, match=r"needs 8 GiB of memory, .* has 4 GiB .*resources\.memory"):
        concurrency_of(bound(resources={"memory": "8GiB"}), [{"CPU": 8, "memory": 4 * 2**30}])


def test_assignment_is_plain_and_complete():
    """It travels to workers, maybe of another machine: nothing in it but plain values."""
    plan: BoundPlan = bound(
        target={"exact_match": 0.99},
        target_hold=3,
        stop_at_target=False,
        early_stopping={
            "metric": "exact_match",
            "direction": "max",
            "grace_period": 150,
            "reduction_factor": 2,
        },
        fixed={"steps": 1000},
        resources={"cpu": 2},
    )
    assignment = assignment_of(plan, TrialQueue(plan).next(), Path("results/x"))
    travelled = json.loads(json.dumps(assignment.as_config()))
    assert travelled == assignment.as_config()
    assert TrialAssignment.of(travelled) == assignment
    assert assignment.report_at == (150, 300, 600)
    assert assignment.config["seed"] == 0
    assert (assignment.cpu, assignment.gpu) == (2, 0)
    assert assignment.target is not None
    assert (assignment.target.value, assignment.target.hold) == (0.99, 3)
    assert assignment.stop_at_target is False
    assert not assignment.keeps_at_rungs
    without = replace(assignment, target=None, report_at=())
    assert TrialAssignment.of(without.as_config()) == without


def test_number_of_a_session_is_never_used_again(tmp_path: Path):
    """Whatever is lost of the three places that know it: provenance, rows, and folders of Ray's files."""
    (tmp_path / "ray" / "session-2").mkdir(parents=True)
    (tmp_path / "ray" / "session-old").mkdir()
    rows = [{"session": 4}, {"session": None}, {}]
    assert next_session(tmp_path, [{"session": 1}]) == 3
    assert next_session(tmp_path, [], rows) == 5
    assert next_session(tmp_path, [{"session": 7}, {}], rows) == 8
    assert next_session(tmp_path / "new", []) == 1


def test_rows_are_flushed_now_and_then_and_not_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    flushed: list[str] = []
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    store = RowStore(tmp_path)
    recorder = Recorder(store, session=1)
    spec = TrialQueue(bound()).next()
    recorder.announced(spec)
    assert flushed == [tmp_path.name], "that there is a new file is on the disk at once"
    began, step = time.monotonic(), 0
    while time.monotonic() - began < 1.2:
        step += 1
        recorder.reported(spec, {"step": step})
        recorder.tick()
        time.sleep(0.002)
    assert step > 50
    counts = Counter(flushed)
    assert counts["trials.jsonl"] == 1, "nothing was written to it since"
    assert 1 <= counts["reports.jsonl"] <= 3
    recorder.reported(spec, {"step": step + 1})
    store.write_sessions([])
    assert Counter(flushed)["reports.jsonl"] == counts["reports.jsonl"] + 1, "at the end, everything is"
    store.append_confirmation({"configuration": 0, "seed": 1})
    assert flushed[-1] == "confirmations.jsonl", "one of these took a training"
