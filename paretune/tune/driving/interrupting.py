"""Ctrl-C while a search ends: what must be whole is not cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM until the block ends, which is to be short: the search is ending anyway.

    A person who presses Ctrl-C twice wants the end sooner, not rows without endings, nor processes of Ray
    that stay. Outside the main thread nothing can be interrupted, and nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
