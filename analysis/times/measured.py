"""One cost of reaching the target, over some trials: the curve, and what a success costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.costs import cost_of_success, spent_on_target
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.text import amount
from analysis.times.observed import Observed, observe
from analysis.times.survival import Curve, kaplan_meier

_SECONDS = {"cpu_seconds_to_target": "processor time", "seconds_to_target": "elapsed time"}
"""What seconds are of."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How soon trials reach the target in one cost, and what a success costs."""

    cost: str
    """The metric: ``steps_to_target``."""
    unit: str
    observed: Observed
    curve: Curve
    solved: Estimate
    """The share that solved, of trials with an outcome. ``curve`` ends elsewhere where budgets differ."""
    cost_of_success: Estimate
    """All that was spent, over successes. Its ``value`` is NaN without a success, ``low`` the least it is."""

    @property
    def called(self) -> str:
        """What is spent: ``steps``, ``processor time``."""
        return _SECONDS.get(self.cost, self.cost.removesuffix("_to_target").replace("_", " "))

    def amount(self, value: float) -> str:
        """Write an amount of it: ``10,750 steps``, ``25 s of processor time``."""
        written = amount(value, self.unit)
        return written if self.unit == self.called else f"{written} of {self.called}"

    @property
    def median(self) -> Estimate:
        """By when half of the trials have reached the target; NaN if they have not."""
        return self.curve.quantile(0.5, self.unit)

    @property
    def restricted_mean(self) -> Estimate:
        """Mean of what is spent until the target is reached, or the longest trial ends."""
        return self.curve.restricted_mean

    @property
    def reached(self) -> Estimate:
        """The share of trials that reached the target by the end of the longest."""
        return self.curve.at_end

    @property
    def successes(self) -> int:
        """Trials that reached the target."""
        return int(self.observed.reached.sum())

    @property
    def configurations(self) -> int:
        """Configurations of the trials."""
        return len(np.unique(self.observed.configurations))

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        curve = self.curve
        return {
            "cost": self.cost,
            "unit": self.unit,
            "trials": len(self.observed.times),
            "configurations": self.configurations,
            "successes": self.successes,
            "solved": self.solved.as_json(),
            "median": self.median.as_json(),
            "restricted_mean": self.restricted_mean.as_json(),
            "restricted_to": curve.until if curve.trials else None,
            "reached": self.reached.as_json(),
            "cost_of_success": self.cost_of_success.as_json(),
        }


def measure(rows: SearchRows, trials: pd.DataFrame, cost: str) -> Measured:
    """Measure one cost over some trials of a search."""
    unit = str(rows.metrics[cost]["unit"])
    observed = observe(rows, trials, cost)
    curve = kaplan_meier(
        observed.times,
        observed.reached,
        observed.configurations,
        never=observed.never,
        weights=observed.weights,
        unit=unit,
    )
    known = observed.part(observed.known)
    # At one and the same time there is nothing to censor: a share, with configurations as the sample.
    solved = kaplan_meier(
        np.ones(len(known.times)), known.reached, known.configurations, weights=known.weights
    ).at_end
    return Measured(
        cost=cost,
        unit=unit,
        observed=observed,
        curve=curve,
        solved=solved,
        cost_of_success=cost_of_success(
            spent_on_target(rows, trials, cost),
            trials["ending"] == "solved",
            unit,
            trials["configuration"],
        ),
    )
