"""Numbers and time spans as people want to read them."""

from __future__ import annotations

from typing import Any


def duration(seconds: float) -> str:
    """Write a time span: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def number(value: Any) -> str:
    """Write a metric with four significant digits; missing stays a dash."""
    return "-" if value is None else f"{value:.4g}"


def number_or_text(value: Any) -> str:
    """Write a parameter's value in a table: floats short, the rest as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
