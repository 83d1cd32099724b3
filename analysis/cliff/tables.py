"""The parameter cliff as tables and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.cliff.counts import Counts, Whole
from analysis.cliff.fit import SizeFit
from analysis.files.layout import Column
from analysis.finding import Table
from analysis.statistics.estimate import Estimate
from analysis.statistics.intervals import wilson_of_rates

if TYPE_CHECKING:
    from analysis.cliff.finding import Cliff

SHARES = (0.1, 0.5, 0.9)
MOST_BINS = 12
"""Most rows of the table of success rates."""

_OF = Column("of", "", "which trials: all, a group, the best recipe of each size, or a bound for the unknown")
_LOW, _HIGH = "lower end of the 95 % interval", "upper end of the 95 % interval"

SIZE_COLUMNS = (
    _OF,
    Column("share", "share", "the share of seeds that solve"),
    Column("size", "parameters", "that size; missing if it cannot be determined"),
    Column("low", "parameters", f"{_LOW} of the size; missing where it is open"),
    Column("high", "parameters", f"{_HIGH} of the size; missing where it is open"),
    Column("trials", "trials", "trials with a known outcome"),
    Column("solved", "trials", "those that solved"),
    Column(
        "configurations",
        "configurations",
        "their configurations: the unit of resampling; for the best recipes that is the bin of sizes",
    ),
)
SHARPNESS_COLUMNS = (
    _OF,
    Column("odds_per_doubling", "1", "factor of the odds of success where the size doubles"),
    Column("odds_low", "1", f"{_LOW} of the odds per doubling"),
    Column("odds_high", "1", f"{_HIGH} of the odds per doubling"),
    Column("factor", "1", "the 90 % size over the 10 % size"),
    Column("factor_low", "1", f"{_LOW} of the factor"),
    Column("factor_high", "1", f"{_HIGH} of the factor"),
    Column("dispersion", "1", "variation of outcomes between configurations, over what chance explains"),
)
RATE_COLUMNS = (
    Column("size_from", "parameters", "smallest size of a configuration in this row"),
    Column("size_to", "parameters", "largest size of a configuration in this row"),
    Column("configurations", "configurations", "configurations of these sizes"),
    Column("solved", "trials", "trials that solved"),
    Column("known", "trials", "trials with a known outcome"),
    Column("unknown", "trials", "trials without one"),
    Column("rate", "share", "solved over known, weighted by how many trials each stands for"),
    Column("rate_low", "share", f"{_LOW} of the rate, as if trials were independent (Wilson)"),
    Column("rate_high", "share", f"{_HIGH} of the rate, as if trials were independent (Wilson)"),
)


def fits(cliff: Cliff) -> Iterator[tuple[str, SizeFit]]:
    """Yield every fit of a cliff, with its name."""
    for name, fit in (
        (cliff.name or "all", cliff.fit),
        *((group.name, group.fit) for group in cliff.groups),
        ("best recipe of each size", None if cliff.best is None else cliff.best.fit),
        ("unknown as failed", cliff.failed),
        ("unknown as solved", cliff.solved),
    ):
        if fit is not None:
            yield name, fit


def tables(cliff: Cliff) -> list[Table]:
    """Return the sizes, how sharp the edge is, and the success rates by size."""
    sizes, sharpness = [], []
    for name, fit in fits(cliff) if cliff.has_target else ():
        for share in SHARES:
            told = cells_of(fit.size(share), "size", "low", "high")
            numbers = {"trials": fit.trials, "solved": fit.solved, "configurations": fit.configurations}
            sizes.append({"of": name, "share": share, **told, **numbers})
        odds = cells_of(fit.per_doubling, "odds_per_doubling", "odds_low", "odds_high")
        width = cells_of(fit.width, "factor", "factor_low", "factor_high")
        sharpness.append({"of": name, **odds, **width, "dispersion": _finite(fit.dispersion)})
    return [
        table_of("Sizes at which a share of the seeds solves", sizes, SIZE_COLUMNS),
        table_of("How sharp the edge is", sharpness, SHARPNESS_COLUMNS),
        table_of("Success by size", binned(cliff.counts) if cliff.has_target else [], RATE_COLUMNS),
    ]


def binned(counts: Counts, most: int = MOST_BINS) -> list[dict[str, Any]]:
    """Return the success rate of each size, or of bins of about as many configurations where sizes are
    many."""
    sizes = np.unique(counts.params)
    if len(sizes) > most:
        edges = np.unique(np.quantile(counts.params, np.linspace(0, 1, most + 1)[1:-1]))
        place = np.searchsorted(edges, counts.params, side="right")
    else:
        place = np.searchsorted(sizes, counts.params)
    return rates_by(counts, place)


def rates_by(counts: Counts, place: Whole) -> list[dict[str, Any]]:
    """Return the success rate of each bin of configurations, with Wilson's interval.

    Args:
        counts: outcomes of configurations.
        place: shape (m,), the number of each configuration's bin; rows are in the order of these.
    """
    rows = []
    for number in np.unique(place):
        part = counts.where(place == number)
        known, solved = int(part.known_trials.sum()), int(part.solved_trials.sum())
        weighted = float(part.known.sum())
        rate = float(part.solved.sum()) / weighted if weighted else None
        low, high = (0.0, 1.0) if rate is None else _interval(rate, weighted**2 / float(part.squares.sum()))
        rows.append(
            {
                "size_from": int(part.params.min()),
                "size_to": int(part.params.max()),
                "configurations": len(part),
                "solved": solved,
                "known": known,
                "unknown": int(part.unknown_trials.sum()),
                "rate": rate,
                "rate_low": low,
                "rate_high": high,
            }
        )
    return rows


def _interval(rate: float, trials: float) -> tuple[float, float]:
    """Return Wilson's interval; of weighted trials, ``trials`` of equal weight would tell as much."""
    low, high = wilson_of_rates(np.array([rate]), np.array([trials]))
    return float(low[0]), float(high[0])


