"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

import math
from bisect import bisect_left

from trainables.config import TrainingConfig
from trainables.passes import Scheduled


def rate_at(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of ``step``, counted from 1 to ``config.steps``.

    Each pass follows its own schedule from its first step to its last, which has ``final_lr`` times
    the peak, unless all its steps are warm-up or the rate is constant.
    """
    assert 1 <= step <= config.steps, f"1 <= step <= {config.steps} must hold, but got {step}"
    further = config.further_passes
    if not further:
        return _rate_in(step, config.steps, config, config.peak_lr)
    ends = config.pass_ends
    index = bisect_left(ends, step)
    if index == 0:
        return _rate_in(step, ends[0], config, config.peak_lr)
    begin, own = ends[index - 1], further[index - 1]
    return _rate_in(step - begin, ends[index] - begin, own, own.lr)


def _rate_in(step: int, steps: int, schedule: Scheduled, peak: float) -> float:
    """Return the rate of the pass's own ``step``, 1 to ``steps``."""
    if schedule.schedule == "constant":
        return peak
    warmup_steps = round(schedule.warmup * steps)
    if step <= warmup_steps:
        return peak * step / warmup_steps
    if schedule.schedule == "constant_linear":
        remaining = (steps - step) / max(1, round(schedule.cooldown * steps))
        height = min(1.0, remaining)
    else:
        height = 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / (steps - warmup_steps)))
    return peak * (schedule.final_lr + (1 - schedule.final_lr) * height)
