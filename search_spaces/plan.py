"""The plan: a space file as a typed, frozen value, with every rule that needs no task to be checked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from search_spaces.consistency import mistakes_in
from search_spaces.dimensions import STRICT, AnyDimension

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
DEFAULT_TRIALS = 20
MAX_SEEDS = 500
"""Seeds of a search and of its retraining are kept apart by this; see :meth:`Plan.trial_seed`."""

Values = dict[str, JsonValue]
"""Parameter names with one value each."""


class Objective(BaseModel):
    """A metric to be made as large or as small as possible."""

    model_config = STRICT

    metric: str = Field(
        description="A metric that the task reports, `params`, the parameter count, or a cost of training."
    )
    direction: Literal["max", "min"] = Field(description="Which way is better.")


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


class Resources(BaseModel):
    """What one trial is given. Fractions of a GPU let several trials share one."""

    model_config = STRICT

    cpu: float = Field(1.0, gt=0, description="Processor cores.")
    gpu: float = Field(0.0, ge=0, description="GPUs: a share up to 1, or a whole number.")

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        # Ray brings the whole search down on a fraction above one.
        if self.gpu > 1 and self.gpu != int(self.gpu):
            raise ValueError(f"gpu must be a share up to 1 or a whole number, but got gpu={self.gpu}")
        return self


class PlanDraft(BaseModel):
    """What a space file says, well-formed in each of its parts; whether they contradict each other is open.

    Field by field this is what a space file may contain.
    """

    model_config = STRICT

    name: str = Field(
        pattern=NAME_PATTERN,
        max_length=80,
        description="Names the folder below `results/`: lower-case letters, digits, single hyphens.",
    )
    description: str = Field("", description="What the search is to find out.")
    task: str = Field(description="The task to train.")
    objectives: list[Objective] = Field(
        min_length=1, description="What to improve; with several, the search looks for their frontier."
    )
    target: dict[str, float] | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="The one metric with the value that counts as solved, once a trial holds it for "
        "`target_hold` evaluations in a row.",
    )
    target_hold: int = Field(2, ge=1, description="Evaluations in a row that must hold the target.")
    stop_at_target: bool = Field(
        True, description="Whether a trial ends once it holds the target, or uses its budget all the same."
    )
    fixed: Values = Field(default_factory=dict, description="Parameters that are the same in every trial.")
    space: dict[str, AnyDimension] = Field(
        default_factory=dict, description="Parameters to be searched, each with its dimension."
    )
    baselines: dict[str, Values] = Field(
        default_factory=dict,
        description="Named configurations that are tried before all others, and are named in tables and "
        "figures; what one leaves open is drawn.",
    )
    try_first: list[Values] = Field(
        default_factory=list,
        description="Configurations to be tried before the sampler chooses; what one leaves open is drawn.",
    )
    only: list[Values] = Field(
        default_factory=list, description="The configurations to be tried, and no others; instead of `space`."
    )
    constraints: Constraints = Field(
        default_factory=Constraints, description="Configurations outside are never trained."
    )
    search: Search = Field(default_factory=lambda: Search(), description="How to choose, and how many.")
    early_stopping: EarlyStopping | None = Field(
        None, description="Rungs at which weak trials end; without it every trial uses its budget."
    )
    share_prefixes: bool = Field(
        False,
        description="Whether trials that differ only in their horizon share its constant part: with schedule "
        "constant_linear and no warm-up, cooldowns branch from where a shorter trial's began.",
    )
    resources: Resources = Field(default_factory=lambda: Resources(), description="What one trial is given.")

    @model_validator(mode="before")
    @classmethod
    def _by_own_names(cls, content: Any) -> Any:
        """Accept the key of earlier versions, as stored plans have it."""
        if isinstance(content, dict) and "share_trunks" in content and "share_prefixes" not in content:
            content = {
                "share_prefixes" if key == "share_trunks" else key: value for key, value in content.items()
            }
        return content

    def stated(self) -> dict[str, Any]:
        """Return what is stated, in plain values: keys that were left out stay out."""
        content = self.model_dump(exclude_unset=True)
        for name, dimension in content.get("space", {}).items():
            # Of a dimension that was made in Python its class says the type.
            dimension["type"] = self.space[name].type
        return content

    @property
    def configurations(self) -> int:
        """How many configurations the search trains, each with all of its seeds."""
        trials = self.search.trials
        if self.only:
            return len(self.only) if trials is None else min(len(self.only), trials // self.search.seeds)
        return (max(DEFAULT_TRIALS, self.search.seeds) if trials is None else trials) // self.search.seeds

    @property
    def trials(self) -> int:
        """How many trials the search runs: one per configuration and seed."""
        return self.configurations * self.search.seeds

    @property
    def tried_first(self) -> dict[tuple[str, str | int], Values]:
        """What is tried before the sampler chooses, in this order, by its place in the plan."""
        return {
            **{("baselines", name): values for name, values in self.baselines.items()},
            **{("try_first", index): values for index, values in enumerate(self.try_first)},
        }


class Plan(PlanDraft):
    """A search, completely stated, without a contradiction between its parts.

    Raises:
        ValidationError: with every contradiction.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        mistakes = mistakes_in(self)
        if mistakes:
            # A plain ValueError has one place and one message; there may be several of both.
            text = "; ".join(map(str, mistakes)).replace("{", "{{").replace("}", "}}")
            raise PydanticCustomError("inconsistent", text, {"mistakes": mistakes})
        return self

    @classmethod
    def of(cls, draft: PlanDraft) -> Self:
        """Return the plan that a draft is, if nothing in it contradicts itself.

        Raises:
            ValidationError: with every contradiction.
        """
        return cls.model_validate(draft.stated())

    def to_yaml(self) -> str:
        """Return the space file that says the same; what is as by default is left out."""
        from search_spaces.writing import to_yaml

        return to_yaml(self)

    def write(self, path: str | Path) -> None:
        """Write the plan as a space file.

        Raises:
            OSError: the file cannot be written.
        """
        Path(path).write_text(self.to_yaml(), encoding="utf-8")

    def searched(self, values: Values) -> Values:
        """Return the part of a configuration that differs between configurations."""
        return {name: values[name] for name in self.searched_names if name in values}

    @property
    def searched_names(self) -> list[str]:
        """The parameters that differ between configurations, in the order of the file."""
        return list(self.space) or list(dict.fromkeys(name for given in self.only for name in given))

    def trial_seed(self, index: int) -> int:
        """Return the seed of a configuration's trial number ``index``, counted from 0.

        Every configuration is trained with the same seeds, so that differences between
        configurations are not differences between seeds. Retraining starts at MAX_SEEDS: a seed
        that chose a winner never confirms it.
        """
        return 2 * MAX_SEEDS * self.search.seed + index
