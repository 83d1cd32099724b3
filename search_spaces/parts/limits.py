"""What a configuration must satisfy to be trained."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from search_spaces.dimensions import STRICT
from search_spaces.parts.derived import Number

UNITS: dict[str, int] = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGT", start=1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
}
"""Bytes of each unit in which memory can be stated."""

_BYTES = re.compile(r"(\d+(?:\.\d+)?) ?([kKMGT]i?B|B)")


class _Limits(BaseModel):
    """What limits of every kind have."""

    model_config = STRICT

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = getattr(self, "min", None), getattr(self, "max", None)
        if low is None and high is None:
            raise ValueError("state min, max or both, but got neither")
        smallest, largest = self.numbers
        if smallest is not None and largest is not None and smallest > largest:
            raise ValueError(f"min <= max must hold, but got (min={low}, max={high})")
        return self

    @property
    def numbers(self) -> tuple[Number | None, Number | None]:
        """The smallest and the largest value allowed, as numbers."""
        return getattr(self, "min", None), getattr(self, "max", None)

    def allow(self, value: Number) -> bool:
        """Tell whether ``value`` is within the limits."""
        smallest, largest = self.numbers
        return (smallest is None or value >= smallest) and (largest is None or value <= largest)

    @property
    def stated(self) -> str:
        """The limits in words: ``min 300 and max 1,500``."""
        limits = {"min": getattr(self, "min", None), "max": getattr(self, "max", None)}
        return " and ".join(
            f"{word} {limit if isinstance(limit, str) else _written(limit)}"
            for word, limit in limits.items()
            if limit is not None
        )


class Bounds(_Limits):
    """Limits on a whole number that is known before training."""

    min: int | None = Field(None, ge=0, description="Smallest value allowed.")
    max: int | None = Field(None, ge=0, description="Largest value allowed.")


class Limits(_Limits):
    """Limits on a number that is known before training."""

    min: Number | None = Field(None, description="Smallest value allowed.")
    max: Number | None = Field(None, description="Largest value allowed.")


def bytes_of(stated: Number | str) -> Number:
    """Return the bytes that a number, or a text such as ``2 GiB``, means.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(stated, str):
        return stated
    found = _BYTES.fullmatch(stated)
    if found is None or found[2] not in UNITS:
        raise ValueError(
            f"got {stated!r}; accepted: a number of bytes, or a text such as 2 GiB with one of the units "
            f"{', '.join(UNITS)}"
        )
    return float(found[1]) * UNITS[found[2]]


def in_words(size: float) -> str:
    """Return bytes in the largest unit of which there is one, from KiB on: ``2 GiB``, ``512 MiB``."""
    power = next((power for power in (5, 4, 3, 2) if size >= 1024**power), 1)
    return f"{size / 1024**power:.3g} {'KMGTP'[power - 1]}iB"


def _is_memory(stated: Number | str) -> Number | str:
    if bytes_of(stated) < 0:
        raise ValueError(f"got {stated}; accepted: a number of at least 0")
    return stated


Memory = Annotated[int | float | str, AfterValidator(_is_memory)]


class MemoryLimits(_Limits):
    """Limits on memory."""

    min: Memory | None = Field(None, description="Least memory allowed, as bytes or a text such as 2 GiB.")
    max: Memory | None = Field(None, description="Most memory allowed, as bytes or a text such as 2 GiB.")

    @property
    def numbers(self) -> tuple[Number | None, Number | None]:
        """The least and the most memory allowed, in bytes."""
        return (
            None if self.min is None else bytes_of(self.min),
            None if self.max is None else bytes_of(self.max),
        )


class Constraints(BaseModel):
    """What a configuration must satisfy to be trained at all.

    Every other key is a parameter whose value is a number, such as a derived one.
    """

    model_config = ConfigDict(**{**STRICT, "extra": "allow"})

    __pydantic_extra__: dict[str, Limits]

    params: Bounds | None = Field(None, description="Limits on the exact parameter count.")
    memory: MemoryLimits | None = Field(
        None, description="Limits on the memory that training needs at least, estimated."
    )
    flops_per_token: Limits | None = Field(
        None, description="Limits on the arithmetic operations of training per token."
    )

    @property
    def of_parameters(self) -> dict[str, Limits]:
        """Limits on values of parameters, by name."""
        return dict(self.__pydantic_extra__ or {})


def _written(limit: Number) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:,.12g}"
