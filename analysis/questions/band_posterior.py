"""What trials say of the band of rates that work, at each size.

Given the middle of the band and the kind of curve the two edges are independent: their tables stand side by
side, the posterior is exact but for the grid, and a decision takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.questions.band import APART, WIDTHS, BandModel
from analysis.questions.edge import Seen
from analysis.statistics.logistic import Array

Side = Literal["lower", "upper"]
SIDES: tuple[Side, Side] = ("lower", "upper")

PROBABILITY = 0.97
"""That an edge lies within its interval, by the posterior. A search that ends when its intervals are narrow
ends too early where they look narrower than they are: in simulated searches whose configurations differ much,
those of 95 % held 92 of 100 edges, and these hold 97."""


class BandTables:
    """What the trials of one size say for each kind of curve.

    Args:
        model: the grid.
        seen: what is known of each configuration.
    """

    def __init__(self, model: BandModel, seen: Sequence[Seen] = ()) -> None:
        self.model = model
        self.seen = tuple(sorted((one for one in seen if one.trials), key=lambda one: one.x))
        tables = [model.relative(one) for one in self.seen]
        shape = (len(model.of_kind), len(WIDTHS), len(model.edges))
        # Of each middle, the configurations up to it tell of the lower edge, the others of the upper.
        lower, upper = [np.ones(shape)], [np.ones(shape)]
        for table in tables:
            lower.append(lower[-1] * table[0])
        for table in reversed(tables):
            upper.append(upper[-1] * table[1])
        split = np.searchsorted([one.x for one in self.seen], model.middles, side="right")
        # Shape (middles, kinds, slopes, edges).
        self.lower: Array = np.array([lower[many] for many in split])
        self.upper: Array = np.array([upper[len(tables) - many] for many in split])
        self.lower *= model.of_band * model.near[0][:, None, None, :]
        self.upper *= model.near[1][:, None, None, :]
        self.none: Array = model.of_hump.copy()
        for table in tables:
            self.none *= table[2]
        # Shape (middles, kinds, slopes).
        self.of_lower: Array = self.lower.sum(axis=3)
        self.of_upper: Array = self.upper.sum(axis=3)

    @cached_property
    def evidence(self) -> Array:
        """The probability of the trials for each kind of curve, shape (kinds, slopes, slopes)."""
        lower, upper = (part.transpose(1, 2, 0) for part in (self.of_lower, self.of_upper))
        found: Array = lower @ upper.transpose(0, 2, 1) + self.none.sum()
        return found


class BandPosterior:
    """What trials say of the band of one size.

    Args:
        tables: what its trials say.
        of_curve: the probability of each kind of curve before them; the prior's if None.
    """

    def __init__(self, tables: BandTables, of_curve: Array | None = None) -> None:
        model = self.model = tables.model
        self.seen = tables.seen
        self._tables = tables
        of_curve = model.of_curve if of_curve is None else of_curve
        total = float((of_curve * (tables.evidence - tables.none.sum())).sum() + tables.none.sum())
        self._curve: Array = of_curve / total
        self._none: Array = tables.none / total
        # The weight of all that is known of the other edge, shape (middles, kinds, slopes).
        self._beside_lower: Array = _times(tables.of_upper, self._curve.transpose(0, 2, 1))
        self._beside_upper: Array = _times(tables.of_lower, self._curve)

    @cached_property
    def trials(self) -> int:
        """Trials that it rests on."""
        return round(sum(one.trials for one in self.seen))

    @cached_property
    def none(self) -> float:
        """The probability that no rate works for the share of seeds asked for."""
        return float(self._none.sum())

    @cached_property
    def of_edges(self) -> tuple[Array, Array]:
        """The probability of each place of the lower and of the upper edge, together with that of a band,
        shape (edges,) each."""
        edges = len(self.model.edges)
        lower = self._beside_lower.reshape(-1) @ self._tables.lower.reshape(-1, edges)
        upper = self._beside_upper.reshape(-1) @ self._tables.upper.reshape(-1, edges)
        return lower, upper

    def quantile(self, side: Side, share: float) -> float:
        """Return the log rate that an edge lies below with this probability, if there is a band."""
        chances = self.of_edges[SIDES.index(side)]
        edges, step = self.model.edges, self.model.step
        ends = np.concatenate([[edges[0] - step / 2], edges + step / 2])
        below = np.concatenate([[0.0], np.cumsum(chances)])
        return float(np.interp(share, below / max(float(below[-1]), 1e-300), ends))

    def interval(self, side: Side) -> tuple[float, float, float]:
        """Return the median of an edge with its 95 % interval: low, median, high."""
        out = (1 - PROBABILITY) / 2
        return self.quantile(side, out), self.quantile(side, 0.5), self.quantile(side, 1 - out)

    def chance(self, x: float) -> float:
        """Return the chance that a seed of a new configuration at a log rate solves."""
        lower, _, none = self._won([Seen(x, 0, 0)])
        return float(lower.sum() + none.sum())

    def uncertainty(self, wanted: tuple[bool, bool] = (True, True)) -> float:
        """Return how uncertain the edges are: the sum of their variances, in square decades.

        Args:
            wanted: of which edges.
        """
        of_lower, of_upper = self.of_edges
        return float(self._uncertainty(of_lower, of_upper, np.array(self.none), wanted))

    def uncertainty_after(
        self, candidates: Sequence[Seen], wanted: tuple[bool, bool] = (True, True)
    ) -> Array:
        """Return how uncertain the edges are expected to be after one more trial of each candidate.

        Args:
            candidates: configurations, with what was seen of them; new ones with no trials.
            wanted: which edges count.
        """
        lower, upper, none = self._won(candidates)
        of_lower, of_upper = self.of_edges
        won = self._uncertainty(lower, upper, none, wanted)
        lost = self._uncertainty(of_lower - lower, of_upper - upper, self.none - none, wanted)
        return won + lost

    def _won(self, candidates: Sequence[Seen]) -> tuple[Array, Array, Array]:
        """Return the probability of a success together with each place of either edge, shapes (candidates,
        edges), and with no rate working, shape (candidates,)."""
        tables = [self.model.next_chances(one) for one in candidates]
        below, above, none = (np.array([table[part] for table in tables]) for part in range(3))
        # Beyond a middle a candidate tells of the upper edge, up to it of the lower.
        is_past = self.model.middles < np.array([one.x for one in candidates])[:, None]
        of = self._tables
        lower = _at_edge(~is_past, self._beside_lower, of.lower, below)
        upper = _at_edge(is_past, self._beside_upper, of.upper, above)
        # A candidate beside one edge tells of the other by the middle and the kind of curve.
        lower += _at_other(is_past, self._curve.transpose(0, 2, 1), of.upper, above, of.lower)
        upper += _at_other(~is_past, self._curve, of.lower, below, of.upper)
        return lower, upper, none @ self._none

    def _uncertainty(
        self, lower: Array, upper: Array, none: Array, wanted: tuple[bool, bool]
    ) -> NDArray[np.float64]:
        """Return variances times probabilities, shape (candidates,) or ()."""
        model = self.model
        band = lower.sum(axis=-1)
        found = 2 * APART**2 * band * none / np.maximum(band + none, 1e-300)
        # How far an edge lies beyond the space can not be told.
        inside = (
            np.maximum(model.edges, model.low - model.within),
            np.minimum(model.edges, model.high + model.within),
        )
        for weights, values, is_wanted in zip((lower, upper), inside, wanted, strict=True):
            if is_wanted:
                # About the middle of the space: less is lost to rounding.
                values = values - (model.low + model.high) / 2
                found = found + weights @ values**2 - (weights @ values) ** 2 / np.maximum(band, 1e-300)
        return np.asarray(found)


def posteriors(tables: Sequence[BandTables]) -> list[BandPosterior]:
    """Return what trials say of the band of each size, where the kinds of curve are alike at all sizes."""
    if not tables:
        return []
    curves = tables[0].model.common([each.evidence for each in tables])
    return [BandPosterior(each, curve) for each, curve in zip(tables, curves, strict=True)]


def _times(weights: Array, curve: Array) -> Array:
    """Return weights of one edge's slopes times the chances of both, summed over these slopes.

    Args:
        weights: shape (..., kinds, slopes).
        curve: shape (kinds, these slopes, other slopes).
    """
    # One product for each kind: as many small ones as there are candidates would take ten times as long.
    by_kind = np.moveaxis(weights, -2, 0)
    multiplied = by_kind.reshape(len(curve), -1, curve.shape[1]) @ curve
    found: Array = np.moveaxis(multiplied.reshape(by_kind.shape), 0, -2)
    return found


def _at_edge(counted: NDArray[np.bool_], other: Array, weights: Array, chances: Array) -> Array:
    """Return the probability of success at each place of the edge that a candidate is at, shape (candidates,
    edges).

    Args:
        counted: which middles are on the candidate's side, shape (candidates, middles).
        other: the weight of the other edge, shape (middles, kinds, slopes).
        weights: shape (middles, kinds, slopes, edges).
        chances: shape (candidates, kinds, slopes, edges).
    """
    whole = (other[..., None] * weights).reshape(len(weights), -1)
    summed = (counted.astype(float) @ whole).reshape(chances.shape)
    found: Array = np.einsum("ckse,ckse->ce", summed, chances)
    return found


def _at_other(
    counted: NDArray[np.bool_], curve: Array, weights: Array, chances: Array, others: Array
) -> Array:
    """Return the probability of success at each place of the other edge, shape (candidates, edges).

    Args:
        counted: which middles are on the candidate's side, shape (candidates, middles).
        curve: the chances of both slopes, that of the candidate's edge first.
        weights: of the candidate's edge, shape (middles, kinds, slopes, edges).
        chances: shape (candidates, kinds, slopes, edges).
        others: the weights of the other edge.
    """
    count, edges = len(chances), weights.shape[-1]
    by_curve = weights.reshape(len(weights), -1, edges).transpose(1, 0, 2)
    of_curve = chances.reshape(count, -1, edges).transpose(1, 2, 0)
    # Shape (candidates, middles, kinds, slopes).
    won = (by_curve @ of_curve).transpose(2, 1, 0).reshape(count, *weights.shape[:3])
    beside = _times(won, curve) * counted[..., None, None]
    found: Array = beside.reshape(count, -1) @ others.reshape(-1, edges)
    return found
