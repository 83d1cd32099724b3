"""Differences of the times of two searches: ratios with intervals, and the log-rank test."""

from __future__ import annotations

import math

import numpy as np

from analysis.statistics.difference import Difference
from analysis.statistics.estimate import UNKNOWN, Estimate
from analysis.times.logrank import log_rank
from analysis.times.measured import Measured

_LEAST = 1e-300


def differences(first: Measured, second: Measured) -> list[Difference]:
    """Return the ratios, second over first, of what a success costs and of the medians.

    Intervals of ratios are put together from those of both, on the scale of logarithms (the method of
    variance estimates recovery). The p-value beside the ratio of the medians is that of the log-rank test,
    which is about the whole curves.
    """
    assert first.cost == second.cost
    both = first.observed.beside(second.observed)
    group = np.repeat([0, 1], [len(first.observed.times), len(second.observed.times)])
    test = log_rank(both, group)
    name = first.cost.replace("_", " ")
    return [
        Difference(
            quantity=f"cost of a success, {name}",
            first=first.cost_of_success,
            second=second.cost_of_success,
            change=ratio(first.cost_of_success, second.cost_of_success),
            scale="ratio",
        ),
        Difference(
            quantity=f"median, {name}",
            first=first.median,
            second=second.median,
            change=ratio(first.median, second.median),
            scale="ratio",
            p_value=test.p_value,
            test=test.test,
        ),
    ]


def ratio(first: Estimate, second: Estimate) -> Estimate:
    """Return second over first; unknown where one of them is, or is 0."""
    if not (first.is_known and second.is_known and first.value > 0 and second.value > 0):
        return UNKNOWN
    value = math.log(second.value / first.value)
    below = math.hypot(_down(second), _up(first))
    above = math.hypot(_up(second), _down(first))
    return Estimate(value=math.exp(value), low=_power(value - below), high=_power(value + above))


def _down(estimate: Estimate) -> float:
    low = max(estimate.low, _LEAST)
    return math.log(estimate.value / low) if estimate.low > 0 else math.inf


def _up(estimate: Estimate) -> float:
    return math.log(estimate.high / estimate.value) if math.isfinite(estimate.high) else math.inf


def _power(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 700 else math.inf
