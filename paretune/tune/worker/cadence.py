"""When a trial saves a checkpoint: soon after it has begun, then now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY_SECONDS = 20.0
"""At most so much work is lost when a worker is killed, and what was done since a report."""

_EARLY_SECONDS = (2.0, 5.0, 10.0)
"""Ages at which a trial saves one before: of short trials, a kill would lose most of the work.

One of a small model costs some 7 ms of processor time, of 13 MB some 50 ms."""

_MOST_SHARE = 0.05
"""Share of the time that early checkpoints may take; those of large models take seconds."""


class Cadence:
    """Tells when the next checkpoint of a trial is due.

    Args:
        clock: returns seconds; replaced in tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._saved_at = clock()
        self._took = 0.0
        self._early = list(_EARLY_SECONDS)

    def is_due(self) -> bool:
        """Tell whether enough was done since the last checkpoint."""
        now = self._clock()
        since = now - self._saved_at
        if since > EVERY_SECONDS:
            return True
        is_early = bool(self._early) and now - self._began > self._early[0]
        return is_early and self._took <= _MOST_SHARE * since

    def saved(self, began: float) -> None:
        """Take note of a checkpoint.

        Args:
            began: when it was begun, by :meth:`now`.
        """
        self._saved_at = self._clock()
        self._took = self._saved_at - began
        age = self._saved_at - self._began
        self._early = [early for early in self._early if early > age]

    def now(self) -> float:
        """Return the time of the clock."""
        return self._clock()
