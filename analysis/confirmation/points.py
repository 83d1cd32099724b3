"""One configuration, found in a search and trained on fresh seeds: both sides, and what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import pandas as pd

from analysis.confirmation.changes import change_of_means, change_of_rates, mean_estimate
from analysis.outcomes import Rate, outcomes_of, rate_of, with_outcomes
from analysis.rows import SearchRows
from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE, Estimate

_QUANTILE = (1 + CONFIDENCE) / 2


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Evaluations on held-out data of models trained on fresh seeds.

    The data are the same for all seeds, so their sampling error does not shrink with the number of seeds.
    The interval is of both.
    """

    metric: str
    values: Sequence[float]
    """One for each seed that was evaluated."""
    of_solved: Sequence[float]
    """Those of seeds that solved."""
    error_within: float | None
    """Standard error within a seed, over what is independent in the data, such as documents; None if not
    known, and where each problem is right or wrong."""
    units: float | None
    """How many of equal size those amount to; None in older reports, which took windows as independent."""
    called: str
    """What was evaluated, in words."""

    @property
    def error_between(self) -> float | None:
        """Standard error of the mean over seeds; None with one seed."""
        return stdev(self.values) / math.sqrt(len(self.values)) if len(self.values) > 1 else None

    @property
    def estimate(self) -> Estimate:
        """The mean over seeds; its interval adds Student's over seeds and that over the data."""
        mean = fmean(self.values)
        if self.error_between is None or self.error_within is None:
            return Estimate(value=mean)
        over_seeds = float(student.ppf(_QUANTILE, len(self.values) - 1)) * self.error_between
        # Hundreds of windows were always evaluated where nothing is known of units.
        freedom = math.inf if self.units is None else max(self.units - 1, 1.0)
        reach = math.hypot(over_seeds, float(student.ppf(_QUANTILE, freedom)) * self.error_within)
        return Estimate(value=mean, low=mean - reach, high=mean + reach)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metric": self.metric,
            **self.estimate.as_json(),
            "values": list(self.values),
            "error_over_seeds": self.error_between,
            "error_over_units": self.error_within,
            "units": self.units,
            "called": self.called,
        }


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A configuration that was confirmed."""

    configuration: int
    params: int
    found: Rate
    """Outcomes of its trials in the search."""
    fresh: Rate
    """Outcomes of its fresh seeds."""
    found_values: Sequence[float]
    """What trials of the search had of the metric in the end, of those that were trained to it."""
    fresh_values: Sequence[float]
    """What fresh seeds had, on the same validation data."""
    unit: str
    held_out: HeldOut | None

    @property
    def holds(self) -> bool:
        """Tell whether more than half of the fresh seeds solved."""
        return self.fresh.known > 0 and self.fresh.solved > self.fresh.known / 2

    @property
    def diverged(self) -> int:
        """Fresh seeds without a value."""
        return self.fresh.trials - len(self.fresh_values)

    @property
    def rate_change(self) -> Estimate:
        """The success rate on fresh seeds less that in the search; where nothing is known, not known."""
        return change_of_rates(self.found.without_unknown, self.fresh.without_unknown)

    @property
    def found_mean(self) -> Estimate:
        """The metric's mean in the search."""
        return mean_estimate(self.found_values, self.unit)

    @property
    def fresh_mean(self) -> Estimate:
        """The metric's mean on fresh seeds, on the validation data that the search used."""
        return mean_estimate(self.fresh_values, self.unit)

    @property
    def mean_change(self) -> Estimate:
        """The second less the first."""
        return change_of_means(self.found_values, self.fresh_values, self.unit)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "configuration": self.configuration,
            "params": self.params,
            "found": {**self.found.as_json(), "mean": self.found_mean.as_json()},
            "confirmed": {**self.fresh.as_json(), "mean": self.fresh_mean.as_json()},
            "rate_change": self.rate_change.as_json(),
            "mean_change": self.mean_change.as_json(),
            "held_out": None if self.held_out is None else self.held_out.as_json(),
        }


def compared(rows: SearchRows, fresh: pd.DataFrame, metric: str) -> list[Confirmed]:
    """Return the configurations that have fresh seeds, smallest first.

    Args:
        rows: the search.
        fresh: rows as :func:`analysis.confirmation.confirmations` makes them.
        metric: the metric of quality.
    """
    trials, fresh = with_outcomes(rows), fresh.assign(outcome=outcomes_of(fresh["ending"]))
    trials = trials[trials["configuration"].isin(fresh["configuration"])]
    found = {int(str(number)): part for number, part in trials.groupby("configuration")}
    unit = rows.metrics[metric]["unit"]
    points = [
        Confirmed(
            configuration=int(str(number)),
            params=int(part["params"].iloc[0]),
            found=rate_of(found[int(str(number))]),
            fresh=rate_of(part),
            found_values=_values(found[int(str(number))], metric),
            fresh_values=_values(part, metric),
            unit=unit,
            held_out=_held_out(part),
        )
        for number, part in fresh.groupby("configuration")
    ]
    return sorted(points, key=lambda point: (point.params, point.configuration))


def _values(trials: pd.DataFrame, metric: str) -> list[float]:
    """Return what trials that were trained to their end had of a metric."""
    if metric not in trials.columns:
        return []
    ended = trials[trials["ending"].isin(("solved", "finished"))]
    return ended[metric].dropna().astype(float).tolist()


def _held_out(seeds: pd.DataFrame) -> HeldOut | None:
    evaluated = seeds[seeds["test_value"].notna() & (seeds["ending"] != "diverged")]
    if evaluated.empty:
        return None
    errors = evaluated["test_standard_error"].dropna().astype(float).tolist()
    units = evaluated["test_units"].dropna()
    last, noun = evaluated.iloc[-1], "windows" if errors else "problems"
    # What older reports do not say.
    called = last["test_called"] if isinstance(last["test_called"], str) else f"held-out {noun}"
    return HeldOut(
        metric=str(last["test_metric"]),
        values=evaluated["test_value"].astype(float).tolist(),
        of_solved=evaluated.loc[evaluated["ending"] == "solved", "test_value"].astype(float).tolist(),
        # The root of the mean square, which is what variances of the same data have in common.
        error_within=math.sqrt(fmean(error**2 for error in errors)) if errors else None,
        units=float(units.min()) if len(units) else None,
        called=f"{int(last['test_problems']):,} {called}",
    )
