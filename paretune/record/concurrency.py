"""How many trials of a session ran at a time, measured where more of them waited to be started."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from paretune.record.endings import TrialEnding
from paretune.record.events import Listener, Row
from paretune.sampling.history import Standing, TrialSpec

_ENOUGH = 0.8
"""The share of the trials asked for that should run at a time."""

_JUDGED_FROM_S = 30.0
"""Seconds below which the start of a worker, on a busy machine ten, is a large part of what was measured."""

_SHORT_S = 0.5
"""Seconds of a trial to which handing it over adds a noticeable part."""


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """How many trials ran at a time.

    >>> Concurrency(asked=2, slots=2, mean=1.9, seconds=60.0, trial_seconds=3.0).is_short
    False
    """

    asked: int
    """Trials at a time that were asked for; without such a wish, as many as the machines carry."""
    slots: int
    """Trials at a time that the machines carry, at most those asked for."""
    mean: float | None
    """Trials that ran at a time on average, from when as many had been started as there are slots to the
    last start; None if no more trials were started than there are slots."""
    seconds: float
    """Length of that time."""
    trial_seconds: float | None
    """Mean time of a trial that ended; None if none did."""

    @property
    def is_short(self) -> bool:
        """Whether far fewer ran than were asked for, for long enough to say so."""
        return self.mean is not None and self.seconds >= _JUDGED_FROM_S and self.mean < _ENOUGH * self.asked

    @property
    def summary(self) -> str | None:
        """How many ran, such as ``1.9 trials at a time of 2``; None where that is not known, or is one."""
        if self.mean is None or self.asked == 1:
            return None
        return f"{self.mean:.1f} trials at a time of {self.asked}"

    @property
    def advice(self) -> str | None:
        """What to do about too few; None where nothing is to be done."""
        if not self.is_short or self.mean is None:
            return None
        if self.mean >= _ENOUGH * self.slots:
            return f"there is room for {self.slots}; give each trial less with --cpu or --gpu"
        if self.trial_seconds is not None and self.trial_seconds < _SHORT_S:
            return (
                f"a trial took {self.trial_seconds:.2f} s, little more than handing it over; "
                "fewer slots do as much, or give trials more steps"
            )
        return (
            "workers were started late or not at all; is the machine or cluster busy with other work? "
            "Ask for as many as are free with --concurrency"
        )


class ConcurrencyMeter(Listener):
    """Measures :class:`Concurrency` as trials start and end.

    Args:
        asked: trials at a time that were asked for.
        slots: those that the machines carry.
        clock: seconds of a clock that only runs forward; replaced in tests.
    """

    def __init__(self, asked: int, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked = asked
        self._slots = slots
        self._clock = clock
        self._began: dict[str, float] = {}
        self._starts = 0
        self._busy = 0.0
        """Seconds of all trials since the window opened, up to the last event."""
        self._at = 0.0
        self._opened: float | None = None
        self._last_start = (0.0, 0.0)
        """When the last trial was started, and how busy it was until then."""
        self._ended = (0, 0.0)
        """Trials that ended, and their seconds."""

    @property
    def measured(self) -> Concurrency:
        """What was measured so far."""
        at, busy = self._last_start
        seconds = 0.0 if self._opened is None else at - self._opened
        count, total = self._ended
        return Concurrency(
            asked=self._asked,
            slots=self._slots,
            mean=busy / seconds if seconds > 0 else None,
            seconds=seconds,
            trial_seconds=total / count if count else None,
        )

    def started(self, trial: TrialSpec) -> None:
        """Count a trial among those that run; one that is tried again has never left them."""
        now = self._advance()
        if trial.label in self._began:
            return
        self._began[trial.label] = now
        self._starts += 1
        if self._starts == self._slots:
            self._opened = now
        self._last_start = (now, self._busy)

    def judged(self, trial: TrialSpec, standing: Standing) -> None:
        """Count a trial no more that waits."""
        if standing.is_paused:
            self._advance()
            self._began.pop(trial.label, None)

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Count a trial no more, which may never have been started."""
        now = self._advance()
        began = self._began.pop(trial.label, None)
        if began is not None and ending != TrialEnding.INTERRUPTED:
            self._ended = (self._ended[0] + 1, self._ended[1] + now - began)

    def _advance(self) -> float:
        """Add what ran since the last event, and return the time."""
        now = self._clock()
        if self._opened is not None:
            self._busy += len(self._began) * (now - self._at)
        self._at = now
        return now
