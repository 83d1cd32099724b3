"""The configuration of the addition task, without torch."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trainables.config import TrainingConfig
from trainables.transformer.shape import TransformerShape

MAX_DIGITS = 18
"""Largest operands whose sum still fits a signed 64-bit integer."""


class Phase(BaseModel):
    """A part of the curriculum: which operand lengths are drawn, and for how much of the steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    digits: Annotated[
        tuple[int, int],
        Field(strict=False, description="Fewest and most digits; a length in between is drawn per problem."),
    ]
    share: float = Field(
        gt=0,
        description="Relative length: shares 2000, 5000, 20000 divide 27,000 steps in exactly these parts.",
    )

    @model_validator(mode="after")
    def _digits_in_order(self) -> Self:
        low, high = self.digits
        if not 1 <= low <= high:
            raise ValueError(f"1 <= fewest <= most must hold in digits, but got [{low}, {high}]")
        return self


class AdditionConfig(TransformerShape, TrainingConfig):
    """One configuration of the addition task: problem, transformer, training."""

    model_config = TrainingConfig.model_config

    digits: int = Field(
        3, ge=1, le=MAX_DIGITS, description="Digits of each operand; shorter ones are padded with zeros."
    )
    curriculum: Annotated[tuple[Phase, ...], Field(strict=False)] = Field(
        (),
        description="Phases of operand lengths, one after the other; none means full-length operands only.",
    )
    val_problems: int = Field(2000, ge=1, description="Validation problems in every evaluation.")

    @model_validator(mode="after")
    def _curriculum_fits(self) -> Self:
        for phase in self.curriculum:
            if phase.digits[1] > self.digits:
                raise ValueError(
                    f"curriculum digits must be at most digits={self.digits}, but got {list(phase.digits)}"
                )
        return self

    def phases(self) -> list[tuple[int, tuple[int, int]]]:
        """Return (last step, (fewest digits, most digits)) of each phase, in order.

        The last phase ends at ``steps``. Phases that the budget is too short for have no steps
        of their own: they end where the one before them ends.
        """
        if not self.curriculum:
            return [(self.steps, (self.digits, self.digits))]
        total = sum(phase.share for phase in self.curriculum)
        ends, so_far = [], 0.0
        for phase in self.curriculum:
            so_far += phase.share
            ends.append((round(self.steps * so_far / total), phase.digits))
        return ends


SIZE_FIELDS: frozenset[str] = frozenset({"digits", "curriculum", *TransformerShape.model_fields})
"""What the parameter count depends on, or (the curriculum) whether the configuration is valid."""
