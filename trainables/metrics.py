"""What a metric is, and the metrics that the training loop reports for every task; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["min", "max"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A number that every report of a task carries.

    ``best`` is the value that cannot be surpassed, None where there is none. ``worst`` is the
    value that stands for a diverged trial where a sampler needs a number: one that no trial which
    has learned anything comes near. ``is_cost`` marks what is spent to reach a quality: a frontier
    sets one against the other. ``spent``, of a cost of reaching the target, names what a trial that
    did not reach it has spent instead: a lower bound.
    """

    name: str
    direction: Direction
    unit: str
    description: str
    best: float | None = None
    worst: float = 0.0
    is_cost: bool = False
    spent: str | None = None


LOOP_METRICS: tuple[Metric, ...] = (
    Metric(
        name="train_loss",
        direction="min",
        unit="nats/token",
        description="mean training loss since the last report",
    ),
    Metric(name="learning_rate", direction="min", unit="1", description="learning rate of the last step"),
    Metric(
        name="progress", direction="max", unit="share", description="steps taken, of the trial's own budget"
    ),
    Metric(
        name="samples", direction="min", unit="samples", description="training samples seen", is_cost=True
    ),
    Metric(name="tokens", direction="min", unit="tokens", description="training tokens read", is_cost=True),
    Metric(
        name="cpu_seconds",
        direction="min",
        unit="s",
        description="processor time of the training process in training steps, validation left out",
        is_cost=True,
    ),
    Metric(
        name="wall_seconds",
        direction="min",
        unit="s",
        description="elapsed time in training steps, validation left out",
        is_cost=True,
    ),
    Metric(
        name="attempts",
        direction="min",
        unit="1",
        description="attempts begun, with `restarts`: the run's own and one for every restart",
    ),
    Metric(
        name="tokens_per_second",
        direction="max",
        unit="tokens/s",
        description="training tokens read in a second of training steps since the last report",
    ),
    Metric(
        name="peak_memory",
        direction="min",
        unit="MiB",
        description="most memory in use so far in training steps: of the GPU, or of the process on a CPU",
        is_cost=True,
    ),
    Metric(
        name="mfu",
        direction="max",
        unit="share",
        description="the model's arithmetic as a share of the GPU's peak; missing where that is not known",
    ),
    Metric(
        name="steps_to_target",
        direction="min",
        unit="steps",
        description="first step of the evaluations that held the target; missing if none did",
        is_cost=True,
        spent="step",
    ),
    Metric(
        name="tokens_to_target",
        direction="min",
        unit="tokens",
        description="training tokens up to that step; missing if the target was not held",
        is_cost=True,
        spent="tokens",
    ),
    Metric(
        name="cpu_seconds_to_target",
        direction="min",
        unit="s",
        description="processor time up to that step; missing if the target was not held",
        is_cost=True,
        spent="cpu_seconds",
    ),
    Metric(
        name="seconds_to_target",
        direction="min",
        unit="s",
        description="elapsed time in training steps up to that step; missing if the target was not held",
        is_cost=True,
        spent="wall_seconds",
    ),
)
"""What the loop itself reports for every task, beside ``step`` and the task's own metrics."""
