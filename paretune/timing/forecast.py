"""How long a search takes, and how much of it fits into a time: simulated, trial after trial on its slots."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretune.timing.times import TrialTime

_SIMULATIONS = 60
_LOW, _MIDDLE, _HIGH = 0.1, 0.5, 0.9


@dataclass(frozen=True, kw_only=True)
class Range:
    """A number that is not known exactly: 8 of 10 simulated searches lie between ``low`` and ``high``."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Slots:
    """Where trials run."""

    count: int
    """Trials at a time."""
    start_up: float
    """Seconds until the first one begins."""
    uncertainty: float = 0.1
    """Standard deviation of the logarithm of what all trials share: how busy the machine will be."""


class Simulation:
    """Searches of a plan, as they may go: of configurations drawn from those that stand for its space.

    Args:
        times: what a trial of each of them takes, those tried first at the beginning.
        first: how many of these come first, in their order.
        is_list: whether they are all there are, in their order.
        seeds: trials of each configuration.
        slots: where they run.
    """

    def __init__(
        self, times: Sequence[TrialTime], *, first: int, is_list: bool, seeds: int, slots: Slots
    ) -> None:
        self._times = list(times)
        self._first = first
        self._is_list = is_list
        self._seeds = seeds
        self._slots = slots

    def with_seeds(self, seeds: int) -> Simulation:
        """Return the same searches with another number of seeds."""
        return Simulation(
            self._times, first=self._first, is_list=self._is_list, seeds=seeds, slots=self._slots
        )

    def seconds(self, configurations: int) -> Range:
        """Return the seconds of a search of so many configurations whose trials use their budgets."""
        ends = [max(self._ends(run, configurations)) for run in range(_SIMULATIONS)]
        return _range_of(ends)

    def trials(self, configurations: int, seconds: float) -> Range:
        """Return how many trials of at most so many configurations, with all their seeds, end in a time."""
        counts = []
        for run in range(_SIMULATIONS):
            ends = np.array(self._ends(run, configurations, seconds)).reshape(-1, self._seeds)
            counts.append(float(self._seeds * (ends.max(axis=1) <= seconds).sum()) if ends.size else 0.0)
        return _range_of(counts)

    def _ends(self, run: int, configurations: int, until: float = np.inf) -> list[float]:
        """Return when each trial ends in one simulated search, up to the first configuration that is late."""
        rng = np.random.default_rng(run)
        common = float(np.exp(rng.normal(0.0, self._slots.uncertainty)))
        free = [self._slots.start_up] * self._slots.count
        compiled: dict[str, float] = {}
        ends: list[float] = []
        for number in range(configurations):
            if number < self._first or self._is_list:
                time = self._times[number % len(self._times)]
            else:
                time = self._times[int(rng.integers(len(self._times)))]
            for _ in range(self._seeds):
                at = heapq.heappop(free)
                own = common * float(np.exp(rng.normal(0.0, time.deviation)))
                if time.compiles is not None:
                    # Whoever comes second waits until the first has compiled.
                    at = max(at, compiled.setdefault(time.compiles, at + common * time.compiling))
                ends.append(at + own * time.seconds)
                heapq.heappush(free, ends[-1])
            if max(ends[-self._seeds :]) > until:
                break
        return ends


def _range_of(values: Sequence[float]) -> Range:
    low, middle, high = np.quantile(values, [_LOW, _MIDDLE, _HIGH])
    return Range(value=float(middle), low=float(low), high=float(high))
