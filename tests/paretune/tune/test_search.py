"""A real search through the command line: Ray, Optuna, early stopping, rows."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest
from helpers.commands import Search, run_cli, start_cli, wait_for_a_report

from analysis.files.lines import read_lines
from analysis.rows import SearchRows

ENDINGS = ["solved", "finished", "stopped early", "diverged", "failed"]


def last_rows(folder: Path) -> dict[str, dict[str, object]]:
    return {row["trial"]: row for row in read_lines(folder / "trials.jsonl")}


def test_every_trial_has_a_row_with_its_ending(every_ending: Search):
    assert every_ending.finished.code == 0, every_ending.finished.err
    endings = [row["ending"] for row in last_rows(every_ending.folder).values()]
    assert endings == ENDINGS


def test_terminal_shows_each_ending_and_the_frontier(every_ending: Search):
    out = every_ending.finished.out
    for number, ending in enumerate(ENDINGS, start=1):
        assert f"[{number}/5]  c00{number - 1}-s0  {ending}" in out
    assert "1 solved, 1 finished, 1 stopped early, 1 diverged, 1 failed" in out
    assert "6,144" in out
    assert "Not considered: trials that ended otherwise: 1 stopped early, 1 failed; 2 configurations " in out
    assert "The smallest that reaches the target: configuration 0 with 6,144 parameters, 1 of 1 seed " in out
    assert f"\nNext:  paretune answer {every_ending.folder}    paretune watch " in out
    # The folder lies outside ./results, where its name alone would not find it.
    assert out.endswith(f"    paretune retrain {every_ending.folder}\n")


def test_nothing_but_our_own_words_is_printed(every_ending: Search):
    assert every_ending.finished.err == ""
    assert "Traceback" not in every_ending.finished.out
    assert "\x1b[" not in every_ending.finished.out, "colour only on a terminal"


def test_failed_trial_says_why(every_ending: Search):
    failed = last_rows(every_ending.folder)["c004-s0"]
    assert "allocate" in str(failed["error"])
    assert "exact_match" not in failed


def test_diverged_trial_has_no_accuracy_at_all(every_ending: Search):
    diverged = last_rows(every_ending.folder)["c003-s0"]
    assert "exact_match" not in diverged
    assert "val_loss" not in diverged
    assert diverged["samples"] == 50 * 128


def test_rows_hold_reports_at_every_evaluation_and_rung(every_ending: Search):
    reports = SearchRows(every_ending.folder).reports
    assert list(reports[reports["trial"] == "c002-s0"]["step"]) == [100, 200, 300]
    solved = reports[reports["trial"] == "c000-s0"]
    assert list(solved["step"]) == list(range(100, int(solved["step"].iloc[-1]) + 1, 100))
    assert solved["exact_match"].iloc[-1] >= 0.99
    assert solved["exact_match"].iloc[-2] >= 0.99, "solved means held for two evaluations"
    assert solved["steps_to_target"].iloc[-1] == solved["step"].iloc[-2]


def test_provenance_tells_where_results_come_from(every_ending: Search):
    (session,) = json.loads((every_ending.folder / "provenance.json").read_text())["sessions"]
    assert "search" in session["command"]
    assert session["packages"]["ray"]
    assert session["hardware"]["cores"] >= 1
    assert session["began"] <= session["ended"]
    assert session["endings"] == dict.fromkeys(ENDINGS, 1)
    assert (every_ending.folder / "space.yaml").read_text().startswith("\nname: every-ending")


def test_ray_and_tensorboard_files_lie_below_the_same_folder(every_ending: Search):
    assert (every_ending.folder / "ray" / "session-1").is_dir()
    assert sorted(path.name for path in (every_ending.folder / "tensorboard").iterdir() if path.is_dir()) == [
        f"c00{number}-s0" for number in range(5)
    ]


def test_solved_trial_leaves_a_checkpoint_that_can_be_evaluated(every_ending: Search):
    checkpoint = every_ending.folder / str(last_rows(every_ending.folder)["c000-s0"]["checkpoint"])
    done = run_cli("evaluate", checkpoint / "checkpoint.pt", "--problems", "1000", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["share"] >= 0.97


def test_what_to_do_next_is_a_command_that_works(tmp_path: Path):
    """Where nothing reached the target, retrain wants a configuration to be named: the best."""
    space = tmp_path / "short.yaml"
    space.write_text(SHORT)
    results = tmp_path / "results"
    done = run_cli("search", space, "--results", results)
    assert done.code == 0, done.out + done.err
    last = done.out.splitlines()[-1]
    number = int(json.loads(run_cli("rank", "short", "--results", results, "--json").out)[0]["configuration"])
    assert last.endswith(f"    paretune retrain {results / 'short'} --configuration {number}")
    arguments = last.split("paretune ")[-1].split()
    retrained = run_cli(*arguments, "--seeds", "1", "--problems", "100")
    assert retrained.code == 0, retrained.out + retrained.err
    assert f"Configuration {number}, " in retrained.out


SHORT = """
name: short
task: addition
objectives: [{metric: exact_match, direction: max}, {metric: params, direction: min}]
target: {exact_match: 0.99}
fixed: {digits: 3, batch: 32, eval_every: 10, lr: 0.01}
only:
  - {d_model: 4, d_ff: 8, steps: 20}
  - {d_model: 16, d_ff: 32, steps: 40}
