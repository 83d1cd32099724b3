"""The trials of a search with their rate, size and regime: what every part of the finding is made from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from analysis.files.layout import SelectionError
from analysis.regimes.band import Cells
from analysis.regimes.classify import classify
from analysis.rows import SearchRows
from analysis.selection import column_of, parameters, plain

MOST_SIZES = 8
"""More sizes than these are put together in tables."""

FACTORS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0)
"""From the smallest to the largest size that are put together."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """The trials of a search that have a rate."""

    frame: pd.DataFrame
    """One row per trial: ``configuration``, ``seed_index``, ``size``, ``rate``, ``regime``, ``weight``,
    ``represented``."""
    loss: str | None
    """The metric whose curve was looked at."""
    without_rate: int
    """Trials whose configuration has no such rate."""

    @property
    def known(self) -> pd.DataFrame:
        """The trials whose regime is known."""
        return self.frame[self.frame["regime"] != "unknown"]

    @property
    def open(self) -> pd.DataFrame:
        """The trials whose regime is not known, and that no others represent."""
        return self.frame[(self.frame["regime"] == "unknown") & ~self.frame["represented"].astype(bool)]

    @property
    def middle_size(self) -> float:
        """The geometric middle of the smallest and the largest size, to which logarithms refer."""
        sizes = self.frame["size"]
        return float(np.sqrt(sizes.min() * sizes.max())) if len(sizes) else 1.0

    def cells(self, *, unknown_fail: bool = False) -> Cells:
        """Return the trials with a known regime, put together by configuration.

        Args:
            unknown_fail: whether trials that are not known, and not represented by others, count as failed,
                instead of not at all.
        """
        weight = self.frame["weight"].where(~self.frame.index.isin(self.open.index), float(unknown_fail))
        frame = self.frame.assign(trials=weight, works=weight * (self.frame["regime"] == "works"))
        sums = frame[weight > 0].groupby("configuration")[["rate", "size", "works", "trials"]]
        first, total = sums.first(), sums.sum()
        return Cells(
            rate=np.log(first["rate"].to_numpy(float)),
            size=np.log(first["size"].to_numpy(float)) - np.log(self.middle_size),
            works=total["works"].to_numpy(float),
            trials=total["trials"].to_numpy(float),
        )

    def with_groups(self) -> tuple[pd.DataFrame, float]:
        """Return the trials with the size that stands for each in tables, ``group``, and the factor within
        which sizes are put together: 1 where each stands for itself."""
        sizes = self.frame["size"]
        if sizes.nunique() <= MOST_SIZES:
            return self.frame.assign(group=sizes), 1.0
        along = np.log(sizes / sizes.min())
        fits = (factor for factor in FACTORS if along.max() / np.log(factor) < MOST_SIZES)
        factor = next(fits, float(np.exp(along.max() / (MOST_SIZES - 1))))
        bins = np.floor(along / np.log(factor) + 1e-9)
        # The middle of the sizes that are there stands for all of a bin.
        middles = np.exp(np.log(sizes).groupby(bins).transform("mean"))
        return self.frame.assign(group=middles), factor


def points_of(rows: SearchRows, rate: str, size: str) -> Points:
    """Return the trials of a search with their rate, size and regime.

    Raises:
        SelectionError: there is no such parameter, or it is no number above zero.
    """
    classified = classify(rows)
    trials = rows.trials
    names = ["configuration", "seed_index", "size", "rate", "regime", "weight", "represented"]
    if trials.empty:
        return Points(frame=pd.DataFrame(columns=names), loss=classified.loss, without_rate=0)
    table = parameters(rows)
    if rate == size:
        raise SelectionError(f"--rate and --size must be two parameters, but both got {rate!r}")
    sizes, rates = (_positive(table, name, option) for name, option in ((size, "--size"), (rate, "--rate")))
    frame = pd.DataFrame(
        {
            "configuration": trials["configuration"],
            "seed_index": trials["seed_index"] if "seed_index" in trials.columns else 0,
            "size": trials["configuration"].map(sizes).astype(float),
            "rate": trials["configuration"].map(rates).astype(float),
            "regime": classified.regime,
            "weight": classified.weight,
            "represented": classified.represented,
        }
    )
    has_both = frame[["size", "rate"]].notna().all(axis=1)
    frame = frame[has_both].reset_index(drop=True)
    return Points(frame=frame, loss=classified.loss, without_rate=int((~has_both).sum()))


def _positive(table: pd.DataFrame, name: str, option: str) -> pd.Series[Any]:
    """Return a parameter of every configuration as a number above zero; missing where it has none."""
    column = column_of(table, name, option=option)
    there = column[column.notna()]
    wrong = [value for value in there.unique() if isinstance(value, (bool, np.bool_, str))]
    if not wrong:
        wrong = sorted(value for value in there.unique() if not value > 0 or not np.isfinite(value))
    if wrong:
        raise SelectionError(
            f"{option} {name}: is {plain(wrong[0])} in some configurations; it must be a number above 0 "
            "everywhere, since its logarithm is used; leave those out with --where"
        )
    return pd.to_numeric(column).astype(float)


def neighbours(values: pd.Series[float]) -> float:
    """Return the usual factor between values that were tried next to each other; 2 if there is one value."""
    tried = np.sort(values.unique())
    steps = [later / earlier for earlier, later in pairwise(tried)]
    return float(np.median(steps)) if steps else 2.0
