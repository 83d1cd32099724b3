"""What one trial is given of a machine."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from search_spaces.dimensions import STRICT
from search_spaces.parts.limits import Memory, bytes_of

AUTO: Literal["auto"] = "auto"
"""In place of a trial's GPUs: that they are measured."""

LEAST_MEMORY = 16 * 2**20
"""Bytes below which no trial's memory can be limited."""


class Resources(BaseModel):
    """What one trial is given. Fractions of a GPU let several trials share one."""

    model_config = STRICT

    cpu: float = Field(1.0, gt=0, description="Processor cores.")
    gpu: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        0.0,
        description="GPUs: a share up to 1, a whole number, or `auto`: the share with the best total "
        "throughput, measured before the search.",
    )
    memory: Memory | None = Field(
        None,
        description="Most memory of the machine that a trial may use, as bytes or a text such as 2 GiB; one "
        "that needs more ends alone.",
    )

    @field_validator("memory")
    @classmethod
    def _more_than_a_slip(cls, stated: int | float | str | None) -> int | float | str | None:
        # Python with torch alone takes some hundred MiB: below, a unit was forgotten.
        if stated is not None and bytes_of(stated) < LEAST_MEMORY:
            raise ValueError(f"got {stated}; accepted: at least 16 MiB, as bytes or a text such as 2 GiB")
        return stated

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        # Ray brings the whole search down on a fraction above one.
        if self.gpu != AUTO and self.gpu > 1 and self.gpu != int(self.gpu):
            raise ValueError(f"gpu must be a share up to 1 or a whole number, but got gpu={self.gpu}")
        return self

    @property
    def gpus(self) -> float:
        """GPUs of a trial as a number; with ``auto`` a whole one, which is the most that it may come to."""
        return 1.0 if self.gpu == AUTO else self.gpu

    @property
    def may_share(self) -> bool:
        """Whether trials may share a GPU with others."""
        return self.gpu == AUTO or 0 < self.gpu < 1

    @property
    def told_gpu(self) -> str:
        """The GPUs in words: ``no GPU``, ``0.25 GPU``, ``the share of a GPU that is measured``."""
        if self.gpu == AUTO:
            return "the share of a GPU that is measured before"
        return f"{self.gpu:g} GPU" if self.gpu else "no GPU"

    @property
    def memory_bytes(self) -> int | None:
        """Most memory of a trial in bytes; None if it is not limited."""
        return None if self.memory is None else int(bytes_of(self.memory))
