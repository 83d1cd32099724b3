"""How the trials of a search have ended so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from paretune.record.endings import TrialEnding
from paretune.record.events import Listener, Row
from paretune.sampling.history import PastTrial, TrialSpec


class Tally(Listener):
    """Counts endings, those of earlier sessions included; an interrupted trial has not ended.

    Args:
        past: trials of earlier sessions.
    """

    def __init__(self, past: Iterable[PastTrial]) -> None:
        self.endings: Counter[TrialEnding] = Counter(
            trial.outcome.ending for trial in past if trial.outcome is not None
        )

    def ended(self, trial: TrialSpec, ending: TrialEnding, last: Row, error: str | None) -> None:
        """Count how a trial ended."""
        if ending != "interrupted":
            self.endings[ending] += 1
