"""Differences of two cliffs: the ratios of sizes and of sharpness, each with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.cliff.fit import SizeFit
from analysis.cliff.groups import half_size, welch
from analysis.statistics.difference import Difference
from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, UNKNOWN, Estimate

_TEST = "Welch's t test of the logarithms, variances of the jackknife over configurations"


def differences(
    first: SizeFit | None, second: SizeFit | None, quantity: str = "50 % size"
) -> Sequence[Difference]:
    """Return the ratios, second over first, of the 50 % sizes and of the odds per doubling.

    Where one of the two shows no rise of success with size, there is no ratio.
    """
    sizes = [UNKNOWN if fit is None else fit.size(0.5) for fit in (first, second)]
    sharpness = [UNKNOWN if fit is None else fit.per_doubling for fit in (first, second)]
    halves = slopes = None
    if first is not None and second is not None and first.has_slope and second.has_slope:
        freedoms = [first.regression.freedom, second.regression.freedom]
        halves = ([half_size(first), half_size(second)], freedoms)
        slopes = (
            [
                (fit.slope[0] * math.log(2), float(fit.regression.covariance[1, 1]) * math.log(2) ** 2)
                for fit in (first, second)
            ],
            freedoms,
        )
    return [
        _ratio(quantity, sizes, halves),
        _ratio(
            f"odds per doubling, {quantity}" if quantity != "50 % size" else "odds per doubling",
            sharpness,
            slopes,
        ),
    ]


def _ratio(
    quantity: str,
    estimates: Sequence[Estimate],
    logs: tuple[Sequence[tuple[float, float]], Sequence[int]] | None,
) -> Difference:
    first, second = estimates
    if logs is None or not (first.is_known and second.is_known):
        return Difference(quantity=quantity, first=first, second=second, change=UNKNOWN, scale="ratio")
    (before, variance), (after, other_variance) = logs[0]
    test = welch(quantity, logs[0], logs[1])
    reach = float(student.ppf((1 + CONFIDENCE) / 2, test.freedom[1])) * math.sqrt(variance + other_variance)
    value = after - before
    return Difference(
        quantity=quantity,
        first=first,
        second=second,
        change=Estimate(value=_power(value), low=_power(value - reach), high=_power(value + reach)),
        scale="ratio",
        p_value=test.p_value,
        test=_TEST,
    )


def _power(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf
