"""The frontier cliff: how often the best recipe of each size solves, on seeds that did not choose it.

The best of many recipes, judged by the seeds that made it the best, is biased upwards. Here all seeds but one
choose a configuration in each bin of sizes, and the one left out judges it; each seed is left out in turn.

The result is the success of a recipe that this many seeds can choose. With similar recipes and few seeds,
that is sometimes not the best one, and the 50 % size is overestimated rather than underestimated: by 5 % in
the simulated searches of ``benchmarks/truths_cliff.py``, where every second recipe needs one and a half times
the size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.cliff.counts import Counts, Whole, count
from analysis.cliff.fit import SizeFit, fit_sizes
from analysis.objectives import accuracy_objective
from analysis.rows import SearchRows
from analysis.statistics.logistic import Array

FACTORS = (1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.75, 2.0)
"""Largest width of a bin of sizes, as the factor between its ends."""

RECIPES = 6
"""Bins are as narrow as possible with this many configurations on average: with fewer there is no choice."""


@dataclass(frozen=True, kw_only=True)
class BestRecipes:
    """The frontier cliff, or why there is none."""

    factor: float
    """Between the ends of a bin of sizes; NaN where there are no bins."""
    bins: int
    """Bins in which a recipe was chosen and judged."""
    counts: Counts
    """One row for each bin and recipe that was chosen in it, with the seeds that judged it."""
    fit: SizeFit | None
    why_not: str = ""
    """Why there is no fit, as a part of a sentence; empty if there is one."""


def best_recipes(rows: SearchRows, trials: pd.DataFrame) -> BestRecipes:
    """Choose a recipe in each bin of sizes, judge it by the seed that did not choose, and fit its success.

    Seeds choose by the share that solved; where that is equal, by the mean of the accuracy objective, then
    the smaller size. Trials with an unknown outcome neither choose nor judge.

    Args:
        rows: the search.
        trials: its trials, with outcomes.
    """
    known = trials[(trials["outcome"] != "unknown") & trials["params"].notna()]
    seeds = known.groupby("configuration")["outcome"].transform("size")
    known = known[seeds > 1]
    if known.empty:
        return _none("no configuration has two seeds with a known outcome; search with seeds of 2 or more")
    factor = _factor(known.groupby("configuration")["params"].first().to_numpy(float))
    if math.isnan(factor):
        return _none("the configurations with two seeds and more are of one size")
    judged = _judged(rows, known, factor)
    counts = count(judged)
    # A recipe can be chosen in one bin only, the bin of its size.
    bins = _bins(counts.params, factor)
    counts = Counts(**{**vars(counts), "units": bins})
    fit = fit_sizes(counts)
    used = len(np.unique(bins))
    if fit is None or used < 3:
        why = f"the sizes fall into {used} bin{'s' * (used != 1)} of a factor of {factor:g}; it takes 3"
        return BestRecipes(factor=factor, bins=used, counts=counts, fit=None, why_not=why)
    return BestRecipes(factor=factor, bins=used, counts=counts, fit=fit)


def _none(why: str) -> BestRecipes:
    empty = count(pd.DataFrame({"configuration": [], "params": [], "outcome": [], "weight": []}))
    return BestRecipes(factor=math.nan, bins=0, counts=empty, fit=None, why_not=why)


def _factor(params: Array) -> float:
    """Return the narrowest factor whose bins hold enough configurations; NaN with one size only."""
    if len(np.unique(params)) < 2:
        return math.nan
    held = {factor: len(params) / len(np.unique(_bins(params, factor))) for factor in FACTORS}
    return next((factor for factor, mean in held.items() if mean >= RECIPES), FACTORS[-1])


def _bins(params: Array, factor: float) -> Whole:
    """Return the index of each size's bin: bins start at powers of the factor."""
    return np.floor(np.log(params) / math.log(factor) + 1e-9).astype(np.int64)


def _judged(rows: SearchRows, known: pd.DataFrame, factor: float) -> pd.DataFrame:
    """Return the judging trials: for each bin and seed, that of the recipe which the other seeds chose."""
    metric, direction = accuracy_objective(rows)
    sign = 1.0 if direction == "max" else -1.0
    values = sign * known[metric].astype(float) if metric in known.columns else pd.Series(np.nan, known.index)
    place = np.unique(known["configuration"].to_numpy(np.int64), return_inverse=True)[1]
    won = (known["outcome"] == "solved").to_numpy(float)
    has_value, value = values.notna().to_numpy(float), values.fillna(0.0).to_numpy(float)
    weight = known["weight"].to_numpy(float)
    totals = {
        name: np.bincount(place, part)
        for name, part in (
            ("known", weight), ("won", weight * won), ("valued", has_value), ("value", value * has_value)
        )
    }  # fmt: skip
    # For each trial, the result of its configuration's other seeds.
    rate = (totals["won"][place] - weight * won) / (totals["known"][place] - weight)
    others = totals["valued"][place] - has_value
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(others > 0, (totals["value"][place] - value * has_value) / others, -np.inf)
    params = known["params"].to_numpy(float)
    left_out = known["seed_index"].to_numpy(np.int64)
    bins = _bins(params, factor)
    order = np.lexsort((params, -mean, -rate, left_out, bins))
    contests = np.column_stack([bins, left_out])[order]
    first = np.concatenate([[True], (contests[1:] != contests[:-1]).any(axis=1)])
    judging: pd.DataFrame = known.iloc[order[first]]
    return judging
