"""Where a fitted curve crosses a level, by how likely the outcomes are if it crossed elsewhere.

A sharp edge lets the outcomes be separated: all below fail, all above work. Then the jackknife cannot tell
how steep the curve is, and Fieller's interval of the crossing is open or far too wide, although nobody doubts
that the edge lies between the two. The likelihood does not need the steepness: an edge far below would have
made the failures above it improbable. What both leave is used; ``benchmarks/truths_regimes.py`` measures it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.distributions import fisher
from analysis.statistics.estimate import CONFIDENCE
from analysis.statistics.logistic import LogisticFit, shares

Array = NDArray[np.float64]

LEAST_DISPERSION = 2.0
"""Where outcomes are separated there are no residuals that could show how unlike configurations of one size
and rate are: so much more than chance is reckoned with at least. Chosen in ``benchmarks/truths_regimes.py``:
with 1.5 only 89 % of the intervals hold the edge where configurations differ much."""

MOST_CELLS = 2_000
"""With more configurations Fieller's interval is narrow, and this one would cost seconds."""

_PLACES, _BEYOND = 61, 2.0
_STEPS, _LONGEST_STEP, _CLOSE = 30, 2.0, 1e-4


def profile_interval(
    fit: LogisticFit, predictors: Array, successes: Array, trials: Array, constant: Array, slope: Array
) -> tuple[float, float]:
    """Return the x at which ``(constant + x * slope) @ coefficients`` may be nothing, with 95 % confidence.

    Holds every x, connected with the estimate, at which the log likelihood of a curve that crosses there lies
    less than F(1, degrees of freedom) · dispersion / 2 below the greatest (a profile of the quasi-likelihood,
    with Firth's penalty). Infinite where it goes on beyond what is looked at: the estimate and the span of
    the data, and :data:`_BEYOND` logarithmic units on both sides.

    Args:
        fit: the fit of the rows below.
        predictors: shape (m, k).
        successes: shape (m,).
        trials: shape (m,).
        constant: shape (k,).
        slope: shape (k,), with a single entry of one, which names the column that x is measured along.
    """
    a, b = float(constant @ fit.coefficients), float(slope @ fit.coefficients)
    if not len(successes) or len(successes) > MOST_CELLS or b == 0 or fit.freedom <= 0:
        return -math.inf, math.inf
    value, along = -a / b, predictors @ slope
    # Along a ratio of two slopes there is no span of data: only what lies around the estimate is looked at.
    reach = _BEYOND + (np.ptp(along) if constant[0] else 0.0)
    places = np.linspace(value - reach, value + reach, _PLACES)
    likelihood = _constrained(predictors, successes, trials, constant + places[:, None] * slope, fit)
    log_odds = predictors @ fit.coefficients
    best = max(float(_log_likelihood(log_odds[None], successes, trials)[0]), float(likelihood.max()))
    dispersion = max(LEAST_DISPERSION, fit.dispersion) if math.isfinite(fit.dispersion) else LEAST_DISPERSION
    allowed = dispersion * float(fisher.ppf(CONFIDENCE, 1, fit.freedom))
    excess = 2 * (best - likelihood) - allowed
    below, above = (
        np.flatnonzero((excess > 0) & (places < value)),
        np.flatnonzero((excess > 0) & (places > value)),
    )
    low = _zero(places, excess, int(below[-1]), 1) if len(below) else -math.inf
    high = _zero(places, excess, int(above[0]), -1) if len(above) else math.inf
    return min(low, value), max(high, value)


def _zero(places: Array, excess: Array, outside: int, towards: int) -> float:
    """Return where the excess falls to nothing, on a line between a place outside and the next one inside."""
    inside = outside + towards
    share = excess[outside] / max(excess[outside] - excess[inside], 1e-12)
    return float(places[outside] + min(share, 1.0) * (places[inside] - places[outside]))


def _log_likelihood(log_odds: Array, successes: Array, trials: Array) -> Array:
    found: Array = (successes * log_odds - trials * np.logaddexp(0, log_odds)).sum(axis=1)
    return found


def _constrained(
    predictors: Array, successes: Array, trials: Array, directions: Array, fit: LogisticFit
) -> Array:
    """Return the log likelihood of the best fits whose coefficients are orthogonal to each of some
    directions."""
    # What is orthogonal to a direction is spanned by the rows after the first.
    basis = np.linalg.svd(directions[:, None, :])[2][:, 1:, :]  # (g, k - 1, k)
    columns = predictors @ basis.transpose(0, 2, 1)  # (g, m, k - 1)
    beta = basis @ fit.coefficients[:, None]  # (g, k - 1, 1)
    ridge = 1e-9 * np.eye(basis.shape[1])
    for _ in range(_STEPS):
        fitted = shares((columns @ beta)[..., 0])
        weight = trials * fitted * (1 - fitted)
        weighted = columns * weight[..., None]
        inverse = np.linalg.inv(weighted.transpose(0, 2, 1) @ columns + ridge)
        leverage = ((weighted @ inverse) * columns).sum(axis=2)
        residual = successes - trials * fitted + leverage * (0.5 - fitted)
        step = inverse @ (columns.transpose(0, 2, 1) @ residual[..., None])
        longest = np.abs(step).max(axis=1, keepdims=True)
        beta = beta + step * np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, 1e-300))
        if longest.max() < _CLOSE:
            break
    return _log_likelihood((columns @ beta)[..., 0], successes, trials)
