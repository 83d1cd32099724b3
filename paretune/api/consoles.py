"""Where a call shows its progress."""

from __future__ import annotations

from rich.console import Console

from paretune.terminal.printing import make_console

Progress = bool | Console
"""True: lines on standard output, a live table on a terminal. False: nothing. Or a console of Rich."""


def console_of(progress: Progress) -> Console:
    """Return where progress is shown; a console that prints nothing for False."""
    if isinstance(progress, Console):
        return progress
    return make_console() if progress else Console(quiet=True)
