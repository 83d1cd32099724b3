"""An estimated number with its interval: the building block of every finding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from analysis.text import amount, between

CONFIDENCE = 0.95
"""Coverage of every interval in this project."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval.

    ``value`` is NaN where it cannot be determined. ``low`` and ``high`` are infinite where the data do not
    bound it on that side: an interval that is open says so, instead of being left out.
    """

    value: float
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""

    @property
    def is_known(self) -> bool:
        """Return whether there is a value."""
        return math.isfinite(self.value)

    @property
    def is_bounded(self) -> bool:
        """Return whether the interval is bounded on both sides."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; what is not finite is None."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        finite = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
        return {**finite, "unit": self.unit}

    def __str__(self) -> str:
        if not self.is_known:
            return "cannot be determined"
        return f"{amount(self.value, self.unit)} ({between(self.low, self.high, self.unit)})"


UNKNOWN = Estimate(value=math.nan)
