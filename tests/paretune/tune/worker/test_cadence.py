"""When a trial saves checkpoints: at most so much work is lost, and saving takes little of the time."""

from __future__ import annotations

import pytest

from paretune.tune.worker.cadence import Cadence


def saves(*, every: float, takes: float, until: float) -> list[float]:
    """Return the ages at which a trial has begun to save that reports so often."""
    now = 0.0
    cadence = Cadence(lambda: now)
    begun = []
    while now < until:
        now += every
        if cadence.is_due():
            begun.append(round(now, 3))
            at = cadence.now()
            now += takes
            cadence.saved(at)
    return begun


def test_a_trial_saves_early_and_then_now_and_then() -> None:
    assert saves(every=0.5, takes=0.005, until=75) == pytest.approx([2.5, 5, 10, 30.5, 51, 71], abs=0.1)


def test_one_that_reports_seldom_saves_as_soon_as_it_can() -> None:
    assert saves(every=15, takes=0.005, until=50) == pytest.approx([15, 45], abs=0.1)
    assert saves(every=1, takes=0.005, until=4) == pytest.approx([3], abs=0.1)


def test_checkpoints_that_take_long_are_not_saved_early_again() -> None:
    """Nor less often than promised."""
    assert saves(every=0.5, takes=1, until=60) == pytest.approx([2.5, 23.5, 45], abs=0.1)
