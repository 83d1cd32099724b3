"""The outcomes of each configuration's trials, which are the data of the cliff."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.logistic import Array

Whole = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts of outcomes, one row for each configuration; every array has the shape (m,)."""

    configurations: Whole
    """Their numbers."""
    units: Whole
    """The unit of resampling that each row belongs to: the configuration itself, or a bin of sizes."""
    params: Array
    solved: Array
    """Solved trials, weighted by how many each represents."""
    known: Array
    """Trials with a known outcome, weighted likewise."""
    squares: Array
    """The sum of the squares of these weights."""
    solved_trials: Whole
    known_trials: Whole
    unknown_trials: Whole

    def __len__(self) -> int:
        return len(self.params)

    def where(self, kept: NDArray[np.bool_]) -> Counts:
        """Return some of the rows."""
        return Counts(**{name: value[kept] for name, value in vars(self).items()})

    @property
    def with_known(self) -> Counts:
        """The rows that have a trial with a known outcome."""
        return self.where(self.known_trials > 0)

    @property
    def is_weighted(self) -> bool:
        """Return whether a trial represents more than itself."""
        return bool((self.known > self.known_trials + 1e-9).any())

    def unknown_as(self, *, solved: bool) -> Counts:
        """Return the counts if every unknown trial had solved, or none; each of these represents itself."""
        unknown = self.unknown_trials
        won = unknown if solved else np.zeros_like(unknown)
        return replace(
            self,
            solved=self.solved + won,
            known=self.known + unknown,
            squares=self.squares + unknown,
            solved_trials=self.solved_trials + won,
            known_trials=self.known_trials + unknown,
            unknown_trials=np.zeros_like(unknown),
        )


def count(trials: pd.DataFrame) -> Counts:
    """Count the outcomes of trials that :func:`analysis.outcomes.with_outcomes` made.

    Trials without a size are left out.
    """
    trials = trials[trials["params"].notna()]
    numbers, place = np.unique(trials["configuration"].to_numpy(np.int64), return_inverse=True)
    outcome, weight = trials["outcome"].to_numpy(), trials["weight"].to_numpy(float)
    won, known = outcome == "solved", outcome != "unknown"

    def added(amounts: NDArray[Any]) -> Array:
        return np.bincount(place, amounts, minlength=len(numbers)).astype(float)

    params = np.zeros(len(numbers))
    params[place] = trials["params"].to_numpy(float)
    return Counts(
        configurations=numbers,
        units=numbers,
        params=params,
        solved=added(weight * won),
        known=added(weight * known),
        squares=added(weight**2 * known),
        solved_trials=added(won).astype(np.int64),
        known_trials=added(known).astype(np.int64),
        unknown_trials=added(~known).astype(np.int64),
    )