def as_json(cliff: Cliff) -> dict[str, Any]:
    """Return all results of a cliff as plain values."""
    best, more = cliff.best, cliff.more
    found: dict[str, Any] = {
        "kind": cliff.kind,
        "title": cliff.title,
        "of": cliff.name or "all",
        "verdict": cliff.verdict,
        "sentences": list(cliff.sentences),
        "outcomes": cliff.rate.as_json(),
        "fit": _fit_json(cliff.fit),
        "unknown_failed": _fit_json(cliff.failed),
        "unknown_solved": _fit_json(cliff.solved),
        "more_trials": None if more is None else vars(more).copy(),
        "rates": tables(cliff)[2].frame.astype(object).replace({math.nan: None}).to_dict("records"),
    }
    if best is not None:
        found["best_recipe"] = {
            "bins": best.bins,
            "factor": _finite(best.factor),
            "why_not": best.why_not,
            "fit": _fit_json(best.fit),
        }
    if cliff.by is not None:
        found |= {
            "by": cliff.by,
            "groups": [group.as_json() for group in cliff.groups],
            "tests": [test.as_json() for test in cliff.tests],
        }
    return found


def _fit_json(fit: SizeFit | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    return {
        "trials": fit.trials,
        "solved": fit.solved,
        "configurations": fit.configurations,
        "seeds": fit.seeds,
        "sizes": [fit.smallest, fit.largest],
        **{f"size_{share * 100:.0f}": fit.size(share).as_json() for share in SHARES},
        "odds_per_doubling": fit.per_doubling.as_json(),
        "factor_10_to_90": fit.width.as_json(),
        "dispersion": _finite(fit.dispersion),
    }


def table_of(title: str, rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> Table:
    """Return rows as a table, whose columns are there even without any."""
    return Table(
        title=title, frame=pd.DataFrame(rows, columns=[column.name for column in columns]), columns=columns
    )


def cells_of(estimate: Estimate, value: str, low: str, high: str) -> dict[str, float | None]:
    """Return an estimate and the ends of its interval under these names; None where it is open."""
    names = {value: estimate.value, low: estimate.low, high: estimate.high}
    return {name: _finite(number) for name, number in names.items()}


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
