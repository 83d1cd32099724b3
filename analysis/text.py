"""Numbers and time spans as readable text."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

_NUMBER = re.compile(
    r"-?\d[\d,]*(\.\d+)?(e[+-]?\d+)?"  # 1,053  0.25  1e-05
    r"( of \d[\d,]*| %| s| min( \d\d s)?| h( \d\d min)?)?"  # 2 of 3  20 %  3 min 20 s
)

_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal or turn the order of letters around, and halves that nothing can write."""


def visible(text: str) -> str:
    """Write characters that a terminal would obey, not show, as Python does: an escape becomes ``\\x1b``.

    Ends of lines and tabs stay.
    """
    return _UNSEEN.sub(lambda found: repr(found[0])[1:-1], text)


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


def roughly(seconds: float) -> str:
    """Write an estimated time span, no finer than it can be known: ``50 s``, ``4 min``, ``2 h 10 min``."""
    if seconds < 55:
        return f"{max(10 * math.ceil(seconds / 10), 10)} s"
    if seconds < 3570:
        return f"{max(round(seconds / 60), 1)} min"
    tens = round(seconds / 600)
    if tens >= 60:
        return f"{round(seconds / 3600)} h"
    return f"{tens // 6} h {10 * (tens % 6):02d} min"


def number(value: Any) -> str:
    """Write a metric with four significant digits; missing stays a dash."""
    return "-" if value is None else f"{value:.4g}"


def is_numeric(cells: Sequence[str]) -> bool:
    """Tell whether a column holds numbers, with or without units, and nothing else but what is missing."""
    return bool(cells) and all(cell in ("", "-") or _NUMBER.fullmatch(cell) for cell in cells)


def cell_text(value: Any) -> str:
    """Write a plain value in a table's cell: floats with five digits after the point, the rest as it is."""
    return f"{value:.5f}" if isinstance(value, float) else str(value)


def values_text(values: Mapping[str, Any]) -> str:
    """Write parameters in one line: ``d_model=16 lr=0.02``."""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items())


def values_within(values: Mapping[str, Any], width: int, *, left_out: Collection[str] = ()) -> str:
    """Write parameters in one line of at most so many characters: ``d_model=16 lr=0.02 +12 more``.

    Args:
        values: the parameters.
        width: characters; where not even one parameter fits, only how many there are is said.
        left_out: those that are not written if not all fit.
    """
    whole = values_text(values)
    if len(whole) <= width:
        return whole
    parts: list[str] = []
    for name, value in values.items():
        more = f"+{len(values) - len(parts) - 1} more"
        if name in left_out:
            continue
        part = values_text({name: value})
        if len(" ".join([*parts, part, more])) > width:
            break
        parts.append(part)
    return " ".join([*parts, f"+{len(values) - len(parts)} more"])


def _value(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    # Data frames turn whole numbers into floats where other rows have none.
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.3g}"


def amount(value: float, unit: str = "") -> str:
    """Write a count or cost with its unit: ``1,053 parameters``, ``12 s``, ``0.0213``; missing stays a
    dash."""
    if value is None or value != value:
        return "-"
    if math.isinf(value):
        return "without bound" if value > 0 else "nothing"
    if unit == "s":
        return duration(value)
    if unit == "share":
        return rounded_percent(value)
    written = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{written} {unit}" if unit and unit != "1" else written


def rounded_percent(share: float) -> str:
    """Write a share in whole percents, and near all and nothing with as many digits as it takes to tell."""
    for digits in range(5):
        number = f"{100 * share:.{digits}f}"
        if share in (0, 1) or float(number) not in (0, 100):
            break
    return f"{number} %"


def between(low: float, high: float, unit: str = "") -> str:
    """Write an interval's ends: ``934 to 1,271``, ``at least 934``, ``at most 1,271``, ``not bounded``."""
    below, above = not math.isfinite(low), not math.isfinite(high)
    if below and above:
        return "not bounded"
    if above:
        return f"at least {amount(low, unit)}"
    if below:
        return f"at most {amount(high, unit)}"
    if unit == "share":
        return f"{rounded_percent(low).removesuffix(' %')} to {rounded_percent(high)}"
    return f"{amount(low, unit if unit == 's' else '')} to {amount(high, unit)}"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: ``1 trial``, ``24 trials``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
