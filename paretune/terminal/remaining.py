"""How long a search will still take, judged by what its trials took so far; no clock and no Ray here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

_BINS = 100
"""Shares of a budget are counted in whole percents: an estimate costs the same after 10,000 trials."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a trial has done in this session."""

    budget: int
    """Steps that it may take."""
    begun_at: int
    """Steps that it had taken before this session."""
    step: int
    """Steps that it has taken."""
    seconds: float
    """Elapsed time from its start to its last report."""
    silent: float = 0.0
    """Elapsed time since then."""
    pace: float | None = None
    """Its seconds per step since its first report; None before its second. What comes before the first is in
    part the start of a process."""

    @property
    def steps(self) -> int:
        """Steps that it has taken in this session."""
        return max(self.step - self.begun_at, 0)

    @property
    def percent(self) -> int:
        """Whole percents of its budget that it has taken."""
        return percent_of(self.step, self.budget)


def percent_of(step: int, budget: int) -> int:
    """Return how many whole percents of a budget a step is."""
    return min(_BINS * step // budget, _BINS)


class Lengths:
    """At which share of their budgets trials end: Kaplan and Meier's estimate, running ones being censored.

    Without the running ones it would be far too short at first: those that end first are those stopped
    early.

    Args:
        ended: the percents at which trials have ended, counted.
        running: the percents that the running ones have reached.
    """

    def __init__(self, ended: Counter[int], running: Sequence[int]) -> None:
        now = Counter(running)
        counts = [ended[percent] + now[percent] for percent in range(_BINS + 1)]
        at_risk = list(accumulate(reversed(counts)))[::-1]
        # Of those that come as far as a percent, the share that is not ended there.
        self._kept = [
            1 - ended[percent] / at_risk[percent] if ended[percent] else 1.0 for percent in range(_BINS)
        ]
        self._kept.append(1.0)

    def expected(self, reached: int | None = None) -> float:
        """Return the share of its budget that a trial takes.

        Args:
            reached: the percents that it has taken already; None if it has not begun.
        """
        kept = 1.0 if reached is not None else self._kept[0]
        begin = reached or 0
        total = float(begin)
        for percent in range(begin, _BINS):
            total += kept
            kept *= self._kept[percent + 1]
        return total / _BINS


def seconds_left(
    done: tuple[int, float],
    running: Sequence[Work],
    lengths: Lengths,
    *,
    to_begin: int,
    budget: float,
    elapsed: float,
) -> float | None:
    """Estimate the elapsed time until a search ends; None before a step is known.

    Each running trial is expected to need its own seconds per step, each of the others the mean of all; as
    many run at a time as did so far. The search lasts at least as long as the longest of those that run.

    Args:
        done: steps, and seconds of trials, of all that this session has ended.
        running: the trials that run.
        lengths: at which share of their budgets trials end.
        to_begin: trials that have not begun.
        budget: steps that one of them may take, on average.
        elapsed: seconds since this session's first trial was started.
    """
    steps = done[0] + sum(work.steps for work in running)
    busy = done[1] + sum(work.seconds for work in running)
    if not steps or elapsed <= 0:
        return None
    pace = busy / steps
    rests = [_rest(work, lengths, pace) for work in running]
    at_a_time = (busy + sum(work.silent for work in running)) / elapsed
    whole = budget * lengths.expected() * pace
    return max((sum(rests) + to_begin * whole) / at_a_time, *rests, 0.0)


def _rest(work: Work, lengths: Lengths, pace: float) -> float:
    own = pace if work.pace is None else work.pace
    steps = work.budget * lengths.expected(work.percent) - work.step
    return max(own * steps - work.silent, 0.0)
