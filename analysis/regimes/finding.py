"""The learning-rate regimes of a search, as a finding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from analysis.finding import Drawn, Table
from analysis.pictures.marks import Picture
from analysis.regimes.band import Band, Edge, Told, band, combined
from analysis.regimes.classify import REGIMES
from analysis.regimes.points import Points, points_of
from analysis.rows import PARAMS, SearchRows
from analysis.selection import parameters, plain
from analysis.statistics.difference import Difference
from analysis.statistics.estimate import UNKNOWN, Estimate

Side = Literal["lower", "upper"]
SIDES: tuple[Side, Side] = ("lower", "upper")


@dataclass(frozen=True, kw_only=True)
class Regimes(Drawn):
    """Which rates are too slow, work, and diverge, at each size."""

    rate: str
    """The parameter that is the rate."""
    size: str
    """The parameter that is the size."""
    points: Points
    """The trials, each with its rate, size and regime."""
    fitted: Band | None
    """The edges of the band that works; None if no trial works, or none could."""
    pessimistic: Band | None
    """The same with trials that are not known as failed; None if there are none."""
    target: dict[str, float] | None
    others: Sequence[str] = ()
    """Parameters beside the rate and the size that the search varies."""
    kind: str = "regimes"
    title: str = "Learning-rate regimes"

    @property
    def sizes(self) -> tuple[float, float]:
        """The smallest and the largest size; NaN without trials."""
        if self.points.frame.empty:
            return math.nan, math.nan
        return float(self.points.frame["size"].min()), float(self.points.frame["size"].max())

    @property
    def is_of_sizes(self) -> bool:
        """Tell whether more than one size was tried."""
        low, high = self.sizes
        return low < high

    def edge(self, side: Side, size: float) -> Estimate:
        """Return the rate beyond which fewer than half of the trials work, at a size.

        The estimate may lie beyond the rates that were tried; :meth:`is_reached` tells.
        """
        return _estimate(self._told(side, size))

    def is_reached(self, side: Side, size: float) -> bool:
        """Tell whether rates beyond an edge were tried, so that trials show where it is."""
        told = self._told(side, size)[0]
        if self.fitted is None or not math.isfinite(told):
            return False
        return told >= self.fitted.lowest if side == "lower" else told <= self.fitted.highest

    def has_band(self, size: float) -> bool:
        """Tell whether some rate works for half of the trials at a size.

        None does where the edges cross, or where several rates were tried at just this size, each with
        several trials, and none worked for half of them.
        """
        lower, upper = (self._told(side, size)[0] for side in SIDES)
        if self.fitted is None or lower >= upper:
            return False
        here = self.points.known
        here = here[here["size"] == size]
        shares = (here["regime"] == "works").groupby(here["rate"]).agg(["mean", "size"])
        return not (len(shares) > 1 and shares["size"].min() > 1 and shares["mean"].max() < 0.5)

    def rate_for(self, size: float) -> Estimate:
        """Return the rate to be used at a size: the geometric middle of the band that works.

        Args:
            size: any; outside the sizes that were tried this is extrapolated along the power law.

        Raises:
            ValueError: the size is not above 0.
        """
        if not size > 0:
            raise ValueError(f"a size is above 0, but got {size}")
        return UNKNOWN if self.fitted is None else _estimate(self.fitted.best(self._along(size)))

    @property
    def exponent(self) -> Estimate:
        """The power of the size with which the best rate goes: -0.5 for one over the square root."""
        return UNKNOWN if self.fitted is None else _plain(self.fitted.exponent)

    def edge_exponent(self, side: Side) -> Estimate:
        """Return the power of the size with which an edge goes."""
        edge = self._edge(side)
        return UNKNOWN if edge is None else _plain(edge.exponent)

    @cached_property
    def sentences(self) -> Sequence[str]:
        """The band first, then its edges, what to use, and what cannot be determined."""
        from analysis.regimes.sentences import sentences

        return sentences(self)

    @cached_property
    def tables(self) -> Sequence[Table]:
        """Per size the regimes counted and the edges; per size and rate the regimes counted."""
        from analysis.regimes.tables import by_size, by_size_and_rate

        return () if self.points.frame.empty else (by_size(self), by_size_and_rate(self))

    @cached_property
    def pictures(self) -> Sequence[Picture]:
        """The map: rate against size, coloured by regime, with the edges."""
        from analysis.regimes.map import regime_map

        return () if self.points.frame.empty else (regime_map(self),)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without NaN."""
        from analysis.regimes.tables import plain_rows

        counts = self.points.frame["regime"].value_counts()
        return {
            "kind": self.kind,
            "title": self.title,
            "rate": self.rate,
            "size": self.size,
            "sentences": list(self.sentences),
            "regimes": {name: int(counts.get(name, 0)) for name in REGIMES},
            "criteria": dict(REGIMES),
            "loss": self.points.loss,
            "best": {"middle_size": self._middle_json(), "exponent": self.exponent.as_json()},
            "exponents": {side: self.edge_exponent(side).as_json() for side in SIDES},
            "sizes": plain_rows(self.tables[0].frame) if self.tables else [],
            "cells": plain_rows(self.tables[1].frame) if self.tables else [],
        }

    def difference_from(self, other: Regimes) -> Sequence[Difference]:
        """Return how this search's edges and best rate differ from another's, at the middle of the sizes that
        both have; nothing if they have none in common.

        Each is the ratio of this search's to the other's.
        """
        low, high = max(self.sizes[0], other.sizes[0]), min(self.sizes[1], other.sizes[1])
        if not low <= high or self.fitted is None or other.fitted is None:
            return []
        size = math.sqrt(low * high)
        where = f"{size:,.0f} parameters" if self.size == PARAMS else f"{self.size} {size:.3g}"
        found = []
        for name, mine, theirs in (
            ("lower edge", self._told("lower", size), other._told("lower", size)),
            ("best rate", self.fitted.best(self._along(size)), other.fitted.best(other._along(size))),
            ("upper edge", self._told("upper", size), other._told("upper", size)),
        ):
            if math.isfinite(mine[0]) and math.isfinite(theirs[0]):
                found.append(
                    Difference(
                        quantity=f"{name} of {self.rate} at {where}",
                        first=_estimate(theirs),
                        second=_estimate(mine),
                        change=_estimate(combined([(1.0, mine), (-1.0, theirs)])),
                        scale="ratio",
                    )
                )
        return found

    def _middle_json(self) -> dict[str, Any]:
        size = self.points.middle_size
        return {"size": size if len(self.points.frame) else None, "rate": self.rate_for(size).as_json()}

    def _along(self, size: float) -> float:
        return math.log(size / self.points.middle_size)

    def _edge(self, side: Side) -> Edge | None:
        return None if self.fitted is None else getattr(self.fitted, side)

    def _told(self, side: Side, size: float) -> Told:
        edge = self._edge(side)
        return (math.nan, -math.inf, math.inf) if edge is None else edge.at(self._along(size))


