"""One rule, run on recorded curves in one order: which trials would have ended early, and when."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretune.stopping.replay.curves import HELD_SINCE, Curve, Population
from paretune.stopping.replay.rules import Rule
from paretune.stopping.stopper import EarlyStopper, Entrant, Verdict

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
        count = len(self._entrants)
        numbers = {entrant.label: number for number, entrant in enumerate(self._entrants)}
        upcoming, taken = [0] * count, [0] * count
        ran_on = [False] * count
        begun = iter(order)
        running: list[tuple[int, int, int]] = []
        turn = now = 0
        while True:
            while len(running) < slots:
                label = stopper.promoted()
                if label is not None:
                    stopper.goes_on(label)
                    number = numbers[label]
                else:
                    number = next(begun, -1)
                    if number < 0:
                        break
                    stopper.enter(self._entrants[number])
                turn += 1
                heapq.heappush(running, (now + self._next(number, upcoming) - taken[number], turn, number))
            if not running:
                break
            now, _, number = heapq.heappop(running)
            events, label = self._events[number], self._entrants[number].label
            if upcoming[number] == len(events):
                taken[number], last = self._lasts[number]
                ran_on[number] = True
                stopper.ended(label, last)
                continue
            taken[number], row = events[upcoming[number]]
            upcoming[number] += 1
            if stopper.reported(label, row) == Verdict.CONTINUE:
                turn += 1
                heapq.heappush(running, (now + self._next(number, upcoming) - taken[number], turn, number))
        chances = [np.nan] * count
        if self._model.reserve:
            chances = [stopper.standing(entrant.label).kept_chance or np.nan for entrant in self._entrants]
        return Fates(
            ran_on=np.array(ran_on), steps=np.array(taken), kept_chance=np.array(chances, dtype=float)
        )

    def _next(self, number: int, upcoming: Sequence[int]) -> int:
        """Return the step of a trial's next report that matters."""
        events = self._events[number]
        place = upcoming[number]
        return events[place][0] if place < len(events) else self._lasts[number][0]


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
