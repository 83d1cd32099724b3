"""The end of a search's time, as a stopper of Tune."""

from __future__ import annotations

from typing import Any

from ray.tune.stopper import Stopper

from paretune.timing.deadline import Deadline


class StopAtDeadline(Stopper):  # type: ignore[misc]
    """Ends all trials that still run when the time is over. Tune calls none of its hooks for them, so their
    rows say that they were interrupted, and a resumed search continues them.

    Args:
        deadline: the search's.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no trial alone."""
        return False

    def stop_all(self) -> bool:
        """Tell whether the time is over; Tune asks at every event."""
        return self._deadline.is_over()

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles it into its snapshot, from which nothing here is resumed.
        return {}
