"""The outcome of a trial: solved, not learned, diverged, or unknown.

An unknown outcome is never counted as a failure. A rate has three readings: with the unknown as failed, left
out, and as solved. The true rate lies between the first and the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.statistics.intervals import wilson
from analysis.text import between

Outcome = Literal["solved", "not learned", "diverged", "unknown"]

OUTCOMES: dict[Outcome, str] = {
    "solved": "reached the target and held it",
    "not learned": "used its budget without reaching the target",
    "diverged": "its loss became non-finite",
    "unknown": "ended before its outcome was known: stopped early, interrupted, failed, or still running",
}
"""Every outcome with its meaning."""

_OF_ENDING: dict[str, Outcome] = {"solved": "solved", "finished": "not learned", "diverged": "diverged"}

SAYS_OUTCOME = frozenset(_OF_ENDING)
"""Endings with which a trial's outcome is known."""

KEPT_CHANCE = "kept_chance"
"""Column of a trial that ran on below the cut of early stopping by lot: the chance of that."""

_BELOW_CUT_AT = "below_cut_at"
"""Column of the rungs at which a trial is below the cut; rows from before there was a reserve have none."""


def outcomes_of(endings: pd.Series[str]) -> pd.Series[str]:
    """Return the outcomes of endings; a missing ending, or any other, is unknown."""
    return endings.map(_OF_ENDING).fillna("unknown").astype(object)


def with_outcomes(rows: SearchRows) -> pd.DataFrame:
    """Return the trials with two more columns.

    ``outcome`` is one of :data:`OUTCOMES`. ``weight`` is how many trials a trial with a known outcome stands
    for: one, or where a rule of early stopping let some of those below its cut run on by lot, one over the
    chance of that. Trials that are not known have the weight 0.
    """
    trials = rows.trials
    outcome = outcomes_of(trials["ending"])
    weight = np.where(outcome == "unknown", 0.0, 1.0 / kept_chances(trials))
    return trials.assign(outcome=outcome, weight=weight)


def kept_chances(trials: pd.DataFrame) -> NDArray[np.float64]:
    """Return the chance with which each trial was not ended by early stopping, shape (n,): 1 but for those
    that ran on below the cut by lot."""
    if KEPT_CHANCE not in trials.columns:
        return np.ones(len(trials))
    return trials[KEPT_CHANCE].fillna(1.0).to_numpy(float)


def halted(trials: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which trials early stopping ended, or lets wait, below its cut; shape (n,).

    Those that ran on there by lot, where there are any, stand for them.

    Args:
        trials: with the column ``outcome``.
    """
    ended = (trials["ending"] == "stopped early").to_numpy(bool)
    if _BELOW_CUT_AT not in trials.columns:
        return ended
    below = trials[_BELOW_CUT_AT].map(lambda rungs: isinstance(rungs, list) and len(rungs) > 0).to_numpy(bool)
    by_itself = trials[KEPT_CHANCE].isna().to_numpy(bool) if KEPT_CHANCE in trials.columns else True
    # A trial that failed below the cut, or runs on in spite of it, waits for nothing.
    waits = trials["ending"].isna().to_numpy(bool) | (trials["ending"] == "interrupted").to_numpy(bool)
    is_halted: NDArray[np.bool_] = ended | (below & by_itself & waits)
    return is_halted


def represented(trials: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which trials others stand for: the halted ones, where some below the cut ran on by lot; shape
    (n,)."""
    is_reserve = bool((kept_chances(trials) < 1).any())
    return halted(trials) if is_reserve else np.zeros(len(trials), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Counts of solved trials, with the three readings of unknown outcomes."""

    solved: int
    known: int
    unknown: int

    @property
    def trials(self) -> int:
        """All trials."""
        return self.known + self.unknown

    @property
    def without_unknown(self) -> Estimate:
        """The rate among the trials whose outcome is known, with Wilson's interval."""
        return _rate(self.solved, self.known)

    @property
    def unknown_failed(self) -> Estimate:
        """The rate if no unknown trial had solved: the lower bound."""
        return _rate(self.solved, self.trials)

    @property
    def unknown_solved(self) -> Estimate:
        """The rate if every unknown trial had solved: the upper bound."""
        return _rate(self.solved + self.unknown, self.trials)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "solved": self.solved,
            "known": self.known,
            "unknown": self.unknown,
            "rate": self.without_unknown.as_json(),
            "unknown_failed": self.unknown_failed.as_json(),
            "unknown_solved": self.unknown_solved.as_json(),
        }

    def __str__(self) -> str:
        if not self.known:
            return f"{self.unknown} not known"
        estimate = self.without_unknown
        told = f"{self.solved} of {self.known} ({between(estimate.low, estimate.high, 'share')})"
        return told + (f", {self.unknown} not known" if self.unknown else "")


def rate_of(trials: pd.DataFrame) -> Rate:
    """Count the outcomes of trials that :func:`with_outcomes` made."""
    counts = trials["outcome"].value_counts()
    unknown = int(counts.get("unknown", 0))
    return Rate(solved=int(counts.get("solved", 0)), known=len(trials) - unknown, unknown=unknown)


def _rate(successes: int, trials: int) -> Estimate:
    if not trials:
        return Estimate(value=float("nan"), low=0.0, high=1.0, unit="share")
    low, high = wilson(successes, trials)
    return Estimate(value=successes / trials, low=low, high=high, unit="share")
