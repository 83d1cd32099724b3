"""The band of rates that work: its two edges, each where half of the trials work, as power laws of the size.

Success rises with the rate from too slow to works, and falls from works to diverges. So there are two fits,
each ordered: one on the trials at or below the middle of what works, one on those at or above it. One curve
over all rates, a parabola, would have to be as steep on one side as on the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.regimes.profile import profile_interval
from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE
from analysis.statistics.logistic import LogisticFit, fit

Array = NDArray[np.float64]

Told = tuple[float, float, float]
"""A value and the ends of its 95 % interval."""

UNTOLD: Told = (math.nan, -math.inf, math.inf)

_CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Trials with a known outcome, one row per configuration; shape (m,) each."""

    rate: Array
    """Natural logarithm of the rate."""
    size: Array
    """Natural logarithm of the size, less that of the middle size."""
    works: Array
    """How many trials work; a fraction where trials are weighted."""
    trials: Array

    def at(self, rows: NDArray[np.bool_]) -> Cells:
        """Return some of the rows."""
        return Cells(
            rate=self.rate[rows], size=self.size[rows], works=self.works[rows], trials=self.trials[rows]
        )


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One edge of the band: the rate at which half of the trials work, as a power law of the size."""

    fit: LogisticFit
    predictors: Array
    cells: Cells

    @property
    def has_sizes(self) -> bool:
        """Tell whether more than one size was tried, so that there is a power law."""
        return bool(self.predictors.shape[1] == 3)

    def at(self, size: float) -> Told:
        """Return the edge at a size: natural logarithms of the rate.

        Args:
            size: natural logarithm of the size, less that of the middle size. Where one size was tried,
            nothing is known at others.
        """
        if not self.has_sizes and abs(size - self.cells.size[0]) > _CLOSE:
            return UNTOLD
        return self._crossing(np.array([1.0, 0.0, size]))

    @property
    def exponent(self) -> Told:
        """The power of the size that the edge goes with."""
        return self._crossing(np.array([0.0, 0.0, 1.0])) if self.has_sizes else UNTOLD

    def _crossing(self, constant: Array) -> Told:
        """Return a ratio of coefficients: Fieller's interval, cut where the likelihood rules a part of it
        out."""
        key = tuple(constant.tolist())
        if key not in self._known:
            width = self.predictors.shape[1]
            constant, slope = constant[:width], np.array([0.0, 1.0, 0.0])[:width]
            value, low, high = self.fit.crossing(constant, slope)
            at_least, at_most = profile_interval(
                self.fit, self.predictors, self.cells.works, self.cells.trials, constant, slope
            )
            self._known[key] = value, max(low, at_least), min(high, at_most)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[float, ...], Told]:
        """What was asked before: sentences, tables and pictures ask for the same."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Band:
    """Both edges, as far as trials show them. ``lowest`` and ``highest`` are the rates tried, in natural
    logarithms."""

    lower: Edge | None
    upper: Edge | None
    lower_reason: str
    """Why there is no lower edge; empty if there is."""
    upper_reason: str
    lowest: float
    highest: float

    def best(self, size: float) -> Told:
        """Return the geometric middle of the edges at a size, in natural logarithms; unknown with one
        edge."""
        if self.lower is None or self.upper is None:
            return UNTOLD
        return self._middle(self.lower.at(size), self.upper.at(size))

    @property
    def exponent(self) -> Told:
        """The power of the size that the geometric middle of the edges goes with."""
        if self.lower is None or self.upper is None:
            return UNTOLD
        return self._middle(self.lower.exponent, self.upper.exponent)

    def _middle(self, lower: Told, upper: Told) -> Told:
        assert self.lower is not None
        assert self.upper is not None
        return combined([(0.5, lower), (0.5, upper)], [self.lower.fit.freedom, self.upper.fit.freedom])


def band(cells: Cells) -> Band | None:
    """Fit both edges.

    Returns:
        None if no trial works, so that there is no band to have edges.
    """
    if not cells.works.sum() or not len(cells.rate):
        return None
    centre = _centre(cells)
    lower, lower_reason = _edge(cells.at(cells.rate <= centre + _CLOSE), side="lower")
    upper, upper_reason = _edge(cells.at(cells.rate >= centre - _CLOSE), side="upper")
    return Band(
        lower=lower,
        upper=upper,
        lower_reason=lower_reason,
        upper_reason=upper_reason,
        lowest=float(cells.rate.min()),
        highest=float(cells.rate.max()),
    )


def combined(terms: Sequence[tuple[float, Told]], freedom: Sequence[int] | None = None) -> Told:
    """Return a weighted sum of independent estimates, its interval by variance estimates recovery.

    The method keeps intervals uneven, and open ones open (Zou and Donner, Statistics in Medicine 27, 2008).

    Args:
        terms: weights and estimates.
        freedom: the degrees of freedom of each interval; that of the sum has all of them. None where there
            are many.
    """
    value = sum(weight * told[0] for weight, told in terms)
    if not math.isfinite(value):
        return UNTOLD
    narrower = np.ones(len(terms))
    if freedom is not None and min(freedom) > 0:
        narrower = _quantile(sum(freedom)) / np.array([_quantile(own) for own in freedom])
    down = [weight * (told[0] - told[1 if weight > 0 else 2]) for weight, told in terms]
    up = [weight * (told[2 if weight > 0 else 1] - told[0]) for weight, told in terms]
    return value, value - math.hypot(*(narrower * down)), value + math.hypot(*(narrower * up))


def _quantile(freedom: int) -> float:
    return float(student.ppf((1 + CONFIDENCE) / 2, freedom))


def _centre(cells: Cells) -> Array:
    """Return the mean log rate of the trials that work, as a linear function of log size; shape (m,)."""
    weight = cells.works
    middle, level = np.average(cells.size, weights=weight), np.average(cells.rate, weights=weight)
    working = cells.size[weight > 0]
    # Sizes close to each other say nothing of those far away.
    slope = 0.0
    if np.ptp(working) > 0.5 * np.ptp(cells.size):
        away = cells.size - middle
        slope = float((weight * away * (cells.rate - level)).sum() / (weight * away**2).sum())
    found: Array = level + slope * (cells.size - middle)
    return found


def _edge(cells: Cells, *, side: Literal["lower", "upper"]) -> tuple[Edge | None, str]:
    """Fit one edge; where there is none, say why."""
    beyond, towards = ("below", "rise") if side == "lower" else ("above", "fall")
    if np.ptp(cells.rate) < _CLOSE:
        return None, f"no rate {beyond} those that work was tried"
    if (cells.trials - cells.works).sum() <= _CLOSE:
        return None, "every rate tried on that side worked"
    columns = [np.ones(len(cells.rate)), cells.rate]
    if np.ptp(cells.size) > _CLOSE:
        columns.append(cells.size)
    predictors = np.column_stack(columns)
    fitted = fit(predictors, cells.works, cells.trials)
    rises = fitted.coefficients[1] > 0
    if rises != (side == "lower"):
        return None, f"success does not {towards} with the rate on that side"
    edge = Edge(fit=fitted, predictors=predictors, cells=cells)
    _, low, high = edge.at(0.0 if edge.has_sizes else float(cells.size[0]))
    if not math.isfinite(low) and not math.isfinite(high):
        return None, f"success does not clearly {towards} with the rate on that side"
    return edge, ""
