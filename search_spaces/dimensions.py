"""The kinds of dimension that a space is made of."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

Condition = dict[str, JsonValue]
"""Parameter names with the value, or a list of the values, that they must have."""


def _require_type(schema: dict[str, Any]) -> None:
    """Make a schema require ``type``: a space file has to state it, only Python knows it by the class."""
    schema["properties"]["type"].pop("default", None)
    schema["required"] = ["type", *schema.get("required", [])]


class Dimension(BaseModel):
    """What every kind of dimension has."""

    model_config = {**STRICT, "json_schema_extra": _require_type}

    when: Condition | None = Field(
        None,
        min_length=1,
        description="The dimension exists only where these parameters have this value, or one of these.",
    )

    @model_validator(mode="before")
    @classmethod
    def _stated(cls, content: Any) -> Any:
        """Count the type among what was stated, so that it is written where defaults are left out."""
        if isinstance(content, dict) and "type" not in content and "type" in cls.model_fields:
            return {"type": cls.model_fields["type"].default, **content}
        return content


class IntRange(Dimension):
    """Whole numbers from `low` to `high`, both included."""

    type: Literal["int"] = "int"
    low: int = Field(description="Smallest value.")
    high: int = Field(description="Largest value.")
    step: int = Field(1, ge=1, description="Distance between values; not together with `log`.")
    log: bool = Field(False, description="Draw uniformly in the logarithm; `low` must be at least 1.")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self.low, self.high, log=self.log)
        if self.log and self.step != 1:
            raise ValueError(f"step and log exclude each other, but got (step={self.step}, log=true)")
        if (self.high - self.low) % self.step:
            last = self.low + (self.high - self.low) // self.step * self.step
            raise ValueError(
                f"high must be low plus a whole number of steps, but got (low={self.low}, high={self.high}, "
                f"step={self.step}); the last value would be {last}"
            )
        return self

    @property
    def size(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def values(self) -> range:
        """Return every value, in order."""
        return range(self.low, self.high + 1, self.step)

    def contains(self, value: Any) -> bool:
        """Tell whether ``value`` can be drawn."""
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and self.low <= value <= self.high
            and (value - self.low) % self.step == 0
        )


class FloatRange(Dimension):
    """Real numbers from `low` to `high`, both included."""

    type: Literal["float"] = "float"
    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    step: float | None = Field(None, gt=0, description="Distance between values; not together with `log`.")
    log: bool = Field(False, description="Draw uniformly in the logarithm; `low` must be above 0.")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        _check_bounds(self.low, self.high, log=self.log)
        if self.step is not None:
            if self.log:
                raise ValueError(f"step and log exclude each other, but got (step={self.step}, log=true)")
            steps = (self.high - self.low) / self.step
            if not math.isclose(steps, round(steps), abs_tol=1e-9) or (steps < 0.5 and self.high > self.low):
                raise ValueError(
                    f"high must be low plus a whole number of steps, but got "
                    f"(low={self.low}, high={self.high}, step={self.step})"
                )
        return self

    def snap(self, value: float) -> float:
        """Return the value on the grid of ``step`` nearest to ``value``, as a person would write it.

        Without that, 0.1 + 2 * 0.1 would be 0.30000000000000004, and no condition would know it.
        """
        if self.step is None:
            return value
        steps = round((value - self.low) / self.step)
        return float(f"{self.low + steps * self.step:.12g}")

    def contains(self, value: Any) -> bool:
        """Tell whether ``value`` can be drawn."""
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not self.low <= value <= self.high
        ):
            return False
        if self.step is None:
            return True
        steps = (value - self.low) / self.step
        return math.isclose(steps, round(steps), abs_tol=1e-9)


class Choice(Dimension):
    """One of the values listed. A value may be a list or a mapping, such as a whole curriculum."""

    type: Literal["choice"] = "choice"
    values: list[JsonValue] = Field(min_length=1, description="The values to choose from, each once.")

    @model_validator(mode="after")
    def _different(self) -> Self:
        for index, value in enumerate(self.values):
            # 1 == True in Python, but not in a space file.
            if any(value == other and type(value) is type(other) for other in self.values[:index]):
                raise ValueError(f"values must all be different, but got {value!r} twice")
        return self

    def contains(self, value: Any) -> bool:
        """Tell whether ``value`` can be drawn."""
        return any(value == other and type(value) is type(other) for other in self.values)


AnyDimension = Annotated[IntRange | FloatRange | Choice, Field(discriminator="type")]


def _check_bounds(low: float, high: float, *, log: bool) -> None:
    if not low <= high:
        raise ValueError(f"low <= high must hold, but got (low={low}, high={high})")
    if log and low <= 0:
        raise ValueError(f"low must be above 0 when log is true, but got low={low}")


def describe(dimension: AnyDimension) -> str:
    """Say in a few words which values a dimension has."""
    if isinstance(dimension, Choice):
        return "one of " + ", ".join(map(str, dimension.values))
    text = f"{dimension.low} to {dimension.high}"
    if dimension.step not in (None, 1):
        text += f" in steps of {dimension.step}"
    return text + (", logarithmic" if dimension.log else "")
