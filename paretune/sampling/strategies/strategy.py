"""What every strategy does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, Placement
from search_spaces.plan import Values
from search_spaces.sampling import fill

T = TypeVar("T")


MOST_SEEDS = 16
"""Seeds of one configuration where an edge is asked for: what it has beside its size or its rate is not
averaged out by more."""


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
        """Take note that a trial of a configuration ended; the history knows how.

        One that was paused has ended until it goes on, and then ends again."""
        ...

    def replay(self, history: History, configuration: int) -> None:
        """Take note that an earlier session handed out trials of a configuration; called in the order of
        their numbers, before any of its endings."""
        ...

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Return the first trial of a configuration that an earlier session handed out, and whose rows are
        lost; called in its place among :meth:`replay`.

        Args:
            history: the configurations before it.
            number: its number.
            known: the configurations that are not lost, those after it too.

        Returns:
            None if it is given up: its number stays free, and other trials tell what it would have told.
        """
        ...

    def progress(self, history: History) -> Progress | None:
        """Return how far the question is answered; None without one."""
        ...


class Latest(Generic[T]):
    """What was last made of a history: it is asked for several times at every event."""

    def __init__(self) -> None:
        self._made: tuple[int, T] | None = None

    def of(self, history: History, make: Callable[[], T]) -> T:
        """Return what was made at this stand of the history, made now if it was not."""
        if self._made is None or self._made[0] != history.stand:
            self._made = history.stand, make()
        return self._made[1]


def tried_first(bound: BoundPlan, history: History, role: str) -> Placement | None:
    """Return the next configuration of those that a plan wants tried first, what it leaves open drawn; None
    when all were begun."""
    first = first_tried(bound, len(history.configurations), role)
    return None if first is None else replace(first, number=None)


def first_tried(bound: BoundPlan, number: int, role: str) -> Placement | None:
    """Return a configuration of those that a plan wants tried first, by its number; None of others."""
    given = list(bound.plan.tried_first.values())
    if number >= len(given):
        return None
    values = fill(bound.plan, given[number], random.Random(bound.plan.search.seed + number))
    return Placement(values=values, role=role, seed_index=0, number=number)
