"""Whether NVIDIA's Multi-Process Service runs, told by what its control daemon leaves in its folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from paretune import mps
from paretune.record.provenance import hardware


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    return tmp_path


def daemon_in(folder: Path, pid: int) -> None:
    """Leave what the daemon does: a pipe, and its process id."""
    os.mkfifo(folder / "control")
    (folder / "nvidia-cuda-mps-control.pid").write_text(f"{pid}\n")


def test_it_runs_where_its_daemon_lives(folder: Path):
    assert not mps.is_mps_running()
    daemon_in(folder, os.getpid())
    assert mps.is_mps_running()
    assert hardware()["mps"] is True
    assert mps.mps_folder() == folder


def test_a_daemon_that_is_gone_leaves_files_behind(folder: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    daemon_in(folder, gone.pid)
    assert not mps.is_mps_running()
    assert hardware()["mps"] is False


@pytest.mark.parametrize("text", ["", "none", "-1", "0", "9" * 30])
def test_a_damaged_file_is_no_daemon(text: str, folder: Path):
    daemon_in(folder, os.getpid())
    (folder / "nvidia-cuda-mps-control.pid").write_text(text)
    assert not mps.is_mps_running()


def test_without_a_word_it_is_looked_for_where_cuda_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    assert mps.mps_folder() == Path("/tmp/nvidia-mps")
