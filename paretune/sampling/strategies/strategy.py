"""What every strategy does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paretune.sampling.history import History, Placement


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a question is answered."""

    sentence: str
    """What is known, such as "half of the seeds learn at 958 parameters (893 to 1,045)"."""
    is_answered: bool
    trials_left: int | None = None
    """About so many more trials until it is as sharp as was asked; None if that cannot be told."""
    aim: str = ""
    """What that is, such as "to ±10 %"."""


class Strategy(Protocol):
    """Places trials."""

    def next(self, history: History) -> Placement | None:
        """Return where the next trial goes; None if there is nothing to place before another has ended, or
        nothing at all."""
        ...

    def is_over(self, history: History) -> bool:
        """Tell whether no trial is to be placed any more: the question is answered, or the space is tried."""
        ...

    def ended(self, history: History, configuration: int) -> None:
        """Take note that a trial of a configuration ended; the history knows how."""
        ...

    def replay(self, history: History, configuration: int) -> None:
        """Take note that an earlier session handed out trials of a configuration; called in the order of
        their numbers, before any of its endings."""
        ...

    def progress(self, history: History) -> Progress | None:
        """Return how far the question is answered; None without one."""
        ...
