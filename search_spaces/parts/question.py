"""What a search is asked: it places its trials where they tell most of this, and ends with the answer."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from search_spaces.dimensions import STRICT

MOST_TRIALS = 300
"""Trials of a search with a question, where `search.trials` does not say."""


class CliffQuestion(BaseModel):
    """The size at which a share of the seeds reaches the target."""

    model_config = STRICT

    at: float = Field(
        0.5, ge=0.1, le=0.9, description="The share of seeds that reach the target at the size asked for."
    )
    within: float = Field(
        0.10, ge=0.01, le=1, description="Relative precision: both ends of the interval lie within it."
    )


class RegimesQuestion(BaseModel):
    """Both edges of the band of rates that work, at each value of a parameter."""

    model_config = STRICT

    rate: str = Field("lr", description="The rate: a dimension with a range.")
    by: str = Field(description="The dimension at each of whose values the edges are asked for.")
    at: float = Field(0.5, ge=0.1, le=0.9, description="The share of seeds that reach the target at an edge.")
    within: float = Field(0.15, ge=0.02, le=1, description="Precision of each edge, in decades.")


class TimeToTargetQuestion(BaseModel):
    """The least cost of a success at each size."""

    model_config = STRICT

    cost: str = Field(
        "cpu_seconds", description="What a success costs: `cpu_seconds`, `wall_seconds`, `step` or `tokens`."
    )
    by: str = Field("params", description="The size that the cost is weighed against.")
    within: float = Field(0.25, ge=0.02, le=2, description="Relative precision of each cost.")


class EffectsQuestion(BaseModel):
    """The differences in success rate between one configuration and others."""

    model_config = STRICT

    of: str = Field("baseline", description="The baseline that the others are compared with, by its name.")
    within: float = Field(0.15, ge=0.02, le=1, description="Precision of each difference of success rates.")


class Question(BaseModel):
    """One question, by its kind."""

    model_config = STRICT

    cliff: CliffQuestion | None = Field(None, description="The size at which half of the seeds learn.")
    regimes: RegimesQuestion | None = Field(None, description="Both edges of the working rates, by size.")
    time_to_target: TimeToTargetQuestion | None = Field(
        None, description="The frontier of cost per success against size."
    )
    effects: EffectsQuestion | None = Field(None, description="What single changes of a baseline do.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(asked is not None for _, asked in self) != 1:
            raise ValueError(
                "state one of cliff, regimes, time_to_target and effects, such as "
                "question: {cliff: {at: 0.5, within: 0.1}}"
            )
        return self

    @property
    def kind(self) -> str:
        """The word for it: cliff, regimes, time_to_target or effects."""
        return next(name for name, asked in self if asked is not None)

    @property
    def sentence(self) -> str:
        """What is asked, without a period."""
        if self.cliff is not None:
            share, precision = (f"{100 * number:g} %" for number in (self.cliff.at, self.cliff.within))
            return f"the size at which {share} of the seeds learn, to ±{precision}"
        if self.regimes is not None:
            rate, by, within = self.regimes.rate, self.regimes.by, f"{self.regimes.within:g}"
            return f"both edges of the {rate} that works, at each {by}, to ±{within} decades"
        if self.time_to_target is not None:
            cost, percent = self.time_to_target.cost, 100 * self.time_to_target.within
            return f"the least {cost} of a success at each {self.time_to_target.by}, to ±{percent:g} %"
        assert self.effects is not None
        points = 100 * self.effects.within
        return f"what changes of {self.effects.of} do to the success rate, to ±{points:g} percentage points"
