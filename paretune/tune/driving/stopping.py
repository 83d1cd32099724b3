"""How Tune is made to end: at the deadline, after a notice, or at once."""

from __future__ import annotations

from typing import Any

from ray.tune.stopper import Stopper

from paretune.timing.deadline import Deadline


class StoppedError(Exception):
    """Ends Tune's loop as Ctrl-C would: workers are stopped in order. It reaches nobody but the driver."""


class AbandonedError(BaseException):
    """Ends Tune's loop without another word to Ray, which may be gone. No ``except Exception`` holds it."""


class DriverStops(Stopper):  # type: ignore[misc]
    """Ends all trials that still run: when the time is over, or when the driver says so.

    Tune asks at every event, some ten times a second, and calls none of its hooks for these trials. So their
    rows say that they were interrupted, and a resumed search continues them.

    Args:
        deadline: the search's, if it has one.
    """

    def __init__(self, deadline: Deadline | None = None) -> None:
        self._deadline = deadline
        self._error: BaseException | None = None

    def stop(self) -> None:
        """Let Tune stop its workers and end."""
        if self._error is None:
            self._error = StoppedError()

    def abandon(self) -> None:
        """Let Tune end at once, whatever its workers do."""
        self._error = AbandonedError()

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial alone."""
        return False

    def stop_all(self) -> bool:
        """Tell whether the time is over.

        Raises:
            StoppedError, AbandonedError: the driver wants the end.
        """
        if self._error is not None:
            raise self._error
        return self._deadline is not None and self._deadline.is_over()

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it into its snapshot, from which nothing here is resumed.
        return {}
