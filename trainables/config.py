"""The part of a configuration that the training loop reads, shared by every task."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Schedule = Literal["warmup_cosine", "constant"]


class TrainingConfig(BaseModel):
    """Optimizer, schedule, budget and seed of one training run.

    Frozen, checked at construction, and refusing keys it does not know. A task's configuration
    derives from it and adds its own fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    steps: int = Field(2000, ge=1, description="Optimizer steps of a full run: the budget of a trial.")
    batch: int = Field(256, ge=1, description="Samples in one step.")
    lr: float = Field(0.01, gt=0, description="Peak learning rate of AdamW.")
    schedule: Schedule = Field(
        "warmup_cosine",
        description="Linear warm-up then cosine down to `final_lr`, or the peak rate from the first step on.",
    )
    warmup: float = Field(
        0.05, ge=0, lt=1, description="Share of the steps in which the rate rises linearly."
    )
    final_lr: float = Field(0.1, ge=0, le=1, description="Rate at the last step, as a share of the peak.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay, on every parameter.")
    beta1: float = Field(0.9, ge=0, lt=1, description="AdamW's decay of the mean gradient.")
    beta2: float = Field(0.999, ge=0, lt=1, description="AdamW's decay of the mean squared gradient.")
    grad_clip: float = Field(
        1.0, ge=0, description="Largest norm of the whole gradient; 0 turns clipping off."
    )
    eval_every: int = Field(
        100, ge=1, description="Steps between two evaluations, each of which is a report."
    )
    seed: int = Field(0, ge=0, description="Seed of the initial weights and of the training data.")