search: {concurrency: 1}
"""

SLOW = """
name: slow
task: addition
objectives: [{metric: exact_match, direction: max}, {metric: params, direction: min}]
target: {exact_match: 0.99}
fixed: {digits: 3, batch: 64, steps: 900, eval_every: 50}
space:
  d_model: {type: int, low: 4, high: 8, step: 2}
  d_ff: {type: int, low: 8, high: 16, step: 4}
  lr: {type: float, low: 0.001, high: 0.002, log: true}
search: {trials: 6, seeds: 2, concurrency: 2}
early_stopping: {metric: token_accuracy, direction: max, grace_period: 600, max_steps: 700}
"""


def _wait_for_endings(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if sum(row["ending"] is not None for row in last_rows(folder).values()) >= count:
            return
        time.sleep(0.2)
    raise AssertionError(f"fewer than {count} trials ended within two minutes")


def test_killed_and_interrupted_searches_go_on_where_they_ended(tmp_path: Path):
    space = tmp_path / "slow.yaml"
    space.write_text(SLOW)
    results = tmp_path / "results"
    folder = results / "slow"

    first = start_cli("search", space, "--results", results)
    _wait_for_endings(folder, 1)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    known = {name: row for name, row in last_rows(folder).items() if row["ending"] is not None}

    second = start_cli("search", "--resume", "slow", "--results", results)
    _wait_for_endings(folder, len(known) + 1)
    second.send_signal(signal.SIGINT)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 130, out + err
    assert f"paretune resume {folder}" in out
    rows = last_rows(folder)
    assert all(row["ending"] is not None for row in rows.values())
    assert "interrupted" in {row["ending"] for row in rows.values()}
    known |= {name: row for name, row in rows.items() if row["ending"] != "interrupted"}

    third = run_cli("search", "--resume", "slow", "--results", results, "--trials", "8")
    assert third.code == 0, third.out + third.err
    rows = last_rows(folder)
    assert len(rows) == 8
    assert {name: rows[name] for name in known} == known, "what had ended was run again"
    assert {row["ending"] for row in rows.values()} <= {"finished", "stopped early", "solved"}
    for configuration in range(4):
        pair = [row for row in rows.values() if row["configuration"] == configuration]
        assert [row["seed"] for row in pair] == [0, 1]
        assert pair[0]["values"] == pair[1]["values"]
    sessions = json.loads((folder / "provenance.json").read_text())["sessions"]
    assert [session["session"] for session in sessions] == [1, 2, 3]

    again = run_cli("search", "--resume", "slow", "--results", results)
    assert again.code == 0
    assert last_rows(folder) == rows


def test_second_search_in_a_folder_is_refused_and_sigterm_ends_the_first_cleanly(tmp_path: Path):
    space = tmp_path / "slow.yaml"
    # No rung is near: how long the second takes to be refused depends on the machine.
    slower = {
        "steps: 900": "steps: 90000",
        "grace_period: 600, max_steps: 700": "grace_period: 80000, max_steps: 85000",
    }
    text = SLOW
    for old, new in slower.items():
        text = text.replace(old, new)
    space.write_text(text)
    results = tmp_path / "results"
    first = start_cli("search", space, "--results", results)
    wait_for_a_report(results / "slow", first)
    second = run_cli("search", "--resume", "slow", "--results", results)
    assert second.code == 2
    assert "another process" in second.err
    # As Ctrl-C does: nobody may be there to press it.
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 130, out + err
    assert {row["ending"] for row in last_rows(results / "slow").values()} == {"interrupted"}


def test_trial_that_needs_a_gpu_is_refused_where_there_is_none(tmp_path: Path):
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has a GPU")
    space = tmp_path / "slow.yaml"
    space.write_text(SLOW)
    done = run_cli("search", space, "--results", tmp_path / "results", "--gpu", "0.5")
    assert done.code == 2
    assert "a trial needs 0.5 GPU, but this machine has none that torch" in done.err
    assert "--gpu" in done.err
    assert "Starting Ray" not in done.out
    assert not (tmp_path / "results").exists()
