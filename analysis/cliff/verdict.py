"""What a fit of success against size shows: a cliff, a ramp, no edge, or not determined."""

from __future__ import annotations

from typing import Literal

from analysis.cliff.fit import RAMP, SizeFit
from analysis.statistics.intervals import wilson

Verdict = Literal["cliff", "ramp", "no edge", "cannot be determined"]

STEEPEST_RAMP = 1.25
"""A cliff is where the sizes at which 10 and 90 % of trials solve lie within this factor."""

MOST = 0.75
"""No edge if the rate is significantly above this value, or below its complement."""


def verdict_of(fit: SizeFit | None) -> Verdict:
    """Return the verdict of a fit.

    No edge: nearly all trials solved, or nearly none; or success does not rise, or so slowly that even the
    steepest rise within the interval would not take it from 10 to 90 % across the sizes that were tried; or
    it is half only far beyond these.
    """
    if fit is None:
        return "cannot be determined"
    if fit.is_one_sided:
        low, high = wilson(fit.solved, fit.trials)
        return "no edge" if low > MOST or high < 1 - MOST else "cannot be determined"
    if not fit.rises:
        return "no edge" if fit.slope[2] * fit.span < RAMP else "cannot be determined"
    if not fit.size(0.5).is_known:
        return "no edge"
    if fit.separation is not None and fit.separation.is_whole:
        # However steep the curve is, the sizes between which it rises were not tried.
        return "cliff" if fit.separation.factor <= STEEPEST_RAMP else "cannot be determined"
    return "cliff" if fit.width.value <= STEEPEST_RAMP else "ramp"
