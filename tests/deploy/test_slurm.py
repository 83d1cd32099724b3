"""deploy/slurm.sh as Slurm runs it, with commands of Slurm that work on this machine alone; and a search that
goes on on another machine, from its storage."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from helpers.commands import run_cli
from helpers.s3 import s3_server
from ray.util import get_node_ip_address

from analysis.rows import SearchRows
from paretune.storage.places import Place

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "slurm.sh"

SPACE = """
name: slurm
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 3, n_heads: 4, d_model: 16, batch: 256, steps: 6000, eval_every: 50}
space: {lr: {type: float, low: 0.001, high: 0.01}}
search: {trials: 1, sampler: random}
"""

COMMANDS = {
    # It starts a step on a node: here there is one node.
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"',
    "scontrol": """
case "$1" in
  show) echo "$NODE" ;;
  requeue) echo "requeue $2" >> "$CALLS" ;;
esac
""",
}


@contextmanager
def job(folder: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run the script as a job; whatever it has started ends with it."""
    commands = folder / "bin"
    commands.mkdir()
    for name, script in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/bash\n{script}\n")
        (commands / name).chmod(0o755)
    # Paths of Ray's sockets must be short.
    ray_folder = tempfile.mkdtemp(prefix="slurm-", dir="/tmp")
    environment = {
        **os.environ,
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "NODE": get_node_ip_address(),
        "SLURM_SUBMIT_DIR": str(folder),
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_JOB_NODELIST": "here",
        "SLURM_CPUS_PER_TASK": "1",
        "PARETUNE_NAME": "slurm",
        "RAY_TMPDIR": ray_folder,
    }
    with (folder / "out").open("w") as out:
        process = subprocess.Popen(
            ["bash", SCRIPT, *map(str, arguments)],
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # As Slurm ends what a job leaves.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            time.sleep(3 if number == signal.SIGTERM else 0)
        shutil.rmtree(ray_folder, ignore_errors=True)


def test_a_job_hands_over_is_queued_again_and_goes_on_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(monkeypatch) as url:
        (tmp_path / "space.yaml").write_text(SPACE)
        rows = tmp_path / "results" / "slurm" / "trials.jsonl"
        with job(tmp_path, "space.yaml", "--storage", url) as process:
            end = time.monotonic() + 120
            while not rows.exists() or '"checkpoint": "' not in rows.read_text():
                assert process.poll() is None, (tmp_path / "out").read_text()
                assert time.monotonic() < end, (tmp_path / "out").read_text()
                time.sleep(0.1)
            os.kill(process.pid, signal.SIGTERM)
            began = time.monotonic()
            code = process.wait(timeout=60)
            assert time.monotonic() - began < 30, "Slurm would have killed it"
        assert code == 130
        assert (tmp_path / "calls").read_text() == f"requeue {os.getpid()}\n"
        before = SearchRows(tmp_path / "results" / "slurm")
        assert list(before.trials["ending"]) == ["interrupted"]
        assert not (tmp_path / "results" / "slurm" / "ray").exists(), "checkpoints are in the storage"
        stored = Place.of(url).files(recursive=True)
        assert [name for name in stored if name.endswith("checkpoint.pt")], stored

        # Another machine has nothing of it.
        elsewhere = tmp_path / "elsewhere"
        done = run_cli("resume", "slurm", "--storage", url, "--results", elsewhere)
        assert done.code == 0, done.out + done.err
        assert f"Fetched slurm from {url}" in done.out
        after = SearchRows(elsewhere / "slurm")
        assert list(after.trials["ending"]) == ["finished"]
        reports = after.reports
        known = reports[reports["session"] == 1]
        # What the first job knew is there, and no step of it was done again.
        assert list(known["step"]) == list(before.reports["step"])
        assert list(known["exact_match"]) == list(before.reports["exact_match"])
        assert reports["step"].is_unique
        assert reports.loc[reports["session"] == 2, "step"].min() > known["step"].max()
        owner = json.loads(Place.of(url).read("slurm/owner.json") or b"")
        assert owner["over"] is True
