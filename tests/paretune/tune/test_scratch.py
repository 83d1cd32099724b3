"""Temporary folders of searches: what a killed one left goes at the next start, what others use stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.tune import scratch

CLAIM = """
import sys, time
from paretune.tune import scratch
folder = scratch.session_folder()
(scratch.scratch_folder() / "checkpoint").write_text("x" * 1000)
logs = folder / "ray" / "session_1" / "logs"
logs.mkdir(parents=True)
(logs / "raylet.out").write_text("a line")
(folder / "ray" / "session_1" / "sockets").mkdir()
(folder / "ray" / "session_latest").symlink_to(folder / "ray" / "session_1")
print(folder, flush=True)
if len(sys.argv) > 1:
    time.sleep(60)
"""

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for temporary folders that no other search uses; pytest's own has too long a path for Ray."""
    place = Path(f"/tmp/pt{os.getpid()}")
    place.mkdir(exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setattr(scratch._Claimed, "folder", None)
    yield scratch.base_folder()
    shutil.rmtree(place)


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def claimed() -> Path:
    """Let a process have a folder, and end."""
    done = subprocess.run([sys.executable, "-c", CLAIM], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_ended_searches_left_goes_but_for_the_newest_logs(base: Path, running) -> None:
    over = []
    for age in (400, 300, 200, 100):
        over.append(claimed())
        os.utime(over[-1], (time.time() - age,) * 2)
    runs = subprocess.Popen([sys.executable, "-c", CLAIM, "stay"], stdout=subprocess.PIPE, text=True)
    running.append(runs)
    assert runs.stdout is not None
    in_use = Path(runs.stdout.readline().strip())
    before = files_in(in_use)
    found = scratch.left_behind()
    assert (found.folder, found.sessions, found.running) == (base, 5, 1)
    assert found.size > 5 * 1000
    scratch.clear_away()
    assert not over[0].exists(), "only the newest three keep their logs"
    for folder in over[1:]:
        assert files_in(folder) == {"lock", "cleared", "ray/session_1/logs/raylet.out"}
    assert files_in(in_use) == before
    assert scratch.left_behind().sessions == 4
    scratch.clear_away()
    assert scratch.left_behind().sessions == 4


def test_processes_of_an_ended_search_are_ended_and_no_others(base: Path, running) -> None:
    over, other = claimed(), claimed()

    def started(folder: Path, *words: str) -> subprocess.Popen[str]:
        with scratch.marked(folder):
            process = subprocess.Popen([sys.executable, "-c", SLEEP, *words], text=True)
        running.append(process)
        return process

    marked = started(over, "ray::IDLE")
    named = subprocess.Popen([sys.executable, "-c", SLEEP, "raylet", f"--temp-dir={over}/ray"], text=True)
    running.append(named)
    # Ray's agents overwrite their environment, and name nothing in their command lines.
    with (over / "agent.log").open("w") as log:
        agent = subprocess.Popen([sys.executable, "-c", SLEEP, "ray::DashboardAgent"], stdout=log, text=True)
    running.append(agent)
    not_rays = started(over)
    of_another = started(other, "ray::IDLE")
    assert scratch.end_processes_of(over) == 3
    assert marked.poll() is not None
    assert named.poll() is not None
    assert agent.poll() is not None
    time.sleep(0.2)
    assert not_rays.poll() is None
    assert of_another.poll() is None
    assert scratch.VARIABLE not in os.environ, "what is started later is nobody's"


def test_a_worker_uses_the_folder_of_its_search(base: Path) -> None:
    over = claimed()
    with scratch.marked(over):
        assert scratch.scratch_folder() == over / "trials"
    assert scratch.scratch_folder().parent == scratch.session_folder() != over


def test_a_place_that_is_too_long_for_sockets_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/tmp/" + "long" * 20)
    assert len(str(scratch.base_folder())) < 30


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root makes what is others'")
def test_a_link_of_somebody_else_leads_nowhere(base: Path, tmp_path: Path) -> None:
    mine = tmp_path / "source" / "kept"
    mine.mkdir(parents=True)
    os.utime(mine.parent, (0, 0))
    base.symlink_to(tmp_path)
    os.lchown(base, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to somebody else; set TMPDIR to another"):
        scratch.session_folder()
    scratch.clear_away()
    assert scratch.left_behind().sessions == 0
    assert [path.name for path in tmp_path.rglob("*")] == ["source", "kept"]
