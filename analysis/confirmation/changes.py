"""Changes from one set of seeds to another with intervals: of rates, of means, and averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev, variance

from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, UNKNOWN, Estimate

_QUANTILE = (1 + CONFIDENCE) / 2


def mean_estimate(values: Sequence[float], unit: str = "") -> Estimate:
    """Return the mean of independent values with Student's interval; of a single one it is open."""
    if not values:
        return Estimate(value=math.nan, unit=unit)
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(value=mean, unit=unit)
    reach = float(student.ppf(_QUANTILE, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return Estimate(value=mean, low=mean - reach, high=mean + reach, unit=unit)


def change_of_rates(before: Estimate, after: Estimate) -> Estimate:
    """Return ``after - before`` of two rates with Wilson's intervals: Newcombe's interval (Statistics in
    Medicine 17, 1998, method 10).
    """
    if not (before.is_known and after.is_known):
        return UNKNOWN
    change = after.value - before.value
    below = math.hypot(after.value - after.low, before.high - before.value)
    above = math.hypot(after.high - after.value, before.value - before.low)
    return Estimate(value=change, low=change - below, high=change + above, unit="share")


def change_of_means(before: Sequence[float], after: Sequence[float], unit: str = "") -> Estimate:
    """Return the mean of ``after`` minus that of ``before``, with Welch's interval.

    Where one side has a single value, which tells nothing of its spread, that of the other stands for both,
    as in Student's test for two samples; where both have one, the interval is open.
    """
    if not before or not after:
        return UNKNOWN
    change = fmean(after) - fmean(before)
    sides = [values for values in (before, after) if len(values) > 1]
    if not sides:
        return Estimate(value=change, unit=unit)
    if len(sides) == 1:
        freedom = float(len(sides[0]) - 1)
        square = variance(sides[0]) * (1 / len(before) + 1 / len(after))
    else:
        parts = [variance(values) / len(values) for values in sides]
        square = sum(parts)
        weights = sum(part**2 / (len(values) - 1) for part, values in zip(parts, sides, strict=True))
        freedom = square**2 / weights if weights else math.inf
    reach = float(student.ppf(_QUANTILE, freedom)) * math.sqrt(square)
    return Estimate(value=change, low=change - reach, high=change + reach, unit=unit)


def mean_change(changes: Sequence[Estimate]) -> Estimate:
    """Return the mean of independent changes, with the interval that follows from theirs.

    It is one about these changes, not about others that were not looked at (Zou and Donner, Statistics in
    Medicine 27, 2008).
    """
    known = [change for change in changes if change.is_known]
    if not known:
        return UNKNOWN
    mean = fmean(change.value for change in known)
    below = math.hypot(*(change.value - change.low for change in known)) / len(known)
    above = math.hypot(*(change.high - change.value for change in known)) / len(known)
    return Estimate(value=mean, low=mean - below, high=mean + above, unit=known[0].unit)
