"""What was measured of a device and of configurations on it, as values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

_FINITE = ConfigDict(allow_inf_nan=False)

MARGIN = 0.15
"""What is left free beside the trials of a device, as a share of what they need: memory is fragmented, and
evaluations at a trial's end may need more."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """One of the devices that trials share, all of which are alike."""

    kind: Literal["cuda", "cpu"]
    name: str
    memory: int
    """Bytes."""
    count: int = 1
    """Such devices in the machine."""
    cores: float = 1.0
    """Processor cores for the trials of each."""
    by: str | None = None
    """How processes share it: CUDA MPS or time slicing; None of a processor."""

    def holds(self, at_a_time: int, memory: float) -> bool:
        """Tell whether so many trials fit, each of which needs so many bytes at its peak."""
        return at_a_time * memory * (1 + MARGIN) <= self.memory


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Trials of one configuration that trained beside each other on one device."""

    __pydantic_config__ = _FINITE

    at_a_time: int
    steps: float
    """Training steps per second, of all together."""
    memory: int
    """Bytes of one of them at its peak, with all that its process needs on the device."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What was measured of one configuration."""

    __pydantic_config__ = _FINITE

    name: str
    """Which one of the space it is: largest, median or smallest."""
    params: int
    batch: int
    size: float
    """Its size as predicted, see :func:`paretune.plan.slots.size_of`."""
    budget: float
    """Steps of a whole trial."""
    packs: Annotated[tuple[Pack, ...], Field(min_length=1)]
    """From one at a time on, each twice as many as the one before."""
    ends: str
    """Why no more of them were measured at a time."""
    may_hold_more: bool = True
    """Whether more might fit: it was not for want of room that no more were measured."""

    def seconds(self, at_a_time: int) -> float:
        """Return how long a trial takes that uses its budget, beside so many or the nearest fewer of them."""
        at = [pack for pack in self.packs if pack.at_a_time <= at_a_time][-1]
        return self.budget * at.at_a_time / max(at.steps, 1e-12)

    @property
    def memory(self) -> int:
        """Bytes of a trial at its peak: the most of all that was measured."""
        return max(pack.memory for pack in self.packs)


def profile_of(record: Any) -> Profile:
    """Return the profile that :func:`record_of` made these values from.

    Raises:
        ValueError: they are none; a file of others may hold anything.
    """
    return _PROFILE.validate_python(record)


_PROFILE = TypeAdapter(Profile)


def record_of(profile: Profile) -> dict[str, Any]:
    """Return a profile as plain values."""
    return {**asdict(profile), "packs": [asdict(pack) for pack in profile.packs]}
