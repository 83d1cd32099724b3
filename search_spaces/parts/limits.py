"""What a configuration must satisfy to be trained."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from search_spaces.dimensions import STRICT


class Bounds(BaseModel):
    """Limits on a number that is known before training."""

    model_config = STRICT

    min: int | None = Field(None, ge=0, description="Smallest value allowed.")
    max: int | None = Field(None, ge=0, description="Largest value allowed.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("state min, max or both, but got neither")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min <= max must hold, but got (min={self.min}, max={self.max})")
        return self

    def allow(self, value: int) -> bool:
        """Tell whether ``value`` is within the limits."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


class Constraints(BaseModel):
    """What a configuration must satisfy to be trained at all."""

    model_config = STRICT

    params: Bounds | None = Field(None, description="Limits on the exact parameter count.")
