"""Parts of a recipe with keys of their own: passes, restarts, and weight decay that adapts."""

from __future__ import annotations

from typing import Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

Schedule = Literal["warmup_cosine", "constant_linear", "constant"]


class Scheduled(Protocol):
    """The shape of a learning-rate schedule; stretches are shares of a pass's steps."""

    @property
    def schedule(self) -> Schedule:
        """Its kind."""
        ...

    @property
    def warmup(self) -> float:
        """Share in which the rate rises."""
        ...

    @property
    def cooldown(self) -> float:
        """Share, at the end, in which it falls, of constant_linear."""
        ...

    @property
    def final_lr(self) -> float:
        """Rate at the last step, as a share of the peak."""
        ...


class Pass(BaseModel):
    """A stretch of training with its own optimizer state, schedule and batch."""

    model_config = STRICT

    share: float = Field(gt=0, lt=1, description="Share of all steps that belong to this pass.")
    lr: float = Field(gt=0, description="Its peak learning rate.")
    batch: int | None = Field(
        None, ge=1, description="Its samples per step; by default as in the first pass."
    )
    schedule: Schedule = Field("warmup_cosine", description="As in the first pass.")
    warmup: float = Field(0.0, ge=0, lt=1, description="Share of its steps in which the rate rises.")
    cooldown: float = Field(0.4, gt=0, le=1, description="As in the first pass, share of its own steps.")
    final_lr: float = Field(0.1, ge=0, le=1, description="Rate at its last step, as a share of its peak.")
    weight_decay: float | None = Field(
        None, ge=0, description="Its weight decay; by default as in the first pass."
    )
    grokfast_lamb: float | None = Field(
        None, ge=0, description="Grokfast's multiple in it; by default as in the first pass."
    )
    replay_share: float | None = Field(
        None, ge=0, le=1, description="Share of replayed samples in it; by default as in the first pass."
    )

    @model_validator(mode="after")
    def _stretches_fit(self) -> Self:
        check_stretches(self)
        return self


class Restarts(BaseModel):
    """When a run begins again from other weights, with all of its steps."""

    model_config = STRICT

    at: float = Field(gt=0, lt=1, description="Share of the steps after which an attempt is judged.")
    above: float = Field(
        gt=0, description="Mean training loss of the last tenth of these steps above which it begins again."
    )
    most: int = Field(5, ge=1, description="How often, at most; the last attempt goes on whatever its loss.")

    def judged_after(self, steps: int) -> int:
        """Return after how many of a run's steps an attempt is judged."""
        return max(1, round(self.at * steps))


class AdaptiveDecay(BaseModel):
    """How the weight decay fades while the validation loss falls."""

    model_config = STRICT

    below: float = Field(gt=0, description="Validation loss below which the weight decay fades.")
    power: float = Field(
        2.0, gt=0, description="The decay is multiplied by the loss, as a share of `below`, to this power."
    )

    def share_at(self, val_loss: float) -> float:
        """Return the share of the stated weight decay that is in force."""
        return float(min(1.0, max(0.0, val_loss) / self.below) ** self.power)


def check_stretches(schedule: Scheduled) -> None:
    """Refuse a warm-up and a cooldown that overlap."""
    if schedule.schedule == "constant_linear" and schedule.warmup + schedule.cooldown > 1:
        raise ValueError(
            "warmup + cooldown <= 1 must hold, but got "
            f"(warmup={schedule.warmup}, cooldown={schedule.cooldown})"
        )
