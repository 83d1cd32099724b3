"""A Bayesian model of the rates that work at each size: success rises at a lower edge, falls at an upper.

x is the decimal logarithm of the rate. Somewhere between both edges is a middle m. Up to it the share of
seeds that solve is ``top * logistic(slope * (x - lower) + c + u)``, beyond it ``top * logistic(slope' *
(upper - x) + c + u)``, where u, normal with a standard deviation ``spread``, is what a configuration has
beside its rate, and c is such that the share asked for is crossed at each edge on average over
configurations. Or no rate works: then the share stays below the one asked for, evenly or with a hump.

Where the edges lie at one size says nothing of another. How steep they are, how much configurations differ
and what share solves far from the edges is alike at all sizes, though not the same: each size draws it around
what all have in common.

All unknowns are on a grid; :mod:`analysis.questions.band_posterior` has what trials say of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from analysis.questions.edge import Seen
from analysis.statistics.logistic import Array, shares

BEYOND = 0.5
"""Decades by which an edge may lie beyond the rates of the space."""

WIDTHS = {0.08: 0.2, 0.2: 0.3, 0.45: 0.3, 1.0: 0.2}
"""Decades between the rates at which a tenth and nine tenths of the most solve, with prior probabilities."""
_KINDS = {(0.0, 1.0): 0.4, (0.8, 1.0): 0.25, (2.0, 1.0): 0.15, (0.4, 0.85): 0.2}
"""How configurations differ, in log odds, and the share of seeds that solve far from both edges."""
_NONE = 0.15
"""The prior probability that no rate works."""
_HEIGHTS = {0.01: 0.4, 0.2: 0.2, 0.5: 0.2, 0.8: 0.2}
"""Where no rate works: the largest share of seeds that solve, as a part of the one asked for."""
_HUMPS = (0.15, 0.4, np.inf)
"""Half-widths, in decades, of where that share is reached; infinite where it is the same everywhere."""
_MOST_EDGES, _MOST_MIDDLES = 120, 24
_STAYS = 0.5
"""The chance that an edge at one size is in the same class of steepness as what all sizes have in common;
else it is in a neighbouring one."""
_STAYS_KIND = 0.7
"""That chance for how configurations differ and what share solves; else they are drawn anew."""
APART = 1.0
"""Decades: a band that is there and none are as unlike as edges so far apart."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