def regimes(rows: SearchRows, rate: str = "lr", size: str = "params") -> Regimes:
    """Return which rates are too slow, which work, and which diverge, at each size.

    Args:
        rows: the search.
        rate: the parameter that is the rate; any number above 0.
        size: the parameter that is the size, ``params`` or any number above 0.

    Raises:
        SelectionError: there is no such parameter, or it is not a number above 0 in every configuration.
    """
    points = points_of(rows, rate, size)
    table = parameters(rows)
    searched = [name for name in rows.plan.searched_names if name in table.columns]
    cells = points.cells()
    fitted = band(cells) if rows.plan.target is not None else None
    stopped = fitted is not None and len(points.open) > 0
    return Regimes(
        rate=rate,
        size=size,
        points=points,
        fitted=fitted,
        pessimistic=band(points.cells(unknown_fail=True)) if stopped else None,
        target=rows.plan.target,
        others=[n for n in searched if n not in (rate, size) and table[n].map(plain).nunique() > 1],
    )


def _estimate(told: Told) -> Estimate:
    """Return a rate from its logarithm."""
    if not math.isfinite(told[0]):
        return UNKNOWN
    value, low, high = (float(np.exp(np.clip(part, -200, 200))) for part in told)
    return Estimate(
        value=value,
        low=low if math.isfinite(told[1]) else -math.inf,
        high=high if math.isfinite(told[2]) else math.inf,
    )


def _plain(told: Told) -> Estimate:
    return Estimate(value=told[0], low=told[1], high=told[2])
