"""Choices that were made before, kept for the same space on the same kind of device."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from paretune.packing.choosing import MOST, Choice
from paretune.packing.profiles import Device, Profile, profile_of, record_of
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import Shares
from trainables.cache import NoCacheError, cache_folder
from trainables.tasks import TASKS

_VERSION = 1
"""Of how it is measured and chosen: with another one, kept choices do not count."""


def key_of(bound: BoundPlan, device: Device) -> str:
    """Return a text that is equal where a choice can be used again: the space, the task and the device."""
    import torch

    plan = bound.plan
    parts = ("task", "fixed", "space", "derived", "only", "baselines", "try_first", "constraints")
    content = {
        "version": _VERSION,
        "plan": {name: value for name, value in plan.model_dump(mode="json").items() if name in parts},
        "code": _code_of(bound),
        "cpu": plan.resources.cpu,
        "concurrency": plan.search.concurrency,
        "device": [device.kind, device.name, device.memory, device.count, device.cores, device.by],
        "torch": torch.__version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def as_record(
    key: str,
    choice: Choice,
    profiles: Iterable[Profile],
    device: Device,
    *,
    at: str,
    context: int | None = None,
) -> dict[str, Any]:
    """Return all there is to know of a choice as plain values.

    Args:
        key: what it is kept by.
        choice: the choice.
        profiles: what was measured.
        device: of what.
        at: when.
        context: bytes of the device that a process takes besides its tensors; None if not measured.
    """
    return {
        "key": key,
        "at": at,
        "device": device.name,
        "shared_by": device.by,
        "memory": device.memory,
        "context": context,
        "shares": choice.shares.as_record(),
        "reason": choice.reason,
        "measured": [record_of(profile) for profile in profiles],
    }


def of_record(record: Mapping[str, Any]) -> tuple[Choice, list[Profile]]:
    """Return what :func:`as_record` made these values from.

    Raises:
        KeyError, TypeError, ValueError: they are none.
    """
    shares = Shares.of_record(record["shares"])
    if any(not 1 / MOST <= share <= 1 for _, share in shares.by_size):
        raise ValueError(f"{record['shares']} were never measured")
    if not isinstance(record.get("context"), int | None):
        raise ValueError(f"{record['context']} is no number of bytes")
    return Choice(shares=shares, reason=str(record["reason"])), [
        profile_of(one) for one in record["measured"]
    ]


def find(key: str, earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return the record of a choice: of earlier sessions of the search, else the cache's; None if none is.

    One that cannot be read is none.
    """
    for record in (*earlier, _cached(key)):
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            if record is not None and record["key"] == key and of_record(record)[1]:
                return dict(record)
    return None


def keep(record: Mapping[str, Any]) -> None:
    """Keep a choice for later searches, where there is a place for that."""
    with suppress(OSError, NoCacheError):
        path = _path(str(record["key"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(record))
        partial.replace(path)


def _cached(key: str) -> Any:
    with suppress(OSError, NoCacheError, ValueError):
        return json.loads(_path(key).read_text())
    return None


def _path(key: str) -> Path:
    return cache_folder("packing") / f"packing-{key}.json"


def _code_of(bound: BoundPlan) -> str | None:
    """Return a digest of the file of a task that is not built in: with other code, times are others."""
    if bound.plan.task in TASKS:
        return None
    with suppress(OSError, TypeError):
        return hashlib.sha256(Path(inspect.getfile(type(bound.task))).read_bytes()).hexdigest()
    return None
