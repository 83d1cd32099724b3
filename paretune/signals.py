"""Ctrl-C and SIGTERM, from the first moment of a command on: neither breaks an import, neither is lost.

A handler of Python runs between any two instructions. One that raises while numpy or torch is being imported
leaves half a module, and an error that names it instead of Ctrl-C; so it waits until the import is done.
This module imports next to nothing, as handlers have to stand before anything else is imported.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

HANDLED = (signal.SIGINT, signal.SIGTERM)

_LOOKS_AGAIN_S = 0.05
"""So often is looked whether an import is done."""


class _State:
    """What this process does with signals; there is one set of handlers in a process."""

    base: FrameType | None = None
    """Where handlers were installed: imports that were under way there are not waited for."""
    installed = False
    listener: Callable[[int], None] | None = None
    waiting = False
    """Whether a signal waits for the end of an import."""
    again = False
    """Whether the next call of the handler is that signal once more, and not a new one."""
    broke_import = False


def handle_signals() -> None:
    """Let SIGINT and SIGTERM raise KeyboardInterrupt from now on, but not within an import.

    What the process was told to ignore, as a shell does for its background, stays ignored. A second signal
    does not wait for the import.
    """
    _State.base = sys._getframe(1)
    _State.installed = True
    reclaim_signals()


def reclaim_signals() -> None:
    """Install the handlers again, where they are to be: Ray replaces one of them when it starts."""
    if not _State.installed or threading.current_thread() is not threading.main_thread():
        return
    for number in HANDLED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


@contextmanager
def handled_signals() -> Iterator[None]:
    """Handle signals inside as :func:`handle_signals` does, and as before afterwards.

    Outside the main thread, no signal arrives, and nothing is changed.
    """
    if _State.installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in HANDLED}
    handle_signals()
    try:
        yield
    finally:
        _State.installed, _State.base = False, None
        for number, handler in before.items():
            if handler is not None:  # it was not installed from Python, and cannot be from here
                signal.signal(number, handler)


@contextmanager
def listening(listener: Callable[[int], None]) -> Iterator[None]:
    """Let a function hear of signals instead of raising: called in the main thread, between two instructions.

    It must not take locks: the main thread may hold them at that moment.
    """
    before, _State.listener = _State.listener, listener
    try:
        yield
    finally:
        _State.listener = before


def broke_an_import() -> bool:
    """Tell whether a second signal broke an import; whatever error came of it means an interruption."""
    return _State.broke_import


def _on_signal(number: int, frame: FrameType | None) -> None:
    is_new, _State.again = not _State.again, False
    if _State.listener is not None:
        _State.waiting = False
        _State.listener(number)
        return
    if _imports(frame):
        if not (is_new and _State.waiting):
            _State.waiting = True
            _thread.start_new_thread(_arrive_again, (number,))
            return
        _State.broke_import = True
    elif not is_new and not _State.waiting:
        return  # it has been raised by then
    _State.waiting = False
    raise KeyboardInterrupt


def _arrive_again(number: int) -> None:
    time.sleep(_LOOKS_AGAIN_S)
    _State.again = True
    _thread.interrupt_main(signal.Signals(number))


def _imports(frame: FrameType | None) -> bool:
    """Tell whether a module is being imported at this place."""
    while frame is not None and frame is not _State.base:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