class BandModel:
    """The grid of a band, with its prior.

    Args:
        low: the decimal logarithm of the lowest rate of the space.
        high: that of the highest.
        at: the share of seeds that is asked for.
        within: the precision that is asked for, in decades; the grid is two fifths of it.
    """

    def __init__(self, low: float, high: float, at: float = 0.5, within: float = 0.15) -> None:
        self.low, self.high, self.within = low, high, within
        step = max(within / 2.5, (high - low + 2 * BEYOND) / _MOST_EDGES)
        self.step = step
        self.edges: Array = np.arange(low - BEYOND, high + BEYOND + step / 2, step)
        count = max(2, min(_MOST_MIDDLES, round((high - low) / step)))
        self.middles: Array = low + (np.arange(count) + 0.5) * (high - low) / count
        kinds = {kind: chance for kind, chance in _KINDS.items() if kind[1] > at + 0.1} or {(0.0, 1.0): 1.0}
        self.of_kind: Array = np.array(list(kinds.values())) / sum(kinds.values())
        self._spread, self._top = np.array(list(kinds)).T
        self._constant = np.array([_constant(at, spread, top) for spread, top in kinds])
        self._slopes = 2 * np.log(9) / np.array(list(WIDTHS))
        self._humps, self.of_hump = self._where_none_works(at)
        # So weighted, all pairs of edges are equally likely whatever the width of the band between them.
        away = (self.middles[:, None] - self.edges[None, :]) / step
        near = [1 / np.sqrt(np.maximum(away * sign, 0.5)) * (away * sign > 0.5) for sign in (1, -1)]
        self.near: tuple[Array, Array] = (near[0], near[1])
        self.of_band = (1 - _NONE) / float(np.einsum("mi,mj->", *near))
        # Shape (kinds, slopes, slopes): of the lower edge and of the upper.
        slopes = np.array(list(WIDTHS.values()))
        self.of_curve: Array = self.of_kind[:, None, None] * slopes[:, None] * slopes
        self._alike = _staying(len(WIDTHS))
        self._tables: dict[tuple[float, float, float], tuple[Array, Array, Array]] = {}
        self._nexts: dict[tuple[float, float, float], tuple[Array, Array, Array]] = {}
        self._means: dict[float, tuple[Array, Array, Array]] = {}

    def _where_none_works(self, at: float) -> tuple[Array, Array]:
        """Return (height, place, half-width, spread) where no rate works, with prior probabilities."""
        found, chances = [], []
        for height, chance in _HEIGHTS.items():
            for half in _HUMPS:
                places = self.middles if np.isfinite(half) else self.middles[:1]
                for spread in (0.0, 1.2):
                    found += [(height * at, place, half, spread) for place in places]
                    chances += [chance / len(_HUMPS) / 2 / len(places)] * len(places)
        return np.array(found), _NONE * np.array(chances)

    def _chances(self, x: float) -> tuple[Array, Array, Array]:
        """Return the chance that a seed of a configuration at a log rate solves, for each node of what the
        configuration has beside its rate: if the rate is below the middle and if above, shapes (kinds,
        slopes, edges, nodes); and if no rate works, shape (humps, nodes)."""
        own = self._constant[:, None] + self._spread[:, None] * _NODES
        sides = []
        for away in (x - self.edges, self.edges - x):
            odds = (self._slopes[:, None] * away)[None, ..., None] + own[:, None, None, :]
            sides.append(self._top[:, None, None, None] * shares(odds))
        height, place, half, spread = self._humps.T
        height = np.maximum(height * np.exp(-0.5 * ((x - place) / half) ** 2), 1e-3)
        none = shares(np.log(height / (1 - height))[:, None] + spread[:, None] * _NODES)
        return sides[0], sides[1], none

    def means(self, x: float) -> tuple[Array, Array, Array]:
        """Return the same on average over configurations, shapes (kinds, slopes, edges) and (humps,)."""
        if x not in self._means:
            lower, upper, none = (table @ _WEIGHTS for table in self._chances(x))
            self._means[x] = lower, upper, none
        return self._means[x]

    def likelihood(self, seen: Seen) -> tuple[Array, Array, Array]:
        """Return the probability of what was seen of a configuration, shapes as of :meth:`means`."""
        lost = seen.trials - seen.solved
        lower, upper, none = (
            np.exp(seen.solved * np.log(table) + lost * np.log1p(-table)) @ _WEIGHTS
            for table in self._chances(seen.x)
        )
        return lower, upper, none

    def relative(self, seen: Seen) -> tuple[Array, Array, Array]:
        """Return the same, divided by the largest of all: the products of many small ones would vanish."""
        key = (seen.x, seen.solved, seen.trials)
        if key in self._tables:
            return self._tables[key]
        table = self.likelihood(seen)
        most = max(map(np.max, table))
        lower, upper, none = (part / most for part in table)
        # Expected outcomes of trials that run hardly come again.
        if seen.solved == round(seen.solved):
            self._tables[key] = lower, upper, none
        return lower, upper, none

    def next_chances(self, seen: Seen) -> tuple[Array, Array, Array]:
        """Return the chance that the next seed of a configuration solves, shapes as of :meth:`means`."""
        if not seen.trials:
            return self.means(seen.x)
        key = (seen.x, seen.solved, seen.trials)
        if key in self._nexts:
            return self._nexts[key]
        now = self.likelihood(seen)
        more = self.likelihood(Seen(seen.x, seen.solved + 1, seen.trials + 1))
        lower, upper, none = (
            after / np.maximum(before, 1e-300) for after, before in zip(more, now, strict=True)
        )
        if seen.solved == round(seen.solved):
            self._nexts[key] = lower, upper, none
        return lower, upper, none

    def common(self, evidence: Sequence[Array]) -> list[Array]:
        """Return the probability of each kind of curve at each size before its own trials are looked at.

        Args:
            evidence: of each size, the probability of its trials for each kind of curve.
        """
        if len(evidence) < 2:
            return [self.of_curve for _ in evidence]
        # The common kind, given each size: what that size's own may be, weighted by its trials.
        of_common = np.array([self._around(each) for each in evidence])
        logs = np.log(np.maximum(of_common, 1e-300))
        found = []
        for size in range(len(evidence)):
            others = logs.sum(axis=0) - logs[size] + np.log(self.of_curve)
            weights = np.exp(others - others.max())
            found.append(self._around(weights / weights.sum(), is_back=True))
        return found

    def _around(self, weights: Array, *, is_back: bool = False) -> Array:
        """Sum over what a size may have given the common kind; back: over the common kind.

        Args:
            weights: shape (kinds, slopes, slopes).
            is_back: whether the weights are those of the common kind.
        """
        alike = self._alike if is_back else self._alike.T
        weights = np.einsum("kij,ia,jb->kab", weights, alike, alike)
        if is_back:
            anew = self.of_kind[:, None, None] * weights.sum(axis=0)
        else:
            anew = np.broadcast_to(np.tensordot(self.of_kind, weights, axes=1), weights.shape)
        mixed: Array = _STAYS_KIND * weights + (1 - _STAYS_KIND) * anew
        return mixed


def _staying(count: int) -> Array:
    """Return the chance of each class of steepness at a size, given that of all, shape (of all, of one)."""
    away = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    chances = np.where(away == 0, _STAYS, np.where(away == 1, (1 - _STAYS) / 2, 0.0))
    found: Array = chances / chances.sum(axis=1, keepdims=True)
    return found


def _constant(at: float, spread: float, top: float) -> float:
    def beyond(constant: float) -> float:
        return float(top * shares(constant + spread * _NODES) @ _WEIGHTS) - at

    return float(brentq(beyond, -40.0, 40.0))
