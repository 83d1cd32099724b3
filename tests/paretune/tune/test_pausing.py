"""Early stopping that pauses, for real: slots are freed, trials go on from their checkpoints, and resume."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from helpers.commands import Finished, run_cli, start_cli

from analysis.files.lines import append_line, read_lines

STEPS = 600
SPACE = f"""
name: pausing
task: addition
objectives: [{{metric: exact_match, direction: max}}, {{metric: params, direction: min}}]
target: {{exact_match: 0.9}}
fixed: {{digits: 1, batch: 64, steps: {STEPS}, eval_every: 60}}
space:
  d_model: {{type: int, low: 2, high: 20, step: 2}}
  lr: {{type: float, low: 0.0001, high: 0.05, log: true}}
early_stopping:
  {{metric: train_loss, direction: min, at: [0.2, 0.5], reduction_factor: 2, below_cut: pause, reserve: 0}}
search: {{trials: 12, concurrency: 2, sampler: random}}
"""


def rows_of(folder: Path) -> dict[str, list[dict[str, object]]]:
    """All rows of each trial, in the order in which they were written."""
    found: dict[str, list[dict[str, object]]] = {}
    for row in read_lines(folder / "trials.jsonl"):
        found.setdefault(str(row["trial"]), []).append(row)
    return found


def went_on(rows: list[dict[str, object]]) -> bool:
    """Whether a trial was paused and ran again."""
    pauses = [bool(row.get("paused")) for row in rows]
    return True in pauses and rows[-1]["ending"] in ("solved", "finished")


def steps_of(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in read_lines(folder / "reports.jsonl"):
        found.setdefault(str(row["trial"]), []).append(int(row["step"]))
    return found


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    path = tmp_path_factory.mktemp("pausing")
    (path / "space.yaml").write_text(SPACE)
    return path / "results" / "pausing", run_cli("search", "space.yaml", cwd=path)


def seconds_alone(folder: Path) -> float:
    """Return for how long the trial that reported last was the only one that did."""
    latest = {row["trial"]: datetime.fromisoformat(row["at"]) for row in read_lines(folder / "reports.jsonl")}
    *_, before, last = sorted(latest.values())
    return (last - before).total_seconds()


def test_trials_wait_and_some_go_on(searched: tuple[Path, Finished]):
    folder, done = searched
    assert done.code == 0, done.out + done.err
    assert done.err == ""
    rows = rows_of(folder)
    endings = Counter(each[-1]["ending"] for each in rows.values())
    assert len(rows) == 12
    assert endings["stopped early"]
    assert set(endings) <= {"stopped early", "solved", "finished"}
    # While the last trial runs, the other slot would be idle; unless both ended at about the same time.
    assert any(went_on(each) for each in rows.values()) or seconds_alone(folder) < 1
    assert re.search(r"^\[\d+/12\]  c\d\d\d-s0  paused, below the cut at 20 %$", done.out, flags=re.M)


def test_a_trial_that_went_on_did_not_begin_anew(searched: tuple[Path, Finished]):
    folder, _ = searched
    again = [label for label, rows in rows_of(folder).items() if went_on(rows)]
    steps = steps_of(folder)
    last = {str(row["trial"]): row for row in read_lines(folder / "reports.jsonl")}
    for label in again:
        assert steps[label] == sorted(set(steps[label])), "no step is reported twice"
        assert last[label]["samples"] == 64 * steps[label][-1]
        assert last[label]["cpu_seconds"] > 0


def test_a_paused_trial_that_never_went_on_ended_at_its_rung(searched: tuple[Path, Finished]):
    folder, _ = searched
    for rows in rows_of(folder).values():
        if rows[-1]["ending"] == "stopped early":
            (share,) = rows[-1]["below_cut_at"]
            assert rows[-1]["step"] == share * STEPS
            assert "paused" not in rows[-1]
            assert (folder / str(rows[-1]["checkpoint"])).is_dir()


def wait_for_pauses(folder: Path, process, count: int) -> None:
    deadline = time.monotonic() + 240
    rows = folder / "trials.jsonl"
    while not rows.is_file() or sum('"paused": true' in line for line in rows.open()) < 2 * count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_paused_trials_survive_and_are_not_run_again_from_the_start(how: signal.Signals, tmp_path: Path):
    # Long enough to be caught in the middle.
    (tmp_path / "space.yaml").write_text(SPACE.replace(f"steps: {STEPS}", "steps: 3000"))
    folder = tmp_path / "results" / "pausing"
    process = start_cli("search", "space.yaml", cwd=tmp_path)
    wait_for_pauses(folder, process, 3)
    process.send_signal(how)
    process.communicate(timeout=120)
    written = rows_of(folder)
    before = {label: rows[-1] for label, rows in written.items()}
    waiting = [label for label, row in before.items() if row.get("paused")]
    assert len(waiting) >= 2
    assert all(before[label]["ending"] in (None, "interrupted") for label in waiting)
    done_before = steps_of(folder)

    done = run_cli("resume", "pausing", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    after = rows_of(folder)
    assert len(after) == 12
    assert {rows[-1]["ending"] for rows in after.values()} <= {"stopped early", "solved", "finished"}
    assert not any(rows[-1].get("paused") for rows in after.values())
    steps = steps_of(folder)
    # One that was paused at the very moment may not have its checkpoint: of its rows one says that it waits.
    saved = [
        label
        for label in waiting
        if sum(bool(row.get("paused")) for row in written[label] if row["ending"] is None) % 2 == 0
    ]
    assert saved
    for label in saved:
        fresh = steps[label][len(done_before[label]) :]
        assert all(step > done_before[label][-1] for step in fresh), (label, fresh)


def test_what_waited_ends_where_nothing_else_is_left(searched: tuple[Path, Finished], tmp_path: Path):
    """As after a search that was killed when all others had ended."""
    folder, _ = searched
    copied = tmp_path / "results" / "pausing"
    copied.mkdir(parents=True)
    for path in folder.glob("*.json*"):
        (copied / path.name).write_text(path.read_text())
    (copied / "space.yaml").write_text((folder / "space.yaml").read_text())
    stopped = {k: v[-1] for k, v in rows_of(folder).items() if v[-1]["ending"] == "stopped early"}
    for row in stopped.values():
        append_line(
            copied / "trials.jsonl",
            json.dumps({**row, "ending": None, "paused": True}),
        )
    done = run_cli("resume", "pausing", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    after = {label: rows[-1] for label, rows in rows_of(copied).items()}
    for label, row in stopped.items():
        assert (after[label]["ending"], after[label]["step"]) == ("stopped early", row["step"])
        assert after[label]["below_cut_at"] == row["below_cut_at"]
    assert len(read_lines(copied / "reports.jsonl")) == len(read_lines(folder / "reports.jsonl"))
