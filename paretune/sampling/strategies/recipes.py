"""Which recipe does best at each size, as far as few trials tell: a logistic regression with weak priors.

A configuration has a shape, the dimensions that its size depends on, and a recipe, the others. The log odds
of success are linear in the logarithm of the size and in terms of every dimension: one for each value of a
choice, a straight and a square one for a range. The priors say that size helps and that no single term
decides alone; the posterior is taken as normal at its mode (Laplace).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from pydantic import JsonValue

from analysis.statistics.logistic import Array, shares
from search_spaces.dimensions import AnyDimension, Choice
from search_spaces.plan import Plan, Values

_GRID = 15
"""Places of a range at which its best value is looked for."""

_SLOPE, _SLOPE_SPREAD = 5.0, 2.5
"""Of the log odds, against the natural logarithm of the size: tenfold odds at one and a half times the
size, give or take."""
_CONSTANT_SPREAD, _TERM_SPREAD = 4.0, 1.5
_LEAST_SLOPE = 1.0


class Terms:
    """The terms of a plan's dimensions, as columns of numbers of order one."""

    def __init__(self, plan: Plan, size_fields: frozenset[str]) -> None:
        self._space = plan.space
        self.recipe = [name for name in plan.space if name not in size_fields]
        """The dimensions that sizes do not depend on."""
        self._begin: dict[str, int] = {}
        self.width = 2  # a constant and the size
        for name, dimension in plan.space.items():
            self._begin[name] = self.width
            self.width += _width(dimension)

    def row(self, values: Mapping[str, JsonValue], log_size: float) -> Array:
        """Return the terms of a configuration, shape (width,); those of a missing dimension are 0.

        Args:
            values: its values.
            log_size: the logarithm of its size, less that of a middle one.
        """
        row = np.zeros(self.width)
        row[:2] = 1.0, log_size
        for name, dimension in self._space.items():
            if name in values:
                begin = self._begin[name]
                row[begin : begin + _width(dimension)] = _terms(dimension, values[name])
        return row

    def best(self, coefficients: Array) -> Values:
        """Return the best recipe for some coefficients: each dimension's best value."""
        found: Values = {}
        for name in self.recipe:
            dimension, begin = self._space[name], self._begin[name]
            part = coefficients[begin : begin + _width(dimension)]
            found[name] = max(_places(dimension), key=lambda value: float(_terms(dimension, value) @ part))
        return found

    @property
    def prior(self) -> tuple[Array, Array]:
        """The coefficients' means and standard deviations before any trial."""
        means, spreads = np.zeros(self.width), np.full(self.width, _TERM_SPREAD)
        means[1] = _SLOPE
        spreads[:2] = _CONSTANT_SPREAD, _SLOPE_SPREAD
        return means, spreads


class RecipePosterior:
    """What trials say of the terms.

    Args:
        terms: the terms.
        rows: of the configurations that were tried, shape (m, width).
        solved: trials that solved, shape (m,).
        known: trials with a known outcome, shape (m,).
    """

    def __init__(self, terms: Terms, rows: Array, solved: Array, known: Array) -> None:
        means, spreads = terms.prior
        precision = np.diag(spreads**-2.0)
        mode = means.copy()
        for _ in range(100):
            fitted = shares(rows @ mode)
            gradient = rows.T @ (solved - known * fitted) - precision @ (mode - means)
            curvature = precision + rows.T @ (rows * (known * fitted * (1 - fitted))[:, None])
            step = np.linalg.solve(curvature, gradient)
            mode = mode + step / max(1.0, float(np.abs(step).max()))
            if np.abs(step).max() < 1e-6:
                break
        self.mode = _rising(mode)
        self._root = np.linalg.cholesky(np.linalg.inv(curvature))

    def draw(self, rng: np.random.Generator) -> Array:
        """Draw coefficients, under which success rises with size."""
        return _rising(self.mode + self._root @ rng.standard_normal(len(self.mode)))


def _rising(coefficients: Array) -> Array:
    coefficients = coefficients.copy()
    coefficients[1] = max(coefficients[1], _LEAST_SLOPE)
    return coefficients


def _width(dimension: AnyDimension) -> int:
    return len(dimension.values) if isinstance(dimension, Choice) else 2


def _terms(dimension: AnyDimension, value: JsonValue) -> Array:
    if isinstance(dimension, Choice):
        return np.array([float(value == other and type(value) is type(other)) for other in dimension.values])
    scale: Callable[[float], float] = math.log if dimension.log else float
    low, high = scale(dimension.low), scale(dimension.high)
    place = 0.0 if high == low else 2 * (scale(float(value)) - low) / (high - low) - 1  # type: ignore[arg-type]
    return np.array([place, 2 * (place**2 - 1 / 3)])


def _places(dimension: AnyDimension) -> Sequence[JsonValue]:
    """Return the values among which a dimension's best is looked for."""
    if isinstance(dimension, Choice):
        return dimension.values
    low, high = float(dimension.low), float(dimension.high)
    grid = np.geomspace(low, high, _GRID) if dimension.log else np.linspace(low, high, _GRID)
    if dimension.type == "int":
        return sorted({dimension.low + round((x - low) / dimension.step) * dimension.step for x in grid})
    return [dimension.snap(min(max(float(f"{x:.4g}"), low), high)) for x in grid]
