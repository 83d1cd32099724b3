"""Logistic regression for few, uneven and overdispersed trials, and where its curves cross a level.

Three things set it apart from a textbook fit, each because searches need it:

- Firth's penalty (Biometrika 80, 1993): the estimate is finite where sizes separate the solved from the
  others, which is what an edge looks like, and nearly unbiased in small samples.
- The unit of resampling is a group of trials, here a configuration: seeds of one configuration are alike
  beyond their size, so trials are not independent. Covariances are those of the jackknife over groups, which
  needs no model of that and no random numbers.
- Crossings are ratios of coefficients. Their intervals are Fieller's, with Student's t: where the slope could
  be nothing, the interval is open, as it should be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.distributions import student
from analysis.statistics.estimate import CONFIDENCE

Array = NDArray[np.float64]

MOST_GROUPS = 200
"""Beyond so many, groups are put together for the jackknife: its error is then below a twentieth."""

_STEPS, _LONGEST_STEP, _CLOSE = 60, 2.0, 1e-8
_CELLS = 4_000_000
"""Most values of an intermediate array: fits of the jackknife are done in portions of so many."""
_MOST_EXACT = 200_000
"""With more blocks times rows than this, each fit of the jackknife is one step from the full fit: of so many
trials a block is a small part, and the step is all but exact."""


@dataclass(frozen=True, kw_only=True)
class LogisticFit:
    """A fitted regression of a share on columns of predictors."""

    coefficients: Array
    """Shape (k,)."""
    covariance: Array
    """Shape (k, k), of the jackknife over groups; infinite with too few groups."""
    groups: int
    dispersion: float
    """Pearson's chi-squared over its degrees of freedom, on groups of two trials and more: 1 where groups
    differ by chance only. NaN where it cannot be determined."""

    @property
    def freedom(self) -> int:
        """Degrees of freedom: groups beyond one per coefficient."""
        return self.groups - len(self.coefficients)

    @property
    def quantile(self) -> float:
        """Student's t for a two-sided 95 % interval."""
        return float(student.ppf((1 + CONFIDENCE) / 2, self.freedom)) if self.freedom > 0 else math.inf

    def linear(self, direction: Array) -> tuple[float, float, float]:
        """Return ``direction @ coefficients`` with its interval."""
        value = float(direction @ self.coefficients)
        if self.freedom <= 0:
            return value, -math.inf, math.inf
        reach = self.quantile * math.sqrt(max(float(direction @ self.covariance @ direction), 0.0))
        return value, value - reach, value + reach

    def crossing(self, constant: Array, slope: Array, share: float = 0.5) -> tuple[float, float, float]:
        """Return the x at which ``(constant + x * slope) @ coefficients`` stands for a share, with Fieller's
        interval.

        Where the set has two branches, which is where the slope is not significant, the one that holds the
        estimate is returned: the other would be crossed in the opposite direction.
        """
        a = float(constant @ self.coefficients) - math.log(share / (1 - share))
        b = float(slope @ self.coefficients)
        if b == 0:
            return math.nan, -math.inf, math.inf
        value = -a / b
        if self.freedom <= 0:
            return value, -math.inf, math.inf
        square, cov = self.quantile**2, self.covariance
        leading = b * b - square * float(slope @ cov @ slope)
        middle = 2 * (a * b - square * float(constant @ cov @ slope))
        last = a * a - square * float(constant @ cov @ constant)
        inside = middle * middle - 4 * leading * last
        if inside <= 0 or leading == 0:
            return value, -math.inf, math.inf
        first, second = sorted((-middle + sign * math.sqrt(inside)) / (2 * leading) for sign in (-1, 1))
        if leading > 0:
            return value, first, second
        return (value, second, math.inf) if value >= second else (value, -math.inf, first)


