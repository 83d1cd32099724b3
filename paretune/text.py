"""Numbers and time spans as people want to read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def duration(seconds: float) -> str:
    """Write a time span: ``0.4 s``, ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if 0 < seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def number(value: Any) -> str:
    """Write a metric with four significant digits; missing stays a dash."""
    return "-" if value is None else f"{value:.4g}"


def values_text(values: Mapping[str, Any]) -> str:
    """Write parameters in one line: ``d_model=16 lr=0.02``."""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    # Data frames turn whole numbers into floats where other rows have none.
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"
