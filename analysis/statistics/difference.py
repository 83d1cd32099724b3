"""The difference of two findings in one quantity: both estimates, the change with its interval, a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from analysis.statistics.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One quantity of two searches, set beside each other.

    ``change`` is the second over the first where ``scale`` is "ratio" (sizes, rates, costs), the second minus
    the first where it is "difference" (shares, losses). ``p_value`` is that of the test that is named,
    two-sided, NaN where there is none.
    """

    quantity: str
    first: Estimate
    second: Estimate
    change: Estimate
    scale: Literal["ratio", "difference"]
    p_value: float = float("nan")
    test: str = ""

    @property
    def is_significant(self) -> bool:
        """Return whether the interval of the change excludes no change."""
        none = 1.0 if self.scale == "ratio" else 0.0
        return self.change.is_known and not self.change.low <= none <= self.change.high

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without NaN."""
        return {
            "quantity": self.quantity,
            "first": self.first.as_json(),
            "second": self.second.as_json(),
            "change": self.change.as_json(),
            "scale": self.scale,
            "p_value": self.p_value if self.p_value == self.p_value else None,
            "test": self.test,
        }
