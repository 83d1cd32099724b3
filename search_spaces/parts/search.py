"""How configurations are chosen, and how many."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from annotated_types import Len
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    field_validator,
    model_validator,
)

from search_spaces.dimensions import STRICT
from search_spaces.wording import accepted

DEFAULT_TRIALS = 20
MAX_SEEDS = 500
"""Seeds of a search and of its retraining are kept apart by this; see
:meth:`search_spaces.plan.Plan.trial_seed`."""

SamplerName = Literal["tpe", "gp", "cma_es", "nsga2", "nsga3", "qmc", "random", "grid"]
SAMPLER_NAMES: tuple[SamplerName, ...] = get_args(SamplerName)

LEARNS_NOTHING = frozenset({"qmc", "random", "grid"})
"""Samplers whose configurations do not depend on how earlier ones ended."""

Options = dict[str, JsonValue]


UNLIKELY, LIKELY = 0.3, 0.7
"""Rates between which a race takes either answer to whether more than half of the seeds solve."""


class RacingSeeds(BaseModel):
    """Seeds that race: a few first, more where a configuration is undecided and matters."""

    # `from` is no name in Python; without this, a stored plan would have another key than its file.
    model_config = ConfigDict(**STRICT, serialize_by_alias=True)

    first: int = Field(
        2, alias="from", ge=1, le=MAX_SEEDS, description="Seeds that every configuration gets."
    )
    to: int = Field(16, ge=2, le=MAX_SEEDS, description="Most seeds of a configuration.")
    error: float = Field(
        0.05,
        ge=0.001,
        le=0.25,
        description="Chance of the wrong answer to whether more than half of the seeds reach the target, "
        "where 30 % do, or 70 %.",
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.to < self.first:
            raise ValueError(f"from <= to must hold, but got (from={self.first}, to={self.to})")
        if self.to < self.lead:
            raise ValueError(
                f"to must be at least {self.lead}, the fewest seeds that decide with error {self.error:g}, "
                f"but got to={self.to}"
            )
        return self

    @property
    def lead(self) -> int:
        """By how many the seeds that solved must be ahead of the others, or behind, to decide.

        It is Wald's sequential probability ratio test of 70 % against 30 %, whose ratio is a power of 7/3.
        """
        return math.ceil(math.log((1 - self.error) / self.error) / math.log(LIKELY / UNLIKELY) - 1e-9)


Seeds = Annotated[
    Annotated[int, Field(ge=1, le=MAX_SEEDS), Tag("a number")] | Annotated[RacingSeeds, Tag("a race")],
    Discriminator(lambda given: "a race" if isinstance(given, dict | RacingSeeds) else "a number"),
]


class Search(BaseModel):
    """How configurations are chosen, and how many."""

    model_config = STRICT

    sampler: SamplerName | Annotated[dict[SamplerName, Options], Len(1, 1)] = Field(
        "tpe",
        description="A sampler of Optuna: one that learns from ended trials, or one that does not (qmc, "
        "random, grid); or one of them with its options, as in {tpe: {n_ei_candidates: 50}}.",
    )
    aim: Literal["target", "frontier"] | None = Field(
        None,
        description="What the sampler looks for: what costs least of all that reaches the target, or the "
        "frontier of all objectives. By default the target, where its metric and params are objectives.",
    )
    trials: int | None = Field(
        None,
        ge=1,
        description="Trials in all, each one configuration with one seed; by default 20, or all of `only`.",
    )
    seeds: Seeds = Field(
        1,
        description="Seeds, and so trials, per configuration; or {from: 2, to: 16, error: 0.05}: two first, "
        "more where it is undecided whether more than half of them reach the target, and that matters.",
    )
    seed: int = Field(
        0, ge=0, le=2**32 - 1, description="Seed of the search itself; trial seeds derive from it."
    )
    concurrency: int | None = Field(
        None, ge=1, description="Most trials at a time; by default as many as the resources carry."
    )

    @field_validator("sampler", mode="before")
    @classmethod
    def _one_sampler(cls, given: Any) -> Any:
        """Say in one sentence what is wrong with a sampler, of which there are two forms."""
        if isinstance(given, dict):
            if len(given) != 1:
                raise ValueError(
                    f"got {len(given)} samplers; accepted: one, alone or with its options, as in "
                    "{tpe: {n_ei_candidates: 50}}"
                )
            ((name, options),) = given.items()
            if isinstance(name, str) and name in SAMPLER_NAMES and not isinstance(options, dict):
                raise ValueError(
                    f"got {options!r} as the options of {name}; accepted: a map of their names to values, "
                    f"or {name} alone"
                )
        else:
            name = given
        if not isinstance(name, str) or name not in SAMPLER_NAMES:
            raise ValueError(f"got {name!r}, not a sampler{accepted(str(name), SAMPLER_NAMES)}")
        return given

    @field_validator("seeds", mode="before")
    @classmethod
    def _number_or_race(cls, given: Any) -> Any:
        is_number = isinstance(given, int) and not isinstance(given, bool)
        if not is_number and not isinstance(given, dict | RacingSeeds):
            raise ValueError(
                f"got {given!r}; accepted: a whole number, or seeds that race, as in {{from: 2, to: 16}}"
            )
        return given

    @property
    def race(self) -> RacingSeeds | None:
        """How seeds race; None where every configuration gets the same number."""
        return self.seeds if isinstance(self.seeds, RacingSeeds) else None

    @property
    def first_seeds(self) -> int:
        """Seeds that every configuration gets."""
        return self.seeds.first if isinstance(self.seeds, RacingSeeds) else self.seeds

    @property
    def most_seeds(self) -> int:
        """Seeds that a configuration can get."""
        return self.seeds.to if isinstance(self.seeds, RacingSeeds) else self.seeds

    @property
    def seeds_in_words(self) -> str:
        """How many seeds a configuration gets, such as "3 seeds" or "2 to 16 seeds"."""
        most = self.most_seeds
        first = "" if self.first_seeds == most else f"{self.first_seeds} to "
        return f"{first}{most} seed{'s' * (most > 1)}"

    @property
    def sampler_name(self) -> SamplerName:
        """The sampler, without its options."""
        return next(iter(self.sampler)) if isinstance(self.sampler, dict) else self.sampler

    @property
    def sampler_options(self) -> Options:
        """The options of the sampler that are stated."""
        return self.sampler[self.sampler_name] if isinstance(self.sampler, dict) else {}

    @property
    def learns(self) -> bool:
        """Whether configurations are chosen by how earlier ones ended."""
        return self.sampler_name not in LEARNS_NOTHING

    @model_validator(mode="after")
    def _whole_configurations(self) -> Self:
        if self.trials is not None and self.trials < self.first_seeds:
            what = "seeds" if self.race is None else "seeds.from"
            raise ValueError(
                f"trials must be at least {what}, so that one configuration gets all of its seeds, "
                f"but got (trials={self.trials}, {what}={self.first_seeds})"
            )
        return self
