"""The atlas as tables: the sizes of each series, and the success rates that they come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.cliff.counts import Counts
from analysis.cliff.tables import SHARES, cells_of, rates_by, table_of
from analysis.files.layout import Column
from analysis.finding import Table
from analysis.statistics.estimate import UNKNOWN

if TYPE_CHECKING:
    from analysis.atlas.finding import Atlas, Series

BIN = 1.25
"""Sizes within this factor are one bin, from a power of it on: so the bins of all series are the same."""

_LOW, _HIGH = "lower end of its 95 % interval", "upper end of its 95 % interval"
_SERIES = Column("series", "", "the search, or the values of the parameters that series were made by")


def _interval(name: str, unit: str, meaning: str) -> tuple[Column, Column, Column]:
    return (
        Column(name, unit, meaning),
        Column(f"{name}_low", unit, f"{_LOW}; missing where it is open"),
        Column(f"{name}_high", unit, f"{_HIGH}; missing where it is open"),
    )


SERIES_COLUMNS = (
    _SERIES,
    Column("verdict", "", "a cliff, a ramp, no edge, or not determined"),
    *(
        column
        for share in SHARES
        for column in _interval(
            f"size_{share * 100:.0f}",
            "parameters",
            f"the size at which {share * 100:.0f} % of the seeds solve; missing if it cannot be determined",
        )
    ),
    *_interval(
        "best_50",
        "parameters",
        "the 50 % size of the best recipe of each size, on seeds that did not choose it",
    ),
    Column("trials", "trials", "trials with a known outcome"),
    Column("solved", "trials", "those that solved"),
    Column("fresh", "trials", "those on fresh seeds, of configurations that were confirmed"),
    Column("configurations", "configurations", "their configurations: the unit of resampling"),
    Column("smallest", "parameters", "the smallest size tried"),
    Column("largest", "parameters", "the largest"),
)
RATE_COLUMNS = (
    _SERIES,
    Column("seeds", "", "fresh: of confirmed configurations; or of the search"),
    Column("size_from", "parameters", "smallest size of the bin"),
    Column("size_to", "parameters", "largest size of the bin"),
    Column("configurations", "configurations", "configurations of these sizes"),
    Column("solved", "trials", "trials that solved"),
    Column("known", "trials", "trials with a known outcome"),
    *_interval("rate", "share", "solved over known, weighted by how many trials each stands for"),
)


def tables(atlas: Atlas) -> list[Table]:
    """Return the sizes of each series, and its success rates by size."""
    rates = [
        {"series": one.name, "seeds": seeds, **row}
        for one in atlas.series
        for seeds, counts in (("of the search", one.found), ("fresh", one.fresh))
        for row in binned_alike(counts)
    ]
    return [
        table_of("Series", [_row(one) for one in atlas.series], SERIES_COLUMNS),
        table_of("Success by size", rates, RATE_COLUMNS),
    ]


def binned_alike(counts: Counts) -> list[dict[str, Any]]:
    """Return the success rate in each bin of sizes that has a trial with a known outcome, smallest first."""
    counts = counts.with_known
    if not len(counts):
        return []
    return rates_by(counts, np.floor(np.log(counts.params) / math.log(BIN) + 1e-9).astype(np.int64))


def _row(one: Series) -> dict[str, Any]:
    fit = one.cliff.fit
    sizes = {
        f"size_{share * 100:.0f}": one.cliff.size(share) if one.is_determined else UNKNOWN for share in SHARES
    }
    best = None if one.cliff.best is None else one.cliff.best.fit
    sizes["best_50"] = best.size(0.5) if best is not None and best.rises else UNKNOWN
    known = one.cliff.counts.with_known
    return {
        "series": one.name,
        "verdict": one.cliff.verdict,
        **{
            name: number
            for key, size in sizes.items()
            for name, number in cells_of(size, key, f"{key}_low", f"{key}_high").items()
        },
        "trials": int(known.known_trials.sum()),
        "solved": int(known.solved_trials.sum()),
        "fresh": int(one.fresh.known_trials.sum()),
        "configurations": len(known) if fit is None else fit.configurations,
        "smallest": int(known.params.min()) if len(known) else None,
        "largest": int(known.params.max()) if len(known) else None,
    }
