"""How configurations are chosen, and how many."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from search_spaces.dimensions import STRICT

DEFAULT_TRIALS = 20
MAX_SEEDS = 500
"""Seeds of a search and of its retraining are kept apart by this; see
:meth:`search_spaces.plan.Plan.trial_seed`."""


class Search(BaseModel):
    """How configurations are chosen, and how many."""

    model_config = STRICT

    sampler: Literal["tpe", "random"] = Field(
        "tpe", description="Optuna's TPE, which learns from ended trials, or independent uniform draws."
    )
    trials: int | None = Field(
        None,
        ge=1,
        description="Trials in all, each one configuration with one seed; by default 20, or all of `only`.",
    )
    seeds: int = Field(1, ge=1, le=MAX_SEEDS, description="Seeds, and so trials, per configuration.")
    seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of the search itself; trial seeds derive from it."
    )
    concurrency: int | None = Field(
        None, ge=1, description="Most trials at a time; by default as many as the resources carry."
    )

    @model_validator(mode="after")
    def _whole_configurations(self) -> Self:
        if self.trials is not None and self.trials < self.seeds:
            raise ValueError(
                "trials must be at least seeds, so that one configuration gets all of its seeds, "
                f"but got (trials={self.trials}, seeds={self.seeds})"
            )
        return self
