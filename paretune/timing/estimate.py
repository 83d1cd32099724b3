"""The time that a plan takes on this machine, measured and told."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from analysis.text import duration, plural
from paretune.plan.binding import BoundPlan
from paretune.timing.costs import Costly, spread, stand_ins
from paretune.timing.forecast import Range, Simulation, Slots
from paretune.timing.measuring import MOST_SECONDS, Measurement, measure
from paretune.timing.slots import cores_here, slots_here
from paretune.timing.spans import about
from paretune.timing.times import TrialTimes

MEASURED = 6
"""Configurations that are measured, as far as there is time."""

_START_UPS = 6.0
"""The start of a search, Ray's included, in units of the start of a process that imports torch; see
``benchmarks/start_up.py``."""

_USUAL_START_UP = 12.0
"""Seconds of it where that was not measured."""

_CLOSING, _CLOSINGS, USUAL_CLOSING = 3.0, 1.2, 6.0
"""The end of a search, from its last trial to its answer: seconds, more in units of the start of a process,
and all where that was not measured."""


_UNCERTAIN, _BY_LOAD, _MOST_UNCERTAIN = 0.1, 0.05, 0.4
"""How far all times may be off together, as a standard deviation of the logarithm: on a free machine, more
for each program that waits for a core, and at most."""

BUSY = 1.5
"""A load for each core from which forecasts are rough."""


@dataclass(frozen=True, kw_only=True)
class Clocked:
    """A plan with what was measured of it."""

    bound: BoundPlan
    stands: tuple[Costly, ...]
    measurement: Measurement
    times: TrialTimes
    slots: Slots
    load: float = 0.0
    """Programs that wanted a core before anything was measured, as multiples of the cores."""

    def of(self, bound: BoundPlan) -> Clocked:
        """Return the same for the plan with other numbers of trials and seeds."""
        return replace(self, bound=bound)

    @property
    def closing(self) -> float:
        """Seconds from the last trial to the end of the command."""
        ready = self.measurement.ready
        return _CLOSING + _CLOSINGS * ready if ready else USUAL_CLOSING

    @property
    def simulation(self) -> Simulation:
        """Searches of the plan, as they may go."""
        plan = self.bound.plan
        return Simulation(
            self.times.of(self.stands),
            first=len(plan.tried_first),
            is_list=bool(plan.only),
            seeds=plan.search.first_seeds,
            slots=self.slots,
        )


@dataclass(frozen=True, kw_only=True)
class TimeEstimate:
    """How long a search would take on this machine, as ``paretune check --time`` tells it.

    >>> import paretune
    >>> time = paretune.TimeEstimate(
    ...     seconds=700, low=640, high=800, at_a_time=2, start_up=10, ends_early=False, has_question=False,
    ...     measured=6, measuring=4.3, load=0.2, error=0.12,
    ... )
    >>> dict(time.sentences)["time"]
    'about 12 min (11 min to 13 min) on this machine, 2 trials at a time, 10 s of start-up'
    """

    seconds: float
    """From the command to the end, where every trial uses its whole budget."""
    low: float
    """Of ten simulated searches, one is shorter."""
    high: float
    """Of ten simulated searches, one is longer."""
    at_a_time: int
    """Trials at a time."""
    start_up: float
    """Seconds of it until the first trial begins."""
    ends_early: bool
    """Whether trials can end before their budgets do, at the target or by early stopping, so that a search
    is likely to be shorter."""
    has_question: bool
    """Whether the search ends with an answer, which may need fewer trials."""
    measured: int
    """Configurations that were measured."""
    measuring: float
    """Seconds that measuring took."""
    load: float
    """Programs that wanted a core before anything was measured, as multiples of the cores."""
    error: float | None
    """Error of a measured configuration predicted from the others, as a share; None with fewer than four."""

    @property
    def sentences(self) -> list[tuple[str, str]]:
        """What it says, as pairs of a name and a text."""
        most = "at most about" if self.ends_early else "about"
        told = f"{most} {about(self.seconds)} ({about(self.low)} to {about(self.high)}) on this machine"
        beside = f"{plural(self.at_a_time, 'trial')} at a time, {duration(self.start_up)} of start-up"
        reasons = ["trials that reach the target or are stopped early end sooner"] * self.ends_early
        reasons += ["the search ends once its question is answered"] * self.has_question
        error = "" if self.error is None else f"; each from the others to within {100 * self.error:.0f} %"
        reasons += [f"this is rough, as {told_load(self.load)}"] * (self.load > BUSY)
        return [
            ("time", "; ".join([f"{told}, {beside}", *reasons])),
            ("measured", f"{plural(self.measured, 'configuration')} in {duration(self.measuring)}{error}"),
        ]


def told_load(load: float) -> str:
    """Say how busy a machine is."""
    return f"the machine is busy with other work, a load of {load:.0f} for each core"


def clocked(bound: BoundPlan, *, seconds: float = MOST_SECONDS) -> Clocked:
    """Measure a few configurations of a plan on this machine.

    Args:
        bound: the plan.
        seconds: how long that may take.
    """
    load = os.getloadavg()[0] / cores_here()
    stands = stand_ins(bound)
    at_a_time = slots_here(bound)
    measurement = measure(bound, spread(stands, MEASURED), at_a_time=at_a_time, seconds=seconds)
    ready = measurement.ready
    return Clocked(
        bound=bound,
        stands=tuple(stands),
        measurement=measurement,
        times=TrialTimes(stands, measurement),
        slots=Slots(
            count=at_a_time,
            start_up=_START_UPS * ready if ready else _USUAL_START_UP,
            uncertainty=min(_UNCERTAIN + _BY_LOAD * max(load - 1.0, 0.0), _MOST_UNCERTAIN),
        ),
        load=load,
    )


def estimate_of(clock: Clocked) -> TimeEstimate:
    """Return how long the whole search takes; something was measured."""
    plan = clock.bound.plan
    seconds: Range = clock.simulation.seconds(-(-plan.trials // plan.search.first_seeds))
    return TimeEstimate(
        seconds=seconds.value,
        low=seconds.low,
        high=seconds.high,
        at_a_time=clock.slots.count,
        start_up=clock.slots.start_up,
        ends_early=ends_early(clock),
        has_question=plan.question is not None,
        measured=len(clock.measurement.found),
        measuring=clock.measurement.seconds,
        load=clock.load,
        error=clock.times.error,
    )


def ends_early(clock: Clocked) -> bool:
    """Tell whether trials can end before their budgets do."""
    plan = clock.bound.plan
    by_target = plan.target is not None and plan.stop_at_target
    has_patience = any(one.config.get("patience") is not None for one in clock.stands)
    return by_target or plan.early_stopping is not None or has_patience
