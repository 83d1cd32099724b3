"""Which configurations are measured, how many of them at a time, and what is chosen then."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from pydantic import ValidationError

from paretune.packing.choosing import MOST, Choice, choose
from paretune.packing.measuring import Measures, PackError
from paretune.packing.profiles import Device, Pack, Profile
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import size_of
from paretune.timing.costs import Costly, costly_of, stand_ins
from search_spaces.sampling import corners
from trainables.config import TrainingConfig
from trainables.machines.demand import StatesDemand

MEDIAN = "median"
"""What the configuration in the middle is called."""

MOST_SECONDS = 150.0
"""So long after it began no further measurement is begun."""

_CORNERS = 200
"""Configurations at the ends of a space that are looked at."""

_GAIN = 1.05
"""As many times the throughput twice as many trials must have for still more to be tried."""


def candidates(bound: BoundPlan) -> list[tuple[str, Costly, float]]:
    """Return the configurations to measure, each with what it is and its predicted size, small ones first.

    They are the largest of the space, the smallest, and the median of those that a search may train.
    """
    stands = stand_ins(bound)
    drawn = {one.key: one for one in stands}
    every = {**drawn, **{one.key: one for one in _at_ends(bound)}}
    sizes = {key: size_of(bound.task, _config(bound, one)) for key, one in every.items()}
    ordered = sorted(every, key=lambda key: (sizes[key], every[key].params, key))
    inner = sorted(drawn, key=lambda key: (sizes[key], every[key].params, key))
    chosen = {ordered[0]: "smallest", inner[len(inner) // 2]: MEDIAN, ordered[-1]: "largest"}
    if len(chosen) == 1:
        chosen = {ordered[0]: "all"}
    return [(chosen[key], every[key], sizes[key]) for key in sorted(chosen, key=sizes.__getitem__)]


def _at_ends(bound: BoundPlan) -> list[Costly]:
    """Return configurations at the ends of a space, where its sizes have their extremes."""
    if bound.plan.only:
        return []
    fields = bound.task.size_fields | {"batch"}
    if isinstance(bound.task, StatesDemand):
        fields |= bound.task.demand_fields
    found = []
    for values in corners(bound.plan, fields, random.Random(0), _CORNERS):
        with suppress(ValidationError):
            if bound.refusal(values) is None:
                found.append(costly_of(bound, values))
    return found


def decide(
    bound: BoundPlan,
    device: Device,
    measure: Measures,
    *,
    seconds: float = MOST_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Choice, list[Profile]]:
    """Measure the candidates alone and packed, and choose.

    Raises:
        PackError: not even one configuration can train alone.
    """
    until = clock() + seconds
    most = _most(bound, device)
    profiles: list[Profile] = []
    failed: PackError | None = None
    for name, costly, size in candidates(bound):
        try:
            packs, ends, may_hold_more = _measured(costly, device, measure, most, lambda: clock() < until)
        except PackError as error:
            # One that does not fit alone fails in the search too, and says so there.
            failed = error
            continue
        profiles.append(
            Profile(
                name=name,
                params=costly.params,
                batch=costly.batch,
                size=size,
                budget=costly.steps,
                packs=tuple(packs),
                ends=ends,
                may_hold_more=may_hold_more,
            )
        )
    if not profiles:
        assert failed is not None
        raise failed
    return choose(profiles, device), profiles


def _measured(
    costly: Costly, device: Device, measure: Measures, most: int, has_time: Callable[[], bool]
) -> tuple[Sequence[Pack], str, bool]:
    """Return what was measured of a configuration, why no more, and whether more might fit.

    Raises:
        PackError: it cannot train alone.
    """
    packs = [measure(costly, 1)]
    number = 2
    while number <= most:
        best = max(pack.steps for pack in packs)
        if len(packs) > 1 and packs[-1].steps < _GAIN * packs[-2].steps:
            return packs, "more gain nothing" if packs[-1].steps >= best else "more are slower", True
        if not device.holds(number, max(pack.memory for pack in packs)):
            return packs, f"memory for {number} is not there", False
        if not has_time():
            return packs, "its time was over", True
        try:
            packs.append(measure(costly, number))
        except PackError as error:
            return packs, f"{number} did not train: {error}", not error.for_memory
        number *= 2
    return packs, "as many as there are cores for, or were asked for", True


def _most(bound: BoundPlan, device: Device) -> int:
    """Return how many trials a device may get at a time, by their cores and by what was asked for."""
    plan = bound.plan
    by_cores = int(device.cores / plan.resources.cpu + 1e-9)
    asked = plan.search.concurrency
    by_wish = MOST if asked is None else -(-asked // device.count)
    return max(1, min(by_cores, by_wish, MOST))


def _config(bound: BoundPlan, costly: Costly) -> TrainingConfig:
    return bound.task.config_class.model_validate(costly.config)
