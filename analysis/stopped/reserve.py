"""Trials below the cut of early stopping, and how many winners were lost among those that it ended.

By lot, a share of all trials runs on below the cut, the reserve. Which of the trials below the cut are in it
says nothing about them, so they are a random sample of these: it can be counted how many of the sample
solved, and concluded how many of the others would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.outcomes import halted, kept_chances
from analysis.statistics.estimate import Estimate
from analysis.statistics.intervals import of_the_rest

Flags = NDArray[np.bool_]

_THREE, _TWO = 60, 12
"""From so many trials below the cut on they are parted into three bands of sizes, or two."""


@dataclass(frozen=True, kw_only=True)
class BelowCut:
    """The trials of a search, or of a band of sizes, by what early stopping did to them."""

    smallest: int
    """The smallest size, in parameters."""
    largest: int
    trials: int
    """All of them, below the cut or not."""
    solved: int
    """Trials that solved, those of the reserve included: the winners that are there."""
    ended: int
    """Trials that early stopping ended."""
    waiting: int
    """Trials that wait below the cut, or waited when their search was interrupted: they may go on."""
    kept: int
    """Trials below the cut that ran on by lot, and have an outcome."""
    kept_solved: int
    """How many of these solved."""
    undecided: int
    """Trials below the cut that run on by lot, and have no outcome yet."""

    @property
    def halted(self) -> int:
        """Trials that did not go on below the cut: ended, or waiting."""
        return self.ended + self.waiting

    @property
    def lost(self) -> Estimate:
        """How many of the halted trials would have solved; unknown if none like them ran on.

        The interval is exact, by the hypergeometric distribution, from the lot alone.
        """
        if not self.halted:
            return Estimate(value=0.0, low=0.0, high=0.0, unit="trials")
        if not self.kept:
            return Estimate(value=np.nan, low=0.0, high=float(self.halted), unit="trials")
        low, high = of_the_rest(self.kept_solved, self.kept, self.halted)
        value = self.halted * self.kept_solved / self.kept
        return Estimate(value=value, low=float(low), high=float(high), unit="trials")

    @property
    def share_lost(self) -> Estimate:
        """The winners lost, as a share of all that there would have been; unknown if there are none."""
        lost = self.lost

        def share(count: float) -> float:
            return count / (count + self.solved) if count + self.solved > 0 else np.nan

        low, high = (0.0 if np.isnan(end) else end for end in (share(lost.low), share(lost.high)))
        return Estimate(value=share(lost.value), low=low, high=high, unit="share")

    @property
    def rate(self) -> Estimate:
        """The share of the halted trials that would have solved; unknown if none are halted."""
        lost, number = self.lost, self.halted
        if not number:
            return Estimate(value=np.nan, low=0.0, high=1.0, unit="share")
        return Estimate(
            value=lost.value / number, low=lost.low / number, high=lost.high / number, unit="share"
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        counts = {name: int(number) for name, number in vars(self).items()}
        estimates = {"lost": self.lost, "share_lost": self.share_lost, "rate": self.rate}
        return counts | {name: estimate.as_json() for name, estimate in estimates.items()}


def below_cut(trials: pd.DataFrame) -> BelowCut:
    """Count the trials below the cut.

    Args:
        trials: of :func:`analysis.outcomes.with_outcomes`, at least one.
    """
    ended = (trials["ending"] == "stopped early").to_numpy(bool)
    is_halted, is_kept = halted(trials), _is_kept(trials)
    known = (trials["outcome"] != "unknown").to_numpy(bool)
    solved = (trials["outcome"] == "solved").to_numpy(bool)
    return BelowCut(
        smallest=int(trials["params"].min()),
        largest=int(trials["params"].max()),
        trials=len(trials),
        solved=int(solved.sum()),
        ended=int((is_halted & ended).sum()),
        waiting=int((is_halted & ~ended).sum()),
        kept=int((is_kept & known).sum()),
        kept_solved=int((is_kept & solved).sum()),
        undecided=int((is_kept & ~known).sum()),
    )


def by_size(trials: pd.DataFrame) -> Sequence[BelowCut]:
    """Count them in two or three bands of sizes, the smallest first; none where there are too few for it.

    The bands hold about as many trials below the cut each. Which of these ran on has no part in where the
    bands lie, so in each of them the sample is a random one as well.
    """
    trials = trials[trials["params"].notna()]
    sizes = np.sort(trials["params"].to_numpy(float)[halted(trials) | _is_kept(trials)])
    bands = 3 if len(sizes) >= _THREE else 2 if len(sizes) >= _TWO else 1
    edges = np.unique([sizes[len(sizes) * band // bands] for band in range(1, bands)])
    band_of = np.searchsorted(edges, trials["params"].to_numpy(float), side="right")
    found = [below_cut(trials[band_of == band]) for band in np.unique(band_of)]
    return found if len(found) > 1 else []


def _is_kept(trials: pd.DataFrame) -> Flags:
    """Tell which trials ran on below the cut for the lot alone."""
    return kept_chances(trials) < 1
