"""Intervals for shares."""

from __future__ import annotations

from scipy.stats import binomtest


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval for a share: sensible for few trials, and at 0 and 1.

    Args:
        successes: how many succeeded.
        trials: of how many, at least 1.
        confidence: coverage of the interval.
    """
    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)