def fit(
    predictors: Array, successes: Array, trials: Array, groups: NDArray[np.int64] | None = None
) -> LogisticFit:
    """Fit the log odds of success as a linear function of predictors.

    Args:
        predictors: shape (m, k), one row per set of trials, a column of ones among them.
        successes: shape (m,), how many of them succeeded; weighted trials make this a fraction.
        trials: shape (m,), of how many.
        groups: shape (m,), the number of the group that each row belongs to; each its own if None.
    """
    groups = np.arange(len(successes)) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(groups.max()) + 1
    blocks = _blocks(count)[groups]
    many = int(blocks.max()) + 1
    full = _firth(predictors, successes[None], trials[None], np.zeros((1, predictors.shape[1])))[0]
    width = predictors.shape[1]
    covariance = np.full((width, width), math.inf)
    if many > width and many * len(successes) > _MOST_EXACT:
        away = _one_step(predictors, successes, trials, blocks, full)
        covariance = (many - 1) / many * away.T @ away
    elif many > width:
        portion = max(1, _CELLS // len(successes))
        without = []
        for begin in range(0, many, portion):
            kept = blocks[None, :] != np.arange(begin, min(begin + portion, many))[:, None]
            start = np.broadcast_to(full, (len(kept), width))
            without.append(_firth(predictors, successes * kept, trials * kept, start))
        away = np.concatenate(without) - full
        covariance = (many - 1) / many * away.T @ away
    return LogisticFit(
        coefficients=full,
        covariance=covariance,
        groups=many,
        dispersion=_dispersion(predictors @ full, successes, trials, groups, width),
    )


def coefficients(predictors: Array, successes: Array, trials: Array) -> Array:
    """Return the coefficients of :func:`fit` alone, shape (k,): without the jackknife, in a hundredth of its
    time."""
    found: Array = _firth(predictors, successes[None], trials[None], np.zeros((1, predictors.shape[1])))[0]
    return found


def shares(log_odds: Array) -> Array:
    """Return the shares that log odds stand for."""
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -35, 35)))


def _blocks(count: int) -> NDArray[np.int64]:
    """Deal groups into blocks for the jackknife, always in the same way."""
    if count <= MOST_GROUPS:
        return np.arange(count)
    return np.random.default_rng(0).permutation(count) % MOST_GROUPS


def _one_step(
    predictors: Array, successes: Array, trials: Array, blocks: NDArray[np.int64], full: Array
) -> Array:
    """Return by how much the coefficients change without each block, shape (blocks, k), to first order."""
    fitted = shares(predictors @ full)
    residual, weight = successes - trials * fitted, trials * fitted * (1 - fitted)
    width = predictors.shape[1]
    score = np.column_stack([np.bincount(blocks, residual * predictors[:, i]) for i in range(width)])
    flat = [
        np.bincount(blocks, weight * predictors[:, i] * predictors[:, j])
        for i in range(width)
        for j in range(width)
    ]
    information = np.column_stack(flat).reshape(-1, width, width)
    changes: Array = np.linalg.solve(information.sum(axis=0) - information, -score[..., None])[..., 0]
    return changes


def _firth(predictors: Array, successes: Array, trials: Array, start: Array) -> Array:
    """Return coefficients of shape (fits, k) that solve Firth's modified score equations, many fits at a
    time."""
    beta = np.array(start, dtype=float)
    width = predictors.shape[1]
    ridge = 1e-9 * np.eye(width)
    products = (predictors[:, :, None] * predictors[:, None, :]).reshape(-1, width * width)
    for _ in range(_STEPS):
        fitted = shares(beta @ predictors.T)  # (fits, m)
        weight = trials * fitted * (1 - fitted)
        information = (weight @ products).reshape(-1, width, width) + ridge
        inverse = np.linalg.inv(information)
        leverage = weight * (inverse.reshape(-1, width * width) @ products.T)
        score = (successes - trials * fitted + leverage * (0.5 - fitted)) @ predictors
        step = np.einsum("fij,fj->fi", inverse, score)
        longest = np.abs(step).max(axis=1, keepdims=True)
        beta += step * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, 1e-300))
        if longest.max() < _CLOSE:
            break
    return beta


def _dispersion(
    log_odds: Array, successes: Array, trials: Array, groups: NDArray[np.int64], width: int
) -> float:
    fitted = shares(log_odds)
    solved = np.bincount(groups, successes)
    expected = np.bincount(groups, trials * fitted)
    variance = np.bincount(groups, trials * fitted * (1 - fitted))
    # A single trial of its own says nothing about being alike.
    several = np.bincount(groups, trials) > 1.5
    freedom = int(several.sum()) - width
    if freedom <= 0:
        return math.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = (solved - expected)[several] ** 2 / variance[several]
    return float(np.nansum(squares) / freedom)
