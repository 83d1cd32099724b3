"""What a success costs: all that was spent, over the trials that reached the target. The one definition of
it.

The mean over the trials that made it is another number, and a misleading one: where one seed in four learns,
three failed runs are paid for every success. It is also what somebody pays who trains seed after seed until
one succeeds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from analysis.estimate import CONFIDENCE, Estimate
from analysis.rows import SearchRows

Array = NDArray[np.float64]

COUNTED = ("solved", "finished", "stopped early", "diverged")
"""Endings of trials that have spent all that they ever will; others go on, or failed for another reason."""


def spent_on_target(rows: SearchRows, trials: pd.DataFrame, cost: str) -> pd.Series[float]:
    """Return what each trial has spent in the search for the target.

    A trial that solved has spent what it took to the target, whatever it did afterwards. Any other has spent
    all that it used; one that is not over, or failed, is missing.

    Args:
        rows: the search.
        trials: its trials.
        cost: a cost of reaching the target, such as ``cpu_seconds_to_target``.
    """
    used = rows.metrics[cost]["spent"]
    known = {name: trials[name] if name in trials.columns else np.nan for name in (cost, used)}
    spent = np.where(trials["ending"] == "solved", known[cost], known[used])
    return pd.Series(spent, index=trials.index, dtype=float).where(trials["ending"].isin(COUNTED))


def per_success(spent: pd.Series[float], solved: pd.Series[bool], groups: pd.Series[int]) -> pd.DataFrame:
    """Return what a success costs in each group of trials, with its interval.

    With s successes of n trials, the cost is the mean of the successful ones and, (n - s) / s times, that of
    the others. The interval puts together that of the odds (Wilson's, for the rate) and those of the two
    means (Student's), by the method of variance estimates recovery (Zou and Donner, Statistics in Medicine
    27, 2008). Trials without ``spent`` are left out.

    Returns:
        a row for each group, indexed by it, with ``cost``, ``low``, ``high``, ``successes`` and ``trials``.
        Without a success the cost is NaN, ``low`` is what the lower end of one success's cost would be,
        ``high`` infinite.
    """
    frame = pd.DataFrame({"spent": spent, "solved": solved.astype(bool), "group": groups})
    every = frame["group"].drop_duplicates().sort_values()
    frame = frame[frame["spent"].notna()]
    sides = {}
    for side, part in (("won", frame[frame["solved"]]), ("lost", frame[~frame["solved"]])):
        grouped = part.groupby("group")["spent"]
        table = pd.DataFrame({"count": grouped.count(), "mean": grouped.mean(), "sd": grouped.std()})
        sides[side] = table.reindex(every).fillna({"count": 0})
    won, lost = sides["won"], sides["lost"]
    successes, failures = won["count"].to_numpy(float), lost["count"].to_numpy(float)
    trials = successes + failures
    success_cost, failure_cost = won["mean"].to_numpy(float), lost["mean"].fillna(0.0).to_numpy(float)
    # Of failures that did not happen, what would they have cost? At least as much as a success.
    failure_guess = np.where(failures > 0, failure_cost, np.nan_to_num(success_cost))
    with np.errstate(divide="ignore", invalid="ignore"):
        least_rate, most_rate = _wilson(successes, trials)
        odds, most_odds, least_odds = (
            failures / successes,
            1 / least_rate - 1,
            1 / most_rate - 1,
        )
        cost = success_cost + odds * failure_cost
        reach = _reach(won)
        failure_reach = np.nan_to_num(_reach(lost)) * odds
        below = np.sqrt(reach**2 + failure_reach**2 + ((odds - least_odds) * failure_guess) ** 2)
        above = np.sqrt(reach**2 + failure_reach**2 + ((most_odds - odds) * failure_guess) ** 2)
        none = successes == 0
        low = np.where(none, least_odds * failure_cost, np.maximum(cost - below, 0.0))
        high = np.where(none, np.inf, cost + above)
    return pd.DataFrame(
        {
            "cost": np.where(none, np.nan, cost),
            "low": np.where(trials > 0, low, np.nan),
            "high": np.where(trials > 0, high, np.nan),
            "successes": successes.astype(int),
            "trials": trials.astype(int),
        },
        index=pd.Index(every, name="group"),
    )


def cost_of_success(spent: pd.Series[float], solved: pd.Series[bool], unit: str = "") -> Estimate:
    """Return what a success costs in one group of trials."""
    everything = pd.Series(0, index=spent.index)
    table = per_success(spent, solved, everything)
    if table.empty or not table["trials"].iloc[0]:
        return Estimate(value=float("nan"), unit=unit)
    row = table.iloc[0]
    return Estimate(value=float(row["cost"]), low=float(row["low"]), high=float(row["high"]), unit=unit)


def _wilson(successes: Array, trials: Array) -> tuple[Array, Array]:
    """Return the ends of Wilson's interval for many rates at a time."""
    z = 1.959963984540054
    middle = (successes + z * z / 2) / (trials + z * z)
    reach = z / (trials + z * z) * np.sqrt(successes * (trials - successes) / trials + z * z / 4)
    return middle - reach, middle + reach


def _reach(side: pd.DataFrame) -> Array:
    """Return half the width of Student's interval of a mean; of a single value, nothing is known of it: 0."""
    count = side["count"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        quantile = student.ppf((1 + CONFIDENCE) / 2, np.maximum(count - 1, 1))
        reach = quantile * side["sd"].to_numpy(float) / np.sqrt(count)
    return np.where(count > 1, reach, 0.0)
