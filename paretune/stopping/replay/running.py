"""One rule, run on recorded curves in one order: which trials would have ended early, and when."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretune.stopping.replay.curves import Curve, Population
from paretune.stopping.replay.rules import Rule
from paretune.stopping.stopper import HELD_SINCE, EarlyStopper, Entrant, Verdict

_Event = tuple[int, Mapping[str, Any]]
"""A step of a trial, with what it reports there."""


@dataclass(frozen=True, kw_only=True)
class Fates:
    """What became of each trial under a rule; every array has the shape (n,)."""

    ran_on: NDArray[np.bool_]
    """Whether it came to its own end."""
    steps: NDArray[np.int64]
    """Steps that it took."""
    kept_chance: NDArray[np.float64]
    """The chance with which it ran on below the cut; NaN where it did not do so by lot."""


class Replay:
    """A rule on the curves of one search, to be run in many orders.

    Args:
        population: the curves.
        rule: the rule.
        reserve: share of the trials that are never stopped, by lot.
    """

    def __init__(self, population: Population, rule: Rule, reserve: float = 0.0) -> None:
        self._model = rule.model(reserve)
        self._marks = rule.rungs
        self._edges = rule.edges(population)
        self._entrants = []
        self._events: list[list[_Event]] = []
        self._lasts: list[_Event] = []
        for curve in population.curves:
            at = rule.report_at(curve)
            self._entrants.append(Entrant(label=curve.label, params=curve.params, report_at=at))
            self._events.append(_arrivals(curve, rule.metric, at))
            last = {"step": curve.steps, "ending": curve.ending}
            if rule.metric in curve.values:
                last[rule.metric] = float(curve.values[rule.metric][-1])
            self._lasts.append((curve.steps, last))

    def run(self, order: Sequence[int], slots: int = 1, seed: int = 0) -> Fates:
        """Run all trials under the rule.

        A paused trial that is above the cut by now goes on before a new one begins. Once all were begun and
        none goes on any more, the search is over, and those that are paused end.

        Args:
            order: numbers of the trials, in the order in which they begin.
            slots: how many run side by side, all equally fast.
            seed: of the lots, if a share is never stopped.
        """
        stopper = EarlyStopper(self._model, self._marks, self._edges, seed)
        course = _Course(stopper, self._entrants, self._events, self._lasts, order)
        if slots == 1:
            while (number := course.begins()) is not None:
                while course.goes_on(number):
                    pass
        else:
            self._side_by_side(course, slots)
        chances = [np.nan] * len(self._entrants)
        if self._model.reserve:
            chances = [stopper.standing(entrant.label).kept_chance or np.nan for entrant in self._entrants]
        return Fates(
            ran_on=np.array(course.ran_on),
            steps=np.array(course.taken),
            kept_chance=np.array(chances, dtype=float),
        )

    @staticmethod
    def _side_by_side(course: _Course, slots: int) -> None:
        """Run all trials, so many at a time; of reports at one time the oldest comes first."""
        running: list[tuple[int, int, int]] = []
        turn = now = 0
        while True:
            while len(running) < slots and (number := course.begins()) is not None:
                turn += 1
                heapq.heappush(running, (now + course.until_report(number), turn, number))
            if not running:
                return
            now, _, number = heapq.heappop(running)
            if course.goes_on(number):
                turn += 1
                heapq.heappush(running, (now + course.until_report(number), turn, number))


class _Course:
    """How far each trial has come, from one report that matters to the next."""

    def __init__(
        self,
        stopper: EarlyStopper,
        entrants: Sequence[Entrant],
        events: Sequence[Sequence[_Event]],
        lasts: Sequence[_Event],
        order: Sequence[int],
    ) -> None:
        self._stopper = stopper
        self._entrants = entrants
        self._events = events
        self._lasts = lasts
        self._begun = iter(order)
        self._numbers = {entrant.label: number for number, entrant in enumerate(entrants)}
        self._upcoming = [0] * len(entrants)
        self.taken = [0] * len(entrants)
        """Steps that each trial has taken."""
        self.ran_on = [False] * len(entrants)
        """Which trials came to their own end."""

    def begins(self) -> int | None:
        """Let a trial begin, or one that was paused go on; return its number, None if there is none."""
        label = self._stopper.promoted()
        if label is not None:
            self._stopper.goes_on(label)
            return self._numbers[label]
        number = next(self._begun, None)
        if number is not None:
            self._stopper.enter(self._entrants[number])
        return number

    def goes_on(self, number: int) -> bool:
        """Take a trial to its next report, and return whether it goes on from there."""
        events, place = self._events[number], self._upcoming[number]
        label = self._entrants[number].label
        if place == len(events):
            self.taken[number], last = self._lasts[number]
            self.ran_on[number] = True
            self._stopper.ended(label, last)
            return False
        self.taken[number], row = events[place]
        self._upcoming[number] = place + 1
        return self._stopper.reported(label, row) == Verdict.CONTINUE

    def until_report(self, number: int) -> int:
        """Return how many steps a trial takes to its next report."""
        events, place = self._events[number], self._upcoming[number]
        step = events[place][0] if place < len(events) else self._lasts[number][0]
        return step - self.taken[number]


def _arrivals(curve: Curve, metric: str, at: Sequence[int]) -> list[_Event]:
    """Return the reports with which a trial comes to rungs: at each the first that knows the metric.

    The report of its end comes to none. A rung without a report before the next rung stays empty.
    """
    values = curve.values.get(metric)
    if values is None:
        return []
    found: list[_Event] = []
    # By the last rung passed, as the stopper counts; of rungs at one step only the last is ever come to.
    passed = np.searchsorted(at, curve.at[:-1], "right")
    for rung in range(1, len(at) + 1):
        here = np.flatnonzero((passed == rung) & np.isfinite(values[:-1]))
        if len(here):
            place = here[0]
            row: dict[str, Any] = {"step": int(curve.at[place]), metric: float(values[place])}
            if curve.held[place]:
                row[HELD_SINCE] = row["step"]
            found.append((row["step"], row))
    return found
