"""Effects from a regression: what a parameter changes with the others held where they are.

The regression is linear, also on outcomes that are 0 or 1: its coefficients are differences of rates, which
is what is asked. The unit is the configuration: its trials have the same predictors, so that the regression
on trials is that on configurations' means, weighted by their trials, and leaving a configuration out, for the
jackknife, has a closed form (MacKinnon and White, Journal of Econometrics 29, 1985).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.effects.changes import Change
from analysis.effects.design import codes, commonest, is_numeric, written
from analysis.effects.responses import Response
from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, Estimate

Array = NDArray[np.float64]

FEWEST_OF_A_VALUE = 3
"""Configurations that must have a value before an effect of it is told: of fewer, the jackknife knows
nothing."""

LEAST_FREEDOM = 5
"""Configurations beyond one per coefficient that a regression needs to be told."""

_DEPENDENT = 1e-8


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A column of the regression, and the change that its coefficient is of; none for a column that only
    sorts trials."""

    parameter: str
    values: Array
    """Shape (configurations,)."""
    before: str = ""
    after: str = ""

    @property
    def is_told(self) -> bool:
        """Tell whether its coefficient is an effect."""
        return bool(self.after)


@dataclass(frozen=True, kw_only=True)
class Regressed:
    """The effects, and what could not be told."""

    changes: Sequence[Change]
    is_joint: bool
    """Whether all parameters were in one regression, or each in one of its own."""
    dependent: Sequence[str]
    """Parameters that the others determine, which have no effect of their own."""
    rare: Sequence[str]
    """Values that too few configurations have, as ``norm=rmsnorm``."""
    configurations: int
    coefficients: int
    """Of all parameters together, the constant included."""


def predictors_of(
    name: str, column: pd.Series, *, is_ratio: bool = True
) -> tuple[list[Predictor], list[str]]:
    """Return a parameter's predictors, and those of its values that too few configurations have.

    Numbers of which there are three or more enter by their logarithm to the base two, if they are above 0 and
    the largest is twice the least or more: the effect is that of doubling. Other numbers enter as they are,
    and the effect is that of going from the least to the largest. All else has a column for each value but
    the commonest. Where a parameter does not exist its columns are 0, and one more sorts those
    configurations.

    Args:
        name: the parameter.
        column: its values.
        is_ratio: whether its doublings mean anything; not if the space has 0 as well.
    """
    numbers, values = codes(column)
    exists = numbers >= 0
    found: list[Predictor] = []
    rare: list[str] = []
    if is_numeric(values) and values:
        value = np.where(exists, np.asarray(values, dtype=float)[numbers], np.nan)
        least, most = float(np.nanmin(value)), float(np.nanmax(value))
        ends = ["", "doubled"]
        if len(values) == 2 or not is_ratio or least <= 0 or most < 2 * least:
            ends = [written(values, values.index(end)) for end in (least, most)]
            value = (value - least) / (most - least) if most > least else value - least
        else:
            value = np.log2(value)
        fewest = np.bincount(numbers[exists]).min() if len(values) == 2 else exists.sum()
        if fewest < FEWEST_OF_A_VALUE:
            rare.append(name)
            ends = ["", ""]
        # Where the parameter does not exist its middle stands: then other effects are those at its middle.
        centred = np.nan_to_num(value - np.nanmean(value))
        found.append(Predictor(parameter=name, values=centred, before=ends[0], after=ends[1]))
    else:
        usual = commonest(numbers[exists])
        for code in range(len(values)):
            has_it = numbers == code
            if code == usual:
                continue
            is_rare = has_it.sum() < FEWEST_OF_A_VALUE
            rare += [f"{name}={written(values, code)}"] if is_rare else []
            sides = ("", "") if is_rare else (written(values, usual), written(values, code))
            found.append(
                Predictor(parameter=name, values=has_it.astype(float), before=sides[0], after=sides[1])
            )
    if not exists.all():
        found.insert(0, Predictor(parameter=name, values=(~exists).astype(float)))
    return found, rare


