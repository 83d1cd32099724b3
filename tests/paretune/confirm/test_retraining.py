"""Retraining as a person sees it: on a terminal, and when Ctrl-C is pressed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers.commands import CLI, run_cli

from paretune.plan.binding import bind
from paretune.record.run_folder import RunFolder
from search_spaces.plan import Plan


def search_of_one(results: Path, *, steps: int) -> Path:
    """Write the folder of a search with one small configuration, as if it had been searched."""
    values = {"digits": 3, "d_model": 4, "d_ff": 8, "batch": 32, "lr": 0.01, "steps": steps, "eval_every": 20}
    plan = Plan.model_validate(
        {
            "name": "one",
            "task": "addition",
            "objectives": [{"metric": "exact_match", "direction": "max"}],
            "only": [values],
        }
    )
    bound = bind(plan)
    folder = RunFolder.create(results, bound, "")
    row = {
        "trial": "c000-s0",
        "configuration": 0,
        "seed_index": 0,
        "seed": 0,
        "params": bound.params(values),
        "values": values,
        "ending": "finished",
        "exact_match": 0.5,
    }
    (folder.path / "trials.jsonl").write_text(json.dumps(row) + "\n")
    return folder.path


def test_interrupted_before_a_seed_was_done_leaves_nothing_behind(tmp_path: Path):
    folder = search_of_one(tmp_path, steps=10_000_000)
    earlier = folder / "retrain" / "c000"
    earlier.mkdir(parents=True)
    (earlier / "report.md").write_text("of an earlier command")
    process = subprocess.Popen(
        [*CLI, "retrain", str(folder), "--configuration", "0", "--seeds", "2", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a script inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not (folder / "retrain" / "c000-2" / "seed-0" / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert err == "interrupted before a seed was done; there is nothing to report\n"
    assert [path.name for path in (folder / "retrain").iterdir()] == ["c000"]
    assert (earlier / "report.md").exists()


def on_a_terminal(*arguments: str | Path) -> tuple[str, str]:
    """Run a command with standard output and standard error on a terminal each; return what they got."""
    ours, theirs = zip(*(pty.openpty() for _ in range(2)), strict=True)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    command = [*CLI, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=theirs[0], stderr=theirs[1], env=environment)
    for end in theirs:
        os.close(end)
    # Both at once: a terminal's buffer holds some thousand characters, and who fills it waits.
    with ThreadPoolExecutor(2) as pool:
        out, err = pool.map(_all_of, ours)
    assert process.wait(timeout=60) == 0, out + err
    return out, err


def _all_of(end: int) -> str:
    got = b""
    while True:
        try:
            part = os.read(end, 4096)
        except OSError:
            # What Linux says where the other end is closed.
            part = b""
        if not part:
            os.close(end)
            return got.decode()
        got += part


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_of_one(tmp_path_factory.mktemp("results"), steps=40)


def test_evaluating_is_said_on_a_terminal_and_nowhere_else(searched: Path):
    """A language model takes 20 s and more, in which nothing else is to be seen."""
    said = "evaluating on held-out problems"
    options = ("--configuration", "0", "--seeds", "2", "--device", "cpu", "--problems", "200")
    out, _ = on_a_terminal("retrain", searched, *options)
    # The bar comes back for the next seed, after the status.
    assert out.index("seed 1 of 2") < out.index(said) < out.index("seed 2 of 2") < out.rindex(said)
    piped = run_cli("retrain", searched, *options)
    assert piped.code == 0, piped.err
    assert said not in piped.out + piped.err

    checkpoint = searched / "retrain" / "c000" / "seed-0" / "checkpoint.pt"
    out, err = on_a_terminal("evaluate", checkpoint)
    assert said in err
    assert said not in out
    assert "held-out problems" in out
    assert said not in "".join(on_a_terminal("evaluate", checkpoint, "--json"))
    quiet = run_cli("evaluate", checkpoint)
    assert (quiet.code, quiet.err) == (0, "")
    assert said not in quiet.out
