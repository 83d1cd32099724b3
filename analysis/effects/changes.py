"""A change of one parameter and its effect: one line of the finding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.statistics.estimate import CONFIDENCE, Estimate

SIGNIFICANT = 1 - CONFIDENCE
"""The accepted chance of any false finding among all comparisons."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The effect of a change of one parameter on the success rate, or on a metric.

    ``pairs`` counts pairs of configurations that differ in nothing else; it is 0 where the effect is that of
    a regression. ``rates`` are the solved trials of both sides, in words, where there are pairs.
    ``p_value`` is two-sided, and NaN where the trials allow no test; ``p_holm`` is the same after Holm's
    correction for all comparisons of the finding.
    """

    parameter: str
    before: str
    after: str
    effect: Estimate
    p_value: float
    test: str
    pairs: int
    trials: int
    rates: tuple[str, str] | None = None
    p_holm: float = math.nan

    @property
    def label(self) -> str:
        """The change in words: ``position: learned to rotary``, ``lr: doubled``."""
        return f"{self.parameter}: {self.after if not self.before else f'{self.before} to {self.after}'}"

    @property
    def holds(self) -> bool:
        """Return whether it is significant after the correction for all comparisons."""
        return self.p_holm < SIGNIFICANT

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without NaN."""
        return {
            "parameter": self.parameter,
            "from": self.before or None,
            "to": self.after,
            "pairs": self.pairs,
            "trials": self.trials,
            "effect": self.effect.as_json(),
            "p": self.p_value if math.isfinite(self.p_value) else None,
            "p_holm": self.p_holm if math.isfinite(self.p_holm) else None,
            "test": self.test,
        }


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values after Holm's correction (Scandinavian Journal of Statistics 6, 1979).

    It holds the chance of any false finding at its level, however the comparisons depend on one another.
    What is NaN has no test, is no comparison, and stays NaN.
    """
    # As statsmodels' multipletests, which runs the garbage collector at every call: a quarter of a second.
    order = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    found = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        found[index] = largest
    return found


def corrected(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return the changes with their corrected p values, the least likely by chance first."""
    p_values = holm([change.p_value for change in changes])
    filled = [replace(change, p_holm=p) for change, p in zip(changes, p_values, strict=True)]
    order = sorted(
        range(len(filled)),
        key=lambda index: (
            math.inf if math.isnan(filled[index].p_value) else filled[index].p_value,
            -abs(filled[index].effect.value) if filled[index].effect.is_known else 0.0,
            index,
        ),
    )
    return tuple(filled[index] for index in order)
