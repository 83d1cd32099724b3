"""Retraining as a person sees it: on a terminal, and when Ctrl-C is pressed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

from conftest import CLI

from paretune.binding import bind
from paretune.runs import RunFolder
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
    )
    deadline = time.monotonic() + 120
    while not (folder / "retrain" / "c000-2" / "seed-0" / "checkpoint.pt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert out.endswith("Interrupted before a seed was done; there is nothing to report.\n")
    assert [path.name for path in (folder / "retrain").iterdir()] == ["c000"]
    assert (earlier / "report.md").exists()
