"""A Bayesian model of one edge: success rises with a size, and where it crosses a share is asked.

The share of seeds that solve at log size x is ``top * logistic(slope * (x - edge) + c + u)``, where u, normal
with a standard deviation ``spread``, is what a configuration has beside its size, and c is such that the
share asked for is crossed at ``edge`` on average over configurations. The four unknowns are on a grid, so the
posterior is exact but for the grid, whatever the data: all solved, none, or a clean separation. It does not
depend on how trials were chosen, as long as they were chosen by the data only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from analysis.statistics.estimate import CONFIDENCE, Estimate
from analysis.statistics.logistic import Array, shares

BEYOND = 1.5
"""The edge may lie beyond the sizes of the space by this factor."""

_WIDTHS = (1.1, 1.15, 1.25, 1.4, 1.7, 2.2, 3.2, 6.0, 20.0)
"""Factors between the sizes at which a tenth and nine tenths of the most solve."""
_SPREADS = {0.0: 0.3, 0.6: 0.3, 1.2: 0.25, 2.4: 0.15}
_TOPS = {1.0: 0.6, 0.9: 0.25, 0.75: 0.15}
"""Shares of seeds that solve at the largest sizes, with their prior probabilities."""

_MOST_KEPT = 256
"""Likelihoods that are kept, of about 100 KB each."""

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Seen:
    """What is known of one configuration."""

    x: float
    """The logarithm of its size."""
    solved: float
    trials: float
    """Trials with a known outcome; a running one may count with a part of each outcome."""


class EdgeModel:
    """The grid of an edge, with its prior.

    Args:
        low: the logarithm of the smallest size of the space.
        high: that of the largest.
        at: the share of seeds that is asked for.
        within: the relative precision that is asked for; the grid is a quarter of it.
    """

    def __init__(self, low: float, high: float, at: float = 0.5, within: float = 0.1) -> None:
        room = math.log(BEYOND)
        step = max(math.log1p(within) / 4, (high - low + 2 * room) / 300)
        # At multiples of the step: which sizes it is made for then hardly matters.
        first, last = math.floor((low - room) / step), math.ceil((high + room) / step)
        self.edges = step * np.arange(first, last + 1)
        slopes = np.array([2 * math.log(9) / math.log(width) for width in _WIDTHS])
        tops = {top: chance for top, chance in _TOPS.items() if top > at + 0.1} or {1.0: 1.0}
        kinds = [
            (slope, spread, top, _SPREADS[spread] * tops[top])
            for slope in slopes
            for spread in _SPREADS
            for top in tops
        ]
        # One row for each kind of curve, one column for each place of its edge.
        table: Array = np.array(kinds, dtype=float)
        self._slope, self._spread, self._top, chance = table.T
        self._constant = np.array([_constant(at, spread, top) for _, spread, top, _ in kinds])
        self._kept: dict[Seen, Array] = {}
        self.prior = np.log(np.broadcast_to(chance[:, None], (len(kinds), len(self.edges))))

    def chances(self, x: float) -> Array:
        """Return the chance that a seed of a configuration of this log size solves, shape (kinds, edges,
        nodes): given each node of what a configuration has beside its size."""
        base = self._slope[:, None] * (x - self.edges[None, :]) + self._constant[:, None]
        most = self._top[:, None, None]
        solved: Array = most * shares(base[..., None] + self._spread[:, None, None] * _NODES)
        return solved

    def mean_chance(self, x: float) -> Array:
        """Return the same on average over configurations, shape (kinds, edges)."""
        mean: Array = self.chances(x) @ _WEIGHTS
        return mean

    def likelihood(self, seen: Seen) -> Array:
        """Return the probability of what was seen of a configuration, shape (kinds, edges)."""
        # Most of what was seen before one trial was seen before the last one too.
        if seen not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[seen] = self._likelihood(seen)
        return self._kept[seen]

    def _likelihood(self, seen: Seen) -> Array:
        chance = self.chances(seen.x)
        lost = seen.trials - seen.solved
        likely: Array = (chance**seen.solved * (1 - chance) ** lost) @ _WEIGHTS
        return likely


def _constant(at: float, spread: float, top: float) -> float:
    def beyond(constant: float) -> float:
        return float(top * shares(constant + spread * _NODES) @ _WEIGHTS) - at

    return float(brentq(beyond, -40.0, 40.0))


class EdgePosterior:
    """What trials say of an edge.

    Args:
        model: the grid.
        seen: what is known of each configuration.
    """

    def __init__(self, model: EdgeModel, seen: Sequence[Seen] = ()) -> None:
        self.model = model
        self.seen = tuple(seen)
        self._logs = model.prior.copy()
        for one in seen:
            if one.trials:
                self._logs += np.log(np.maximum(model.likelihood(one), 1e-300))

    def with_one_more(self, seen: Seen) -> EdgePosterior:
        """Return what they say together with those of a further configuration."""
        more = EdgePosterior(self.model)
        more.seen = (*self.seen, seen)
        more._logs = self._logs + np.log(np.maximum(self.model.likelihood(seen), 1e-300))
        return more

    @cached_property
    def weights(self) -> Array:
        """The probability of each curve, shape (kinds, edges)."""
        weights = np.exp(self._logs - self._logs.max())
        return np.asarray(weights / weights.sum())

    @cached_property
    def of_edge(self) -> Array:
        """The probability of each place of the edge, shape (edges,)."""
        marginal: Array = self.weights.sum(axis=0)
        return marginal

    def quantile(self, share: float) -> float:
        """Return the log size that the edge lies below with this probability."""
        edges, step = self.model.edges, self.model.edges[1] - self.model.edges[0]
        ends = np.concatenate([[edges[0] - step / 2], edges + step / 2])
        return float(np.interp(share, np.concatenate([[0.0], np.cumsum(self.of_edge)]), ends))

    @property
    def size(self) -> Estimate:
        """The size at the edge, in parameters: the median, with an interval of 95 % probability."""
        out = (1 - CONFIDENCE) / 2
        value, low, high = (math.exp(self.quantile(share)) for share in (0.5, out, 1 - out))
        return Estimate(value=value, low=low, high=high, unit="parameters")

    @property
    def precision(self) -> float:
        """The share of the size within which both ends of the interval lie."""
        return precision_of(self.size)

    def below(self, x: float) -> float:
        """Return the probability that the edge lies below this log size."""
        return float(self.of_edge[self.model.edges < x].sum())

    def chance(self, x: float) -> float:
        """Return the chance that a seed of a new configuration of this log size solves."""
        return float((self.weights * self.model.mean_chance(x)).sum())

    def curve(self, x: float) -> tuple[float, float, float]:
        """Return that chance as a median with an interval of 95 % probability: low, median, high."""
        chances = self.model.mean_chance(x).ravel()
        order = np.argsort(chances)
        below = np.cumsum(self.weights.ravel()[order])
        out = (1 - CONFIDENCE) / 2
        low, middle, high = (float(np.interp(q, below, chances[order])) for q in (out, 0.5, 1 - out))
        return low, middle, high

    def variance_after(self, chance: Array) -> float:
        """Return the expected variance of the edge after one more trial.

        Args:
            chance: of its success, shape (kinds, edges).
        """
        edges = np.clip(self.model.edges, self.quantile(0.01), self.quantile(0.99))
        won = (self.weights * chance).sum(axis=0)
        left = 0.0
        for part in (won, self.of_edge - won):
            total = float(part.sum())
            if total > 1e-12:
                left += float(part @ edges**2) - float(part @ edges) ** 2 / total
        return left

    def next_chance(self, seen: Seen) -> Array:
        """Return the chance that the next seed of a configuration that was seen solves, shape (kinds,
        edges)."""
        more = Seen(seen.x, seen.solved + 1, seen.trials + 1)
        likely: Array = self.model.likelihood(more) / np.maximum(self.model.likelihood(seen), 1e-300)
        return likely


def precision_of(size: Estimate) -> float:
    """Return the share of a size within which both ends of its interval lie; infinite if one is open."""
    if not size.is_known or not size.is_bounded:
        return math.inf
    return max(size.value / size.low, size.high / size.value) - 1


def best_place(
    posterior: EdgePosterior, candidates: Sequence[Seen], means: Sequence[Array] | None = None
) -> int:
    """Return the index of the candidate whose next trial leaves the least uncertainty.

    Args:
        posterior: what is known.
        candidates: configurations, with what was seen of them; new ones with no trials.
        means: :meth:`EdgeModel.mean_chance` of each, if known.
    """
    left: NDArray[np.float64] = np.empty(len(candidates))
    for index, one in enumerate(candidates):
        if one.trials:
            chance = posterior.next_chance(one)
        else:
            chance = posterior.model.mean_chance(one.x) if means is None else means[index]
        left[index] = posterior.variance_after(chance)
    return int(left.argmin())
