"""The command line as a real process, a search that it ran, and a disk that is full."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helpers.forking import Parent

CLI = (sys.executable, "-m", "paretune")


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str


_PARENT = Parent()


def run_cli(
    *arguments: str | Path, cwd: Path | None = None, timeout: float = 300, fresh: bool = False
) -> Finished:
    """Run ``paretune`` with arguments, as a person would, and wait for it.

    Args:
        arguments: of the command line.
        cwd: the folder to run it in, or this process's own.
        timeout: seconds after which it is killed, and the test fails.
        fresh: whether it is to import everything itself, which takes seconds of a processor.
    """
    environment = {**os.environ, "NO_COLOR": "1"}
    words = [str(argument) for argument in arguments]
    # A limit on files holds for processes that this one starts.
    if not fresh and resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY:
        return Finished(*_PARENT.run(words, cwd, environment, timeout))
    done = subprocess.run(
        [*CLI, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def start_cli(*arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start ``paretune`` with arguments, to be interrupted or killed."""
    return subprocess.Popen(
        [*CLI, *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background of a script inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def wait_for_a_report(search: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a search that was started has a row of a report in its folder."""
    deadline = time.monotonic() + 240
    reports = search / "reports.jsonl"
    while not (reports.is_file() and reports.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run_script(script: Path, *arguments: str | Path, timeout: float = 300) -> Finished:
    """Run a script of this repository, as ``python script`` would, and wait for it."""
    environment = {**os.environ, "NO_COLOR": "1"}
    return Finished(*_PARENT.run([str(each) for each in arguments], None, environment, timeout, script))


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let the system refuse every byte of a file after the first ``size`` ones, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@dataclass(frozen=True)
class Search:
    """A search that has run for real."""

    name: str
    results: Path
    finished: Finished

    @property
    def folder(self) -> Path:
        return self.results / self.name

    def cli(self, command: str, *arguments: str | Path) -> Finished:
        return run_cli(command, self.name, "--results", self.results, *arguments)
