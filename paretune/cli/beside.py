"""Servers beside a command: processes that end with it, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def interrupt_on_signals() -> None:
    """Let SIGTERM end a command as Ctrl-C does, also where a script's background ignores Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


@contextmanager
def beside(
    module: str, *arguments: str, stdout: int | None = None, stderr: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a module of ours beside this process, and end it however this one is asked to end.

    Its standard input stays open as long as this process lives, so that it can tell even where nothing here
    can end it any more. A Ctrl-C of the terminal is for this process alone.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        text=True,
        process_group=0,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
