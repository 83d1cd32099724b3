"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

import math

from trainables.config import TrainingConfig


def rate_at(step: int, config: TrainingConfig) -> float:
    """Return the learning rate of ``step``, counted from 1 to ``config.steps``.

    ``warmup_cosine`` rises linearly to the peak over the warm-up steps, then follows half a
    cosine to ``final_lr`` times the peak, which the last step has unless all steps are warm-up.
    """
    assert 1 <= step <= config.steps, f"1 <= step <= {config.steps} must hold, but got {step}"
    if config.schedule == "constant":
        return config.lr
    warmup_steps = round(config.warmup * config.steps)
    if step <= warmup_steps:
        return config.lr * step / warmup_steps
    progress = (step - warmup_steps) / (config.steps - warmup_steps)
    share = config.final_lr + (1 - config.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))
    return config.lr * share
