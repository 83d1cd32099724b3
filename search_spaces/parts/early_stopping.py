"""The rungs at which weak trials end."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from search_spaces.dimensions import STRICT

Share = Annotated[float, Field(gt=0, lt=1)]


class EarlyStopping(BaseModel):
    """ASHA: at each rung a trial goes on only if it is among the best 1/`reduction_factor` so far.

    Rungs lie at steps that are the same for all trials, from ``grace_period`` on, or at shares of
    each trial's own steps, stated in ``at``.
    """

    model_config = STRICT

    metric: str = Field(description="The metric that is compared at a rung.")
    direction: Literal["max", "min"] = Field(description="Which way is better.")
    grace_period: int | None = Field(
        None, ge=1, description="The first rung, in steps: no trial is stopped before; or state `at`."
    )
    at: list[Share] | None = Field(
        None,
        min_length=1,
        description="The rungs as shares of each trial's own steps, increasing; instead of `grace_period`.",
    )
    reduction_factor: float = Field(
        3.0,
        gt=1,
        description="One in so many goes on; from `grace_period` on, each rung is so many times the last.",
    )
    max_steps: int | None = Field(
        None,
        ge=1,
        description="No rung lies beyond this many steps; by default the budget; not with `at`.",
    )

    @model_validator(mode="after")
    def _rung_exists(self) -> Self:
        if (self.grace_period is None) == (self.at is None):
            stated = "neither" if self.at is None else "both"
            raise ValueError(
                "state grace_period, rungs at the same steps for all trials, or at, rungs at shares of each "
                f"trial's own steps such as [0.25, 0.5], but got {stated}"
            )
        if self.at is not None and self.max_steps is not None:
            raise ValueError("max_steps belongs to grace_period; with at, leave out the shares beyond it")
        if self.at is not None and any(a >= b for a, b in pairwise(self.at)):
            raise ValueError(f"at must increase from share to share, but got at={self.at}")
        if (
            self.max_steps is not None
            and self.grace_period is not None
            and self.grace_period > self.max_steps
        ):
            raise ValueError(
                "grace_period <= max_steps must hold, but got "
                f"(grace_period={self.grace_period}, max_steps={self.max_steps})"
            )
        return self
