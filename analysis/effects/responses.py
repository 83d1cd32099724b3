"""The response variable of effects: the success rate, or the value of a metric, of every configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.configurations import is_all_or_nothing
from analysis.objectives import accuracy_objective
from analysis.outcomes import with_outcomes
from analysis.rows import SearchRows


@dataclass(frozen=True, kw_only=True)
class Response:
    """A number for every configuration that has trials with a known outcome.

    ``table`` has a row for each of them, indexed by its number, with ``trials``, how many are known,
    ``weight``, how many trials they stand for, ``effective``, how many trials of equal weight would tell as
    much, ``mean``, and ``variance`` of a single trial, NaN where there is only one.
    """

    name: str
    unit: str
    is_rate: bool
    """Whether every trial is a success or none, so that the mean is a success rate."""
    direction: str
    table: pd.DataFrame
    unknown: int
    """Trials that are left out, since their outcome is not known."""
    without_value: int
    """Trials that are left out, since they diverged, or never told the metric: they have no value."""
    solved_early: int
    """Trials whose value is that at the target, where they ended."""

    @property
    def trials(self) -> int:
        """Trials that are counted."""
        return int(self.table["trials"].sum())


def response_of(rows: SearchRows) -> Response:
    """Return the success rate where the search has a target that a trial reaches or does not; else the
    accuracy objective.

    An accuracy, such as exact match, has all or nothing of a target: a mean of it describes no trial. A loss
    has values about their mean, with or without a target, and is compared as it is.
    """
    target = next(iter(rows.plan.target or {}), None)
    trials = with_outcomes(rows)
    known = (trials["outcome"] != "unknown").to_numpy(bool)
    unknown = int((~known).sum())
    if target is not None and is_all_or_nothing(rows, target):
        values = (trials["outcome"] == "solved").to_numpy(float)
        return Response(
            name="success rate",
            unit="share",
            is_rate=True,
            direction="max",
            table=_by_configuration(trials, values, known),
            unknown=unknown,
            without_value=0,
            solved_early=0,
        )
    metric, direction = accuracy_objective(rows)
    column = trials[metric] if metric in trials.columns else pd.Series(np.nan, index=trials.index)
    values = pd.to_numeric(column, errors="coerce").to_numpy(float)
    has_value = known & np.isfinite(values) & (trials["outcome"] != "diverged").to_numpy(bool)
    solved = (trials["outcome"] == "solved").to_numpy(bool) & has_value
    return Response(
        name=metric,
        unit=str(rows.metrics.get(metric, {}).get("unit", "")),
        is_rate=False,
        direction=direction,
        table=_by_configuration(trials, values, has_value),
        unknown=unknown,
        without_value=int((known & ~has_value).sum()),
        solved_early=int(solved.sum()) if rows.plan.stop_at_target else 0,
    )


def _by_configuration(trials: pd.DataFrame, values: np.ndarray, counted: np.ndarray) -> pd.DataFrame:
    numbers, group = np.unique(trials["configuration"].to_numpy()[counted], return_inverse=True)
    weight, value = trials["weight"].to_numpy(float)[counted], values[counted]
    size = len(numbers)
    count = np.bincount(group, minlength=size)
    total, squares = np.bincount(group, weight, size), np.bincount(group, weight**2, size)
    mean = np.bincount(group, weight * value, size) / total
    spread = np.bincount(group, weight * (value - mean[group]) ** 2, size) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(count > 1, spread * count / (count - 1), np.nan)
    return pd.DataFrame(
        {
            "trials": count,
            "weight": total,
            "effective": total**2 / squares,
            "mean": mean,
            "variance": variance,
        },
        index=pd.Index(numbers, name="configuration"),
    )
