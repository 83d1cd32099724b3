"""What was measured of a device, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paretune.packing.profiles import Device, Profile
from paretune.plan.binding import written
from paretune.plan.slots import Shares

_HEAD = (
    "configuration",
    "parameters",
    "batch",
    "predicted",
    "at a time",
    "steps/s together",
    "memory of each",
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A titled table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def table_of(profiles: Sequence[Profile], shares: Shares, device: Device) -> Table:
    """Return a row for each measurement, and which of them is what a search uses."""
    rows = []
    for profile in profiles:
        chosen = shares.of(profile.size)
        for pack in profile.packs:
            is_last = pack is profile.packs[-1]
            note = ["chosen"] * (round(1 / chosen) == pack.at_a_time) + [profile.ends] * is_last
            rows.append(
                (
                    profile.name,
                    f"{profile.params:,}",
                    f"{profile.batch:,}",
                    written("memory", profile.size),
                    str(pack.at_a_time),
                    f"{pack.steps:,.4g}" if pack.steps < 1000 else f"{pack.steps:,.0f}",
                    written("memory", pack.memory),
                    "; ".join(note),
                )
            )
    title = f"Trials beside each other on {device.name}, {written('memory', device.memory)}"
    by = "" if device.by is None else f", by {device.by}"
    return Table(title=title + by, columns=(*_HEAD, ""), rows=tuple(rows))
