"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

import math

from trainables.config import Pass, TrainingConfig


def rate_at(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of ``step``, counted from 1 to ``config.steps``.

    Each pass follows its own schedule from its first step to its last, which has ``final_lr`` times
    the peak, unless all its steps are warm-up or the rate is constant.
    """
    assert 1 <= step <= config.steps, f"1 <= step <= {config.steps} must hold, but got {step}"
    first = config.first_pass_steps
    if config.second_pass is None or step <= first:
        return _rate_in(step, first, config, config.peak_lr)
    second = config.second_pass
    return _rate_in(step - first, config.steps - first, second, second.lr)


def _rate_in(step: int, steps: int, schedule: TrainingConfig | Pass, peak: float) -> float:
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
