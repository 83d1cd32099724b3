"""Groups of configurations by a parameter, and tests of whether their cliffs differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.cliff.fit import SizeFit
from analysis.files.layout import SelectionError
from analysis.rows import SearchRows
from analysis.selection import column_of, parameters, plain
from analysis.statistics.distributions import fisher

MOST_VALUES = 12
"""A numeric parameter with more values than this is split into thirds; a non-numeric one is refused."""


def groups_by(rows: SearchRows, by: str) -> dict[str, set[int]]:
    """Return the configurations of each value of a parameter, under a name such as ``n_layers=1``.

    Raises:
        SelectionError: there is no such parameter, or it has too many values that are not numbers.
    """
    column = column_of(parameters(rows), by, option="--by")
    if column.nunique(dropna=False) <= MOST_VALUES:
        named = column.map(plain)
        values = sorted(zip(column, named, strict=True), key=_order)
        names = list(dict.fromkeys(name for _, name in values))
        return {f"{by}={name}": set(column.index[named == name]) for name in names}
    if not pd.api.types.is_numeric_dtype(column):
        raise SelectionError(
            f"--by got {by!r}, with {column.nunique()} values here; at most {MOST_VALUES} can be compared"
        )
    # Equal values stay together, so a third lies between two values.
    third = column.rank(method="max", pct=True) * 3 - 1e-9
    found: dict[str, set[int]] = {}
    for number in range(3):
        part = column[(third > number) & (third <= number + 1)]
        if part.empty:
            continue
        low, high = plain(float(part.min())), plain(float(part.max()))
        found[f"{by}={low}" if low == high else f"{by} from {low} to {high}"] = set(part.index)
    return found


def _order(pair: tuple[Any, str]) -> tuple[bool, float, str]:
    value, name = pair
    is_number = isinstance(value, (int, float)) and value == value
    return not is_number, float(value) if is_number else 0.0, name


@dataclass(frozen=True, kw_only=True)
class Test:
    """Whether a quantity is the same in all groups."""

    quantity: str
    groups: int
    """Groups in which it is known."""
    statistic: float
    freedom: tuple[float, float]
    p_value: float

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**vars(self), "freedom": list(self.freedom)}


def interaction(fits: Sequence[SizeFit | None]) -> list[Test]:
    """Test whether the 50 % size differs between groups, and whether the slope does.

    Only groups where success significantly rises with size are compared: others have no 50 % size.
    """
    told = [fit for fit in fits if fit is not None and fit.has_slope]
    if len(told) < 2:
        return []
    freedoms = [fit.regression.freedom for fit in told]
    halves = [half_size(fit) for fit in told]
    slopes = [(fit.slope[0], float(fit.regression.covariance[1, 1])) for fit in told]
    return [welch("50 % size", halves, freedoms), welch("slope", slopes, freedoms)]


def half_size(fit: SizeFit) -> tuple[float, float]:
    """Return the logarithm of the 50 % size and its variance, by the delta method."""
    constant, slope = fit.regression.coefficients
    gradient = np.array([-1 / slope, constant / slope**2])
    return fit.centre - constant / slope, float(gradient @ fit.regression.covariance @ gradient)


def welch(quantity: str, estimates: Sequence[tuple[float, float]], freedoms: Sequence[int]) -> Test:
    """Test whether estimates with variances have the same true value, by Welch's test for unequal variances
    (Biometrika 38, 1951).

    Args:
        quantity: what is compared.
        estimates: values with their variances, two or more.
        freedoms: degrees of freedom of each variance.
    """
    values, variances = np.array(estimates).T
    many = len(values)
    weights = 1 / np.maximum(variances, 1e-300)
    share = weights / weights.sum()
    between = float((weights * (values - share @ values) ** 2).sum()) / (many - 1)
    doubt = float(((1 - share) ** 2 / np.array(freedoms)).sum())
    statistic = between / (1 + 2 * (many - 2) / (many**2 - 1) * doubt)
    freedom = (many**2 - 1) / (3 * doubt) if doubt > 0 else math.inf
    p_value = float(fisher.sf(statistic, many - 1, freedom))
    return Test(
        quantity=quantity,
        groups=many,
        statistic=statistic,
        freedom=(float(many - 1), freedom),
        p_value=p_value,
    )
