"""Searches without Ray: a queue's trials are run by a function that makes up how each ends."""

from __future__ import annotations

from collections.abc import Callable

from paretune.sampling.history import PastTrial, TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue


def run_queue(
    queue: TrialQueue, ends: Callable[[TrialSpec], SeedOutcome], at_a_time: int = 2, trials: int = 1000
) -> list[PastTrial]:
    """Run a queue's trials; the oldest of those that run ends first.

    Returns:
        the trials in the order in which they were handed out, which is that in which they ended; those that
        still run, after so many, have no outcome.
    """
    running: list[TrialSpec] = []
    done: list[PastTrial] = []
    while len(done) < trials:
        while len(running) < at_a_time and not queue.exhausted and (spec := queue.next()) is not None:
            running.append(spec)
        if not running:
            break
        spec = running.pop(0)
        outcome = ends(spec)
        queue.ended(spec.label, outcome)
        done.append(PastTrial(spec=spec, outcome=outcome))
    return done + [PastTrial(spec=spec, outcome=None) for spec in running]
