"""Ray's processes killed while a search runs, for real: it starts Ray again, and can be interrupted."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from helpers.commands import start_cli, wait_for_a_report

from analysis.files.lines import read_lines
from paretune.tune import scratch

SPACE = """
name: lost
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 2, d_model: 4, d_ff: 8, batch: 32, steps: 4000000, eval_every: 1000}
space: {lr: {type: float, low: 0.001, high: 0.002, log: true}}
search: {trials: 1, concurrency: 1}
"""


def wait_until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill_child(driver: int, name: str) -> None:
    """Kill the driver's child of this name, as a lack of memory would."""
    (found,) = (child for child in psutil.Process(driver).children() if name in " ".join(child.cmdline()[:1]))
    found.kill()


def test_ray_is_started_again_and_every_trial_goes_on(tmp_path: Path) -> None:
    """The drill, ``benchmarks/chaos.py``, kills the other processes too."""
    (tmp_path / "space.yaml").write_text(SPACE)
    folder = tmp_path / "results" / "lost"
    process = start_cli("search", "space.yaml", "--notice", "20", cwd=tmp_path)
    wait_for_a_report(folder, process)

    def sessions() -> list[dict[str, Any]]:
        return list(json.loads((folder / "provenance.json").read_text())["sessions"])

    began = time.monotonic()
    kill_child(process.pid, "raylet")
    wait_until(lambda: len(sessions()) == 2)
    assert time.monotonic() - began < 40, "some 6 s on a machine that does nothing else"
    wait_until(lambda: any(row["session"] == 2 for row in read_lines(folder / "reports.jsonl")))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert err == ""
    lost = "the node's process (raylet) was killed by signal 9"
    assert [line for line in out.splitlines() if line.startswith("Ray was lost")] == [
        f"Ray was lost: {lost}. All rows are kept. Ray is started again, to go on."
    ]
    assert "Interrupted: the trial that runs writes its checkpoint, within 20 s." in out
    assert out.count("Interrupted; all rows are kept.") == 1
    assert [session.get("lost") for session in sessions()] == [lost, None]
    row = read_lines(folder / "trials.jsonl")[-1]
    assert row["ending"] == "interrupted"
    assert row["checkpoint"].startswith("ray/session-2/"), "it was written after the notice"
    assert (folder / row["checkpoint"] / "checkpoint.pt").is_file()
    mark = f"_{process.pid}/"
    assert not [other for other in psutil.process_iter(["cmdline"]) if _is_of_session(other, mark)]


def _is_of_session(process: psutil.Process, mark: str) -> bool:
    """Tell whether a process of Ray names the session of a driver, whose id ends the session's name."""
    words = " ".join(process.info["cmdline"] or [])
    return str(scratch.base_folder()) in words and mark in words
