"""Whether a trial has enough evaluations to hold its target."""

from __future__ import annotations

from trainables.config import TrainingConfig


def most_evaluations(config: TrainingConfig) -> int:
    """Return how many of a trial's evaluations can count towards holding the target, at most.

    Those at multiples of ``eval_every`` count, and the last step's; those at rungs do not. In a finish,
    every step does.
    """
    regular = regular_evaluations(config.steps, config.eval_every)
    if config.finish != "none" and config.eval_every < config.steps:
        return regular + min(config.finish_steps, config.steps - config.eval_every)
    return regular


def regular_evaluations(steps: int, eval_every: int) -> int:
    """Return how many evaluations a trial of so many steps has, the one at its last step included."""
    return -(-steps // eval_every)


def cannot_hold(hold: int, most: int, config: TrainingConfig) -> str:
    """Say why a configuration's trials cannot hold a target, and what would help."""
    return (
        f"the target must hold for {hold:,} evaluations in a row (target_hold), but a trial of "
        f"{config.steps:,} steps with eval_every {config.eval_every:,} has at most {most:,}; lower "
        "eval_every or target_hold, or raise steps"
    )
