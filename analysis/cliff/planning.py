"""How many more trials, at which sizes, would determine the edge better: simulated with the fit.

Outcomes of further trials are drawn from the fitted curve, with the estimated correlation of a
configuration's seeds, and combined with the existing ones: information adds up, and so does the variance of
the score, which for the existing trials follows from the jackknife. This is a one-step fit to all trials, so
a hundred searches are simulated in a few milliseconds.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from analysis.cliff.fit import CONSTANT, FARTHEST, RAMP, SLOPE, SizeFit
from analysis.statistics.logistic import Array, LogisticFit, shares

TRIALS = (10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000)
"""Numbers of further trials to simulate, in ascending order."""

PRECISIONS = (0.15, 0.10, 0.05)
"""Relative precisions of the 50 % size, from the coarsest."""

SIMULATIONS, POWER = 100, 0.8
"""Number of simulated searches, and the share of them that must reach the precision."""

USUAL_RAMP = 2.0
"""The factor between the 10 and 90 % sizes that is assumed where only one side of an edge was seen."""


@dataclass(frozen=True, kw_only=True)
class MoreTrials:
    """Further trials that give the 50 % size to a precision."""

    trials: int | None
    """Number of further trials; None if more than the largest simulated."""
    smallest: float
    """They are placed evenly in the logarithm of the size, from here, in parameters."""
    largest: float
    precision: float
    """Both ends of the interval lie within this share of the 50 % size."""
    is_assumed: bool
    """Only one side of the edge was observed: its position and steepness are assumed."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A curve of success against log size, with the information of the existing trials."""

    coefficients: Array
    information: Array
    covariance: Array
    groups: int
    likeness: float


def more_trials(fit: SizeFit, seeds: int) -> MoreTrials | None:
    """Return the trials for the coarsest precision of the 50 % size that is not reached yet.

    Args:
        fit: the fit of the existing trials.
        seeds: trials of each further configuration.

    Returns:
        None if it is known to the finest precision.
    """
    at = fit.size(0.5)
    precision = next(
        (p for p in PRECISIONS if not fit.rises or not _within(at.low, at.value, at.high, p)), None
    )
    if precision is None:
        return None
    is_assumed = fit.is_one_sided or fit.slope[0] <= 0 or not at.is_known
    known, low, high = _assumed(fit) if is_assumed else _fitted(fit)
    return MoreTrials(
        trials=_fewest(known, low, high, max(seeds, 1), precision),
        smallest=math.exp(low + fit.centre),
        largest=math.exp(high + fit.centre),
        precision=precision,
        is_assumed=is_assumed,
    )


def _within(low: float, value: float, high: float, precision: float) -> bool:
    return bool(low > 0 and value / low <= 1 + precision and high / value <= 1 + precision)


def _fitted(fit: SizeFit) -> tuple[_Known, float, float]:
    """Return the curve that was fitted, and where further trials go: between its 10 and 90 % sizes."""
    constant, slope = fit.regression.coefficients
    covariance = fit.regression.covariance
    if not np.isfinite(covariance).all():
        alike = 1 + fit.likeness * (fit.seeds - 1)
        covariance = alike * np.asarray(np.linalg.inv(fit.information), dtype=np.float64)
    known = _Known(
        coefficients=fit.regression.coefficients,
        information=fit.information,
        covariance=covariance,
        groups=fit.regression.groups,
        likeness=fit.likeness,
    )
    half, reach = -constant / slope, RAMP / slope / 2
    # A curve that hardly rises has its 10 % size far away.
    room = math.log(FARTHEST)
    least, most = math.log(fit.smallest) - fit.centre, math.log(fit.largest) - fit.centre
    return known, max(half - reach, least - room), min(half + reach, most + room)


def _assumed(fit: SizeFit) -> tuple[_Known, float, float]:
    """Return a ramp as they are, beyond the sizes that were tried, and where further trials go.

    Where most trials solved, the edge is assumed below them, else above.
    """
    slope = RAMP / math.log(USUAL_RAMP)
    room = math.log(FARTHEST)
    is_below = fit.solved > fit.trials / 2
    end = (math.log(fit.smallest) if is_below else math.log(fit.largest)) - fit.centre
    low, high = (end - room, end) if is_below else (end, end + room)
    half = (low + high) / 2
    coefficients = np.array([-slope * half, slope])
    # Outcomes far from the edge carry almost no information on its position.
    nothing = 1e-3 * np.eye(2)
    known = _Known(
        coefficients=coefficients, information=nothing, covariance=1e3 * np.eye(2), groups=0, likeness=0.0
    )
    return known, low, high


def _fewest(known: _Known, low: float, high: float, seeds: int, precision: float) -> int | None:
    """Return the smallest number of further trials that is enough in most simulations."""

    def is_enough(trials: int) -> bool:
        reached = sum(
            _within(math.exp(least - value), 1.0, math.exp(min(most - value, 700)), precision)
            for value, least, most in _simulated(known, low, high, trials, seeds)
        )
        return reached >= POWER * SIMULATIONS

    # If a number is enough, larger ones are too.
    place = bisect_left(TRIALS, True, key=is_enough)
    return TRIALS[place] if place < len(TRIALS) else None


def _simulated(
    known: _Known, low: float, high: float, trials: int, seeds: int
) -> list[tuple[float, float, float]]:
    """Return the 50 % log size and its interval after further trials, once for each simulated search."""
    rng = np.random.default_rng(0)
    configurations = max(trials // seeds, 2)
    x = np.linspace(low, high, configurations)
    predictors = np.column_stack([np.ones(configurations), x])
    expected = shares(predictors @ known.coefficients)
    shape = (SIMULATIONS, configurations)
    rate = np.broadcast_to(expected, shape)
    if known.likeness > 0.001:
        strength = 1 / known.likeness - 1
        rate = rng.beta(
            np.maximum(expected * strength, 1e-6), np.maximum((1 - expected) * strength, 1e-6), shape
        )
    scores = (rng.binomial(seeds, rate) - seeds * expected)[..., None] * predictors  # (simulations, m, 2)
    variance = seeds * expected * (1 - expected)
    inverse = np.linalg.inv(known.information + predictors.T @ (predictors * variance[:, None]))
    coefficients = known.coefficients + scores.sum(axis=1) @ inverse
    before = known.information @ known.covariance @ known.information
    spread = before + np.einsum("smi,smj->sij", scores, scores)
    covariances = inverse @ spread @ inverse
    groups = known.groups + configurations
    found = []
    for beta, covariance in zip(coefficients, covariances, strict=True):
        after = LogisticFit(coefficients=beta, covariance=covariance, groups=groups, dispersion=math.nan)
        found.append(after.crossing(CONSTANT, SLOPE))
    return found
