"""Time spans, read as people type them (``2h``, ``90min``, ``1h30min``), and written as far as known."""

from __future__ import annotations

import math
import re

from analysis.text import duration, roughly
from paretune.errors import InputError

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_MEANT = {
    "sec": "s", "second": "s", "seconds": "s", "m": "min", "mins": "min", "minute": "min", "minutes": "min",
    "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "day": "d", "days": "d",
}  # fmt: skip
_ACCEPTED = "accepted are s, min, h and d with a number each, such as 90min, 2h or 1h30min"


def seconds_of(span: str | float, *, name: str = "within") -> float:
    """Return the seconds of a time span.

    Args:
        span: a text such as ``1h30min``, or seconds.
        name: how an error names it.

    Raises:
        InputError: it is no time span, or nothing, or without end.
    """
    seconds = _parsed(span, name) if isinstance(span, str) else float(span)
    if not math.isfinite(seconds) or seconds <= 0:
        raise InputError(f"{name} must be longer than nothing, and end, but got {span}; {_ACCEPTED}")
    return seconds


def _parsed(text: str, name: str) -> float:
    left, seconds, units = text.strip().lower(), 0.0, []
    while (part := _PART.match(left)) is not None:
        number, unit = part.groups()
        if unit not in _UNITS:
            meant = f"; did you mean {number}{_MEANT[unit]}?" if unit in _MEANT else ""
            raise InputError(f"{name}: got {text!r}, but {unit} is no unit{meant or f'; {_ACCEPTED}'}")
        units.append(unit)
        seconds += float(number) * _UNITS[unit]
        left = left[part.end() :]
    sizes = [_UNITS[unit] for unit in units]
    if left or not units or sizes != sorted(set(sizes), reverse=True):
        if re.fullmatch(r"[\d.]+", text.strip()):
            raise InputError(f"{name}: got {text!r} without a unit; is it {text}s, {text}min or {text}h?")
        raise InputError(f"{name}: got {text!r}, which is no time span; {_ACCEPTED}")
    return seconds


def about(seconds: float) -> str:
    """Write an expected time span: ``50 s``, ``1 min 40 s``, ``12 min``."""
    if seconds >= 600:
        return roughly(seconds)
    grain = 5 if seconds < 60 else 10
    return duration(max(grain * round(seconds / grain), grain)).removesuffix(" 00 s")
