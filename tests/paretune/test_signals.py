"""Signals while a module is imported, in a process of their own: the import is whole, and nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import CLI

ROOT = Path(__file__).parents[2]

SLOW_MODULE = """
import time
for _ in range(40):
    time.sleep(0.02)
whole = True
"""

SCRIPT = """
import os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
from paretune.signals import broke_an_import, handle_signals
handle_signals()

def send():
    for pause in map(float, sys.argv[3:]):
        time.sleep(pause)
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))

threading.Thread(target=send, daemon=True).start()
began = time.monotonic()
try:
    import slow
    for _ in range(100):
        time.sleep(0.02)
    print("nothing was raised")
except KeyboardInterrupt:
    print("raised", getattr(sys.modules.get("slow"), "whole", False), broke_an_import())
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "slow.py").write_text(SLOW_MODULE)
    return tmp_path


def run_script(place: Path, number: str, *pauses: float) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, place, number, *map(str, pauses)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        # Tests that run in the background of a script inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_waits_for_the_import_and_is_raised_then(number: str, place: Path) -> None:
    assert run_script(place, number, 0.2) == "raised True False"


def test_a_second_one_does_not_wait(place: Path) -> None:
    # So long that the second comes within the import, however busy the machine is.
    (place / "slow.py").write_text(SLOW_MODULE.replace("40", "2000"))
    assert run_script(place, "SIGINT", 0.2, 0.2) == "raised False True"


def test_outside_of_imports_it_is_raised_at_once(place: Path) -> None:
    assert run_script(place, "SIGTERM", 1.5) == "raised True False"


def test_what_a_shell_ignores_stays_ignored(place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, place, "SIGINT", "0.2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        check=True,
    )
    assert done.stdout.strip() == "nothing was raised"


def handles_signals(pid: int) -> bool:
    """Tell whether a process has a handler for SIGTERM by now."""
    (caught,) = (
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")
    )
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the first handler")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_command_that_is_interrupted_while_it_imports_says_one_word(number, tmp_path: Path) -> None:
    """At its first moment, while it imports pandas or so, and while it imports more."""
    space = ROOT / "search_spaces" / "quickstart.yaml"
    started = []
    for delay in (0.0, 0.3, 0.8):
        process = subprocess.Popen(
            [*CLI, "search", space, "--results", tmp_path / f"results-{delay}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        deadline = time.monotonic() + 60
        while not handles_signals(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(delay)
        os.kill(process.pid, number)
        started.append(process)
    for process in started:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        # A fast machine may have come further.
        assert err.startswith("interrupted")
        assert len(err.splitlines()) == 1
