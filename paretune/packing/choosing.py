"""From what was measured to the shares of a device: arithmetic, without a device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from paretune.packing.profiles import Device, Profile
from paretune.plan.slots import Shares

DIFFERENT = 4.0
"""Sizes that differ by more than this factor may get different shares."""

LONG_SECONDS = 60.0
"""Seconds of a trial from which sizes may get different shares. A free worker takes a trial of its own share
only, else another is started; for a trial of seconds that takes longer than the trial."""

AS_GOOD = 0.97
"""The share of the best throughput that counts as the best: fewer trials at a time end sooner each."""

MOST = 64
"""Trials that share a device at most."""

_ENDLESS = math.inf
"""Where the last share's sizes end."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The shares that a search gives its trials, and why."""

    shares: Shares
    reason: str


def choose(profiles: Sequence[Profile], device: Device) -> Choice:
    """Return the shares with the best total throughput that fit.

    Where sizes differ by more than :data:`DIFFERENT`, and trials are long, each configuration gets the share
    that is best for the measured one nearest to it in size, if its memory fits. Else all get the one
    with the best throughput on average over what was measured.

    Args:
        profiles: what was measured, at least one configuration, each alone at least.
        device: what they were measured on.
    """
    ordered = sorted(profiles, key=lambda one: one.size)
    wanted = [_best(one, device) for one in ordered]
    factor = ordered[-1].size / max(ordered[0].size, 1e-9)
    if factor <= DIFFERENT:
        told = "sizes are" if len(ordered) > 1 else "all configurations are"
        near = f"within a factor of {DIFFERENT:g}" if len(ordered) > 1 else "of one size"
        return _same(ordered, device, f"{told} {near}, so all trials get the same share")
    differ = f"sizes differ by a factor of {factor:.3g}"
    middle = len(ordered) // 2
    seconds = ordered[middle].seconds(wanted[middle])
    if len({*wanted}) > 1 and seconds < LONG_SECONDS:
        short = f"a trial in the middle takes {seconds:.2g} s, and a worker takes trials of one share only"
        return _same(ordered, device, f"{differ}, but {short}, so all get the same")
    if len({*wanted}) > 1 and (shares := _by_size(ordered, wanted, device)).differ:
        measured = ordered[-1].memory / max(ordered[0].memory, 1)
        return Choice(shares=shares, reason=f"{differ}, memory by {measured:.3g}: shares go by size")
    return _same(ordered, device, f"{differ}, and one share is best for all")


def _best(profile: Profile, device: Device) -> int:
    """Return how many of a configuration train most together: the fewest that do."""
    fitting = [pack for pack in profile.packs if device.holds(pack.at_a_time, profile.memory)]
    if not fitting:
        return 1
    most = max(pack.steps for pack in fitting)
    return min(pack.at_a_time for pack in fitting if pack.steps >= AS_GOOD * most)


def _same(ordered: Sequence[Profile], device: Device, reason: str) -> Choice:
    """Return the one share whose throughput, relative to each configuration's best, is best on average."""
    numbers = sorted({pack.at_a_time for one in ordered for pack in one.packs})
    memory = max(one.memory for one in ordered)
    fitting = [number for number in numbers if device.holds(number, memory) and _all_hold(ordered, number)]
    scores = {number: _relative(ordered, number) for number in fitting or [1]}
    good = [number for number, score in scores.items() if score >= AS_GOOD * max(scores.values())]
    return Choice(shares=Shares(by_size=((None, 1 / min(good)),)), reason=reason)


def _all_hold(ordered: Sequence[Profile], number: int) -> bool:
    return all(one.may_hold_more or number <= one.packs[-1].at_a_time for one in ordered)


def _relative(ordered: Sequence[Profile], number: int) -> float:
    """Return the geometric mean of the throughputs of so many at a time, each as a share of the best."""
    logarithms = []
    for one in ordered:
        # Where more at a time gained nothing, more still were not measured.
        at = [pack for pack in one.packs if pack.at_a_time <= number][-1]
        logarithms.append(math.log(max(at.steps, 1e-12) / max(max(p.steps for p in one.packs), 1e-12)))
    return math.exp(sum(logarithms) / len(logarithms))


def _by_size(ordered: Sequence[Profile], wanted: Sequence[int], device: Device) -> Shares:
    """Return shares by size: as many at a time as is best for the nearest size, and as fit."""
    # As many as of a larger one can share it in any case: where fewer were best, more cost next to nothing.
    numbers = [max(wanted[place:]) for place in range(len(wanted))]
    sizes = [one.size for one in ordered]
    borders = [math.sqrt(a * b) for a, b in pairwise(sizes)] + [_ENDLESS]
    steps: list[tuple[float, int]] = []
    number = max(numbers)
    while number >= 1:
        by_speed = max((to for to, best in zip(borders, numbers, strict=True) if best >= number), default=0.0)
        up_to = _ENDLESS if number == 1 else min(by_speed, _largest(ordered, number, device))
        if up_to > (steps[-1][0] if steps else 0.0):
            steps.append((up_to, number))
        if up_to == _ENDLESS:
            break
        number //= 2
    return Shares(
        by_size=tuple((None if up_to == _ENDLESS else up_to, 1 / number) for up_to, number in steps)
    )


def _largest(ordered: Sequence[Profile], number: int, device: Device) -> float:
    """Return the largest size of which so many fit, by what was measured around it."""
    low, high = 0.0, ordered[-1].size
    if device.holds(number, memory_at(ordered, high)):
        return _ENDLESS  # the largest stands for all that is larger, of which there is next to nothing
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if device.holds(number, memory_at(ordered, middle)) else (low, middle)
    return low


def memory_at(ordered: Sequence[Profile], size: float) -> float:
    """Return the memory of a trial of a size: between measured ones in a line."""
    if size <= ordered[0].size:
        return float(ordered[0].memory)
    for smaller, larger in pairwise(ordered):
        if size <= larger.size:
            part = (size - smaller.size) / max(larger.size - smaller.size, 1e-9)
            return smaller.memory + part * max(larger.memory - smaller.memory, 0)
    return float(ordered[-1].memory)
