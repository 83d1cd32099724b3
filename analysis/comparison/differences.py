"""The differences between two searches, each with a p value where it can have one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.cliff import Cliff, cliff
from analysis.comparison.overall import Overall, overall
from analysis.effects.changes import SIGNIFICANT, holm
from analysis.files.layout import SelectionError
from analysis.regimes import Regimes, regimes
from analysis.rows import SearchRows
from analysis.statistics.difference import Difference
from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, UNKNOWN, Estimate
from analysis.times import Times, times
from analysis.times.differences import ratio

_FREEDOM = 5
"""Degrees of freedom for p values derived from intervals with unknown ones: few enough for an interval of few
configurations."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One quantity of a search beside that of the first."""

    search: str
    difference: Difference
    p_holm: float

    @property
    def holds(self) -> bool:
        """Return whether it is significant after the correction for all comparisons."""
        return self.p_holm < SIGNIFICANT

    @property
    def is_tested(self) -> bool:
        """Return whether the correction counts this comparison."""
        return not math.isnan(self.difference.p_value)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without NaN."""
        p_holm = self.p_holm if math.isfinite(self.p_holm) else None
        return {"search": self.search, **self.difference.as_json(), "p_holm": p_holm}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The compared quantities of a search."""

    cliff: Cliff
    regimes: Regimes | None
    """None where no rate is a parameter of all configurations."""
    times: Times
    overall: Overall
    has_target: bool


def answers_of(rows: SearchRows) -> Answers:
    """Return the findings of a search that are compared."""
    found: Regimes | None = None
    with contextlib.suppress(SelectionError):
        found = regimes(rows)
    return Answers(
        cliff=cliff(rows),
        regimes=found,
        times=times(rows),
        overall=overall(rows),
        has_target=rows.plan.target is not None,
    )


def compared(first: Answers, others: Sequence[tuple[str, Answers]]) -> tuple[Compared, ...]:
    """Return how other searches differ from the first, corrected for all comparisons together."""
    found = [(name, tested(one)) for name, second in others for one in _differences(first, second)]
    corrected = holm([difference.p_value for _, difference in found])
    return tuple(
        Compared(search=name, difference=difference, p_holm=p_holm)
        for (name, difference), p_holm in zip(found, corrected, strict=True)
    )


def _differences(first: Answers, second: Answers) -> Iterator[Difference]:
    if first.has_target:
        yield from second.cliff.difference_from(first.cliff)
        if first.regimes is not None and second.regimes is not None:
            yield from second.regimes.difference_from(first.regimes)
        yield from second.times.difference_from(first.times)
    yield from overall_differences(first.overall, second.overall, has_target=first.has_target)


def overall_differences(before: Overall, after: Overall, *, has_target: bool) -> Iterator[Difference]:
    """Return how success rates, the smallest at the target, and the best losses differ."""
    if has_target:
        yield Difference(
            quantity="success rate of all trials",
            first=before.success_rate,
            second=after.success_rate,
            change=_minus(after.success_rate, before.success_rate),
            scale="difference",
        )
        yield Difference(
            quantity="smallest at the target",
            first=before.smallest,
            second=after.smallest,
            change=ratio(before.smallest, after.smallest),
            scale="ratio",
            test="none",
        )
    if before.metric == after.metric and (before.best.is_known or after.best.is_known):
        yield Difference(
            quantity=f"best {before.metric}",
            first=before.best,
            second=after.best,
            change=_minus(after.best, before.best),
            scale="difference",
            test="none",
        )


def _minus(second: Estimate, first: Estimate) -> Estimate:
    """Return a difference with its interval by the method of variance estimates recovery."""
    if not (first.is_known and second.is_known):
        return UNKNOWN
    value = second.value - first.value
    below = math.hypot(second.value - second.low, first.high - first.value)
    above = math.hypot(second.high - second.value, first.value - first.low)
    return Estimate(value=value, low=value - below, high=value + above, unit=second.unit)


def tested(difference: Difference) -> Difference:
    """Return a difference with a p value: from its test, or derived from its interval.

    It is below 0.05 exactly if the interval excludes no change.
    """
    change = difference.change
    if difference.test or not math.isnan(difference.p_value) or not change.is_known:
        return replace(difference, test=difference.test or "none")
    ends = [change.value, change.low, change.high]
    if difference.scale == "ratio":
        ends = [math.log(end) if end > 0 else -math.inf for end in ends]
    value, low, high = ends
    reach = value - low if value > 0 else high - value
    if value == 0:
        return replace(difference, p_value=1.0, test="from the interval")
    if not math.isfinite(reach):
        return replace(difference, p_value=1.0, test="from the interval, which is open")
    scaled = abs(value) / max(reach, 1e-300) * float(student.ppf((1 + CONFIDENCE) / 2, _FREEDOM))
    return replace(difference, p_value=float(2 * student.sf(scaled, _FREEDOM)), test="from the interval")