def regressed(response: Response, table: pd.DataFrame, ranges: Collection[str] = ()) -> Regressed:
    """Return the effect of every parameter, with the others in the regression where configurations suffice.

    Args:
        response: what is compared.
        table: the parameters of its configurations, in the same order.
        ranges: the numbers among them whose doublings mean nothing, since the space has 0 or less as well.
    """
    mean, weight = (response.table[name].to_numpy(float) for name in ("mean", "weight"))
    every: list[Predictor] = []
    rare: list[str] = []
    for name in table.columns:
        found, too_few = predictors_of(name, table[name], is_ratio=name not in ranges)
        every += found
        rare += too_few
    kept = _independent(every, weight)
    told = {predictor.parameter for predictor in kept if predictor.is_told}
    could_be = {predictor.parameter for predictor in every if predictor.is_told}
    is_joint = len(mean) >= len(kept) + 1 + LEAST_FREEDOM
    if is_joint:
        groups = [kept]
    else:
        groups = [
            _independent([predictor for predictor in every if predictor.parameter == name], weight)
            for name in table.columns
        ]
    changes = [
        change for group in groups if group for change in _effects(response, group, mean, weight, is_joint)
    ]
    return Regressed(
        changes=changes,
        is_joint=is_joint,
        dependent=[name for name in table.columns if name in could_be - told] if is_joint else [],
        rare=rare,
        configurations=len(mean),
        coefficients=len(kept) + 1,
    )


def _independent(predictors: Sequence[Predictor], weight: Array) -> list[Predictor]:
    """Return the predictors without those that the constant and the ones before them determine."""
    basis = [_normal(np.sqrt(weight))]
    kept = []
    for predictor in predictors:
        column = np.sqrt(weight) * predictor.values
        rest = column
        for _ in range(2):  # A second pass takes what rounding left of the first.
            spanned = np.stack(basis)
            rest = rest - spanned.T @ (spanned @ rest)
        if rest @ rest > _DEPENDENT * (column @ column):
            basis.append(_normal(rest))
            kept.append(predictor)
    return kept


def _normal(vector: Array) -> Array:
    return vector / math.sqrt(float(vector @ vector))


def _effects(
    response: Response, predictors: Sequence[Predictor], mean: Array, weight: Array, is_joint: bool
) -> list[Change]:
    design = np.stack([np.ones(len(mean)), *(predictor.values for predictor in predictors)], axis=1)
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    coefficients = inverse @ (design.T @ (weight * mean))
    freedom = len(mean) - design.shape[1]
    leverage = weight * np.einsum("gi,ij,gj->g", design, inverse, design, optimize=True)
    residual = mean - design @ coefficients
    # A configuration that alone has a value is fitted exactly and says nothing about chance.
    share = np.where(leverage < 1 - _DEPENDENT, weight * residual / np.maximum(1 - leverage, _DEPENDENT), 0.0)
    away = (share[:, None] * design) @ inverse
    count = len(mean)
    errors = np.sqrt(np.maximum((away**2).sum(axis=0) * (count - 1) / count, 0.0))
    trials = response.trials
    told = "regression" if is_joint else "one parameter"
    changes = []
    for index, predictor in enumerate(predictors, start=1):
        if not predictor.is_told:
            continue
        value, error = float(coefficients[index]), float(errors[index])
        low, high, p_value = -math.inf, math.inf, math.nan
        if freedom > 0 and error > 1e-12:
            reach = float(student.ppf((1 + CONFIDENCE) / 2, freedom)) * error
            low, high = value - reach, value + reach
            if response.is_rate and predictor.before:
                low, high = max(low, -1.0), min(high, 1.0)
            p_value = float(2 * student.sf(abs(value) / error, freedom))
        changes.append(
            Change(
                parameter=predictor.parameter,
                before=predictor.before,
                after=predictor.after,
                effect=Estimate(value=value + 0.0, low=low, high=high, unit=response.unit),
                p_value=p_value,
                test=f"{told}, t({freedom})" if p_value == p_value else "none: no variation",
                pairs=0,
                trials=trials,
            )
        )
    return changes
