"""While Ray starts, what the first trials run is compiled: one of two cores would be idle."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

import optuna

from paretune.plan.binding import BoundPlan
from paretune.sampling.queue import TrialQueue


def compile_ahead(bound: BoundPlan) -> threading.Thread:
    """Compile what the first trials of a new search run, as many as there are cores here; return at once.

    A trial that begins meanwhile waits for its own part of this, not for all of it.

    Returns:
        the thread that does it, which nobody needs to wait for.
    """
    thread = threading.Thread(target=_compile, args=(bound,), name="compile ahead", daemon=True)
    thread.start()
    return thread


def _compile(bound: BoundPlan) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The search has a queue of its own. Nothing has ended yet, so its first trials are the same.
    queue = TrialQueue(bound)
    for _ in range(os.cpu_count() or 1):
        trial = queue.next()
        if trial is None:
            return
        # What fails here fails again in the trial, which says so.
        with suppress(Exception):
            bound.task.compile_ahead(bound.config(trial.values))
