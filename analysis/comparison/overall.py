"""Summary estimates of a search: its success rate, the smallest at the target, the best loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.configurations import is_all_or_nothing
from analysis.objectives import accuracy_objective
from analysis.outcomes import with_outcomes
from analysis.ranking import smallest
from analysis.rows import SearchRows
from analysis.statistics.distributions import normal, student
from analysis.statistics.estimate import CONFIDENCE, UNKNOWN, Estimate
from analysis.statistics.intervals import wilson_of_rates

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Overall:
    """A search in three numbers, each possibly unknown."""

    success_rate: Estimate
    """Of all trials whose outcome is known, with configurations as the unit."""
    smallest: Estimate
    """Parameters of the smallest configuration that reaches the target. The interval holds for all
    configurations at a time (Bonferroni): from the smallest of which more than half of all seeds may solve to
    the smallest of which they certainly do."""
    best: Estimate
    """The best mean of the accuracy objective that a configuration has, if that is no matter of all or
    nothing; its interval holds for all configurations at a time, so that the best of many is not taken for
    better than it is."""
    metric: str
    """The accuracy objective."""


def overall(rows: SearchRows) -> Overall:
    """Return the summary of a search."""
    trials = with_outcomes(rows)
    metric, direction = accuracy_objective(rows)
    has_target = rows.plan.target is not None and len(trials) > 0
    is_loss = not is_all_or_nothing(rows, metric) and len(trials) > 0
    unit = str(rows.metrics.get(metric, {}).get("unit", ""))
    return Overall(
        success_rate=_success_rate(trials) if has_target else UNKNOWN,
        smallest=_smallest(rows, trials) if has_target else UNKNOWN,
        best=_best(trials, metric, direction, unit) if is_loss else UNKNOWN,
        metric=metric,
    )


def _by_configuration(trials: pd.DataFrame) -> tuple[Array, Array]:
    """Return weights and success rates of the configurations that have known trials."""
    known = trials[trials["outcome"] != "unknown"]
    _, group = np.unique(known["configuration"].to_numpy(), return_inverse=True)
    own = known["weight"].to_numpy(float)
    weight = np.bincount(group, own).astype(float)
    solved = np.bincount(group, own * (known["outcome"] == "solved").to_numpy(float))
    return weight, solved / weight


def _success_rate(trials: pd.DataFrame) -> Estimate:
    weight, rate = _by_configuration(trials)
    count = len(weight)
    if not count:
        return UNKNOWN
    value = float(weight @ rate / weight.sum())
    effective = float(weight.sum())
    z = _z(1)
    if count > 1:
        # Seeds of a configuration are correlated, so they carry less information than as many trials (Korn
        # and Graubard, Survey Methodology 24, 1998).
        variance = float(((weight * (rate - value)) ** 2).sum()) / weight.sum() ** 2 * count / (count - 1)
        if variance > 0:
            effective = min(effective, value * (1 - value) / variance)
        elif value in (0, 1):
            effective = float(count)
        effective *= (z / float(student.ppf((1 + CONFIDENCE) / 2, count - 1))) ** 2
    low, high = wilson_of_rates(np.array([value]), np.array([effective]), z)
    return Estimate(value=value, low=float(low[0]), high=float(high[0]), unit="share")


def _smallest(rows: SearchRows, trials: pd.DataFrame) -> Estimate:
    found = smallest(rows)
    numbers, group = np.unique(trials["configuration"].to_numpy(), return_inverse=True)
    params = np.zeros(len(numbers))
    params[group] = trials["params"].to_numpy(float)
    is_known = (trials["outcome"] != "unknown").to_numpy(float)
    known = np.bincount(group, is_known)
    solved = np.bincount(group, (trials["outcome"] == "solved").to_numpy(float))
    told = np.maximum(known, 1)
    low, high = wilson_of_rates(solved / told, told, _z(len(numbers)))
    may, does = (known == 0) | (high > 0.5), (known > 0) & (low > 0.5)
    value = float(found["params"]) if found is not None else math.nan
    least = float(params[may].min()) if may.any() else -math.inf
    most = float(params[does].min()) if does.any() else math.inf
    if math.isfinite(value):
        least, most = min(least, value), max(most, value)
    return Estimate(value=value, low=least, high=most, unit="parameters")


def _best(trials: pd.DataFrame, metric: str, direction: str, unit: str) -> Estimate:
    if metric not in trials.columns:
        return UNKNOWN
    has_value = trials["outcome"].isin(["solved", "not learned"]) & trials[metric].notna()
    grouped = trials[has_value].groupby("configuration")[metric]
    sign = 1.0 if direction == "min" else -1.0
    loss = sign * grouped.mean().to_numpy(float)
    count, spread = grouped.count().to_numpy(float), grouped.std().to_numpy(float)
    if not len(loss):
        return UNKNOWN
    value = float(loss.min())
    several = count > 1
    low, high = -math.inf, math.inf
    if several.any():
        level = (1 - CONFIDENCE) / len(loss)
        reach = student.isf(level / 2, count[several] - 1) * spread[several] / np.sqrt(count[several])
        high = float((loss[several] + reach).min())
        if several.all():
            low = float((loss - reach).min())
    ends = sorted((sign * low, sign * high))
    return Estimate(value=sign * value, low=ends[0], high=max(ends[1], ends[0]), unit=unit)


def _z(many: int) -> float:
    """Return the normal quantile of intervals that hold for so many at a time."""
    return float(normal.isf((1 - CONFIDENCE) / many / 2))
