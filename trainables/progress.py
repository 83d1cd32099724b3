"""What a training run has spent and reached so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trainables.contract import Target


@dataclass
class Progress:
    """What has been spent and reached so far; stored in checkpoints."""

    step: int = 0
    samples: int = 0
    tokens: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    evaluations_at_target: int = 0
    solved: bool = False
    steps_to_target: int = 0
    tokens_to_target: int = 0
    cpu_seconds_to_target: float = 0.0
    seconds_to_target: float = 0.0
    finish_begun: int | None = None
    """The step after which the finish began."""
    best_val_loss: float = math.inf
    evaluations_without_gain: int = 0
    decay_share: float = 1.0
    """Share of the stated weight decay that is in force since the last evaluation."""
    restarts: int = 0
    """Attempts that were given up before this one."""

    def begun_again(self) -> Progress:
        """Return the progress of the next attempt: nothing reached, and all that was spent."""
        spent = {name: getattr(self, name) for name in ("samples", "tokens", "cpu_seconds", "wall_seconds")}
        return Progress(**spent, restarts=self.restarts + 1)

    def count_gain(self, val_loss: float, min_delta: float) -> None:
        """Record whether the validation loss is the best so far."""
        if val_loss < self.best_val_loss - min_delta:
            self.best_val_loss, self.evaluations_without_gain = val_loss, 0
        else:
            self.evaluations_without_gain += 1

    def count_towards(self, target: Target, value: float) -> None:
        """Record an evaluation: the target must hold for several in a row."""
        if not target.is_reached_by(value):
            self.evaluations_at_target = 0
            return
        self.evaluations_at_target += 1
        if self.evaluations_at_target == 1 and not self.solved:
            self.steps_to_target, self.tokens_to_target = self.step, self.tokens
            self.cpu_seconds_to_target, self.seconds_to_target = self.cpu_seconds, self.wall_seconds
        self.solved = self.solved or self.evaluations_at_target >= target.hold

    def as_metrics(self) -> dict[str, float]:
        """Return the metrics of the progress; times to the target only once it has been held."""
        spent: dict[str, float] = {
            "samples": self.samples,
            "tokens": self.tokens,
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
        }
        if self.solved:
            spent["steps_to_target"] = self.steps_to_target
            spent["tokens_to_target"] = self.tokens_to_target
            spent["cpu_seconds_to_target"] = self.cpu_seconds_to_target
            spent["seconds_to_target"] = self.seconds_to_target
        return spent
