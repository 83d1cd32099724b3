"""Observations of the time to the target: how long each trial was observed, and whether it reached it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.outcomes import kept_chances, represented
from analysis.rows import SearchRows

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Trials that have spent something known, shape (n,) each."""

    times: Array
    """What was spent to the target, or until the trial ended."""
    reached: Flags
    never: Flags
    """Diverged: it does not reach the target, however long it is watched."""
    used_up: Flags
    """Ended at its budget without the target."""
    configurations: Codes
    weights: Array
    """How many trials each stands for; 0 if others stand for it."""

    @property
    def known(self) -> Flags:
        """Which trials have an outcome: they solved, diverged, or used their budget."""
        return self.reached | self.never | self.used_up

    def part(self, kept: Flags) -> Observed:
        """Return some of the trials."""
        return Observed(
            times=self.times[kept],
            reached=self.reached[kept],
            never=self.never[kept],
            used_up=self.used_up[kept],
            configurations=self.configurations[kept],
            weights=self.weights[kept],
        )

    def beside(self, other: Observed) -> Observed:
        """Return these trials and those of another search, whose configurations get numbers of their own."""
        return Observed(
            times=np.concatenate([self.times, other.times]),
            reached=np.concatenate([self.reached, other.reached]),
            never=np.concatenate([self.never, other.never]),
            used_up=np.concatenate([self.used_up, other.used_up]),
            configurations=np.concatenate(
                [self.configurations, other.configurations + 1 + self.configurations.max(initial=0)]
            ),
            weights=np.concatenate([self.weights, other.weights]),
        )


def observe(rows: SearchRows, trials: pd.DataFrame, cost: str) -> Observed:
    """Return what trials show of a cost of reaching the target.

    A trial that ended without the target is censored: at its budget, where it was stopped, or where its last
    row has it. Where a reserve of early stopping let trials run on by lot, those stand for the ones that were
    stopped or wait, which are left out.

    Args:
        rows: the search.
        trials: its trials, or some of them.
        cost: a cost of reaching the target.
    """
    used = rows.metrics[cost]["spent"]
    known = {name: trials[name] if name in trials.columns else np.nan for name in (cost, used)}
    solved = (trials["ending"] == "solved").to_numpy(bool)
    times = np.where(solved, known[cost], known[used]).astype(float)
    weights = np.where(represented(trials), 0.0, 1 / kept_chances(trials))
    everything = Observed(
        times=times,
        reached=solved,
        never=(trials["ending"] == "diverged").to_numpy(bool),
        used_up=(trials["ending"] == "finished").to_numpy(bool),
        configurations=trials["configuration"].to_numpy(np.int64),
        weights=weights,
    )
    return everything.part(~np.isnan(times))
