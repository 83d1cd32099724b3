"""The plan: a space file as a typed, frozen value, with every rule that needs no task to be checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from search_spaces.consistency import mistakes_in
from search_spaces.dimensions import STRICT, AnyDimension
from search_spaces.parts.derived import Derived
from search_spaces.parts.early_stopping import EarlyStopping
from search_spaces.parts.limits import Constraints
from search_spaces.parts.question import MOST_TRIALS, Question
from search_spaces.parts.resources import Resources
from search_spaces.parts.search import DEFAULT_TRIALS, MAX_SEEDS, Search

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"

Values = dict[str, JsonValue]
"""Parameter names with one value each."""


class Objective(BaseModel):
    """A metric to be made as large or as small as possible."""

    model_config = STRICT

    metric: str = Field(
        description="A metric that the task reports, `params`, the parameter count, or a cost of training."
    )
    direction: Literal["max", "min"] = Field(description="Which way is better.")


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
    derived: dict[str, Derived] = Field(
        default_factory=dict, description="Parameters that are computed from others, each with how."
    )
    baselines: dict[str, Values] = Field(
        default_factory=dict,
        description="Named configurations that are tried before all others, and are named in tables and "
        "figures; what one leaves open is drawn. With `only`, names of some of those.",
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
    question: Question | None = Field(
        None,
        description="What is asked: trials are placed where they tell most of it, and the search ends with "
        "the answer. Without it, `search` decides alone.",
    )
    learn_from: list[str] = Field(
        default_factory=list,
        description="Earlier searches whose configurations the sampler knows from the start: names below "
        "`results/`, or folders.",
    )
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
        """How many configurations the search trains at most, each with its first seeds at least."""
        if self.question is not None:
            return self.trials
        most = self.trials // self.search.first_seeds
        return min(len(self.only), most) if self.only else most

    @property
    def trials(self) -> int:
        """How many trials the search runs at most; without a question or a race, all of them."""
        stated, search = self.search.trials, self.search
        if self.question is not None:
            return MOST_TRIALS if stated is None else stated
        if search.race is not None:
            default = len(self.only) * search.most_seeds or max(DEFAULT_TRIALS, search.first_seeds)
            return default if stated is None else stated
        if self.only:
            wanted = len(self.only) if stated is None else min(len(self.only), stated // search.first_seeds)
        else:
            default = max(DEFAULT_TRIALS, search.first_seeds)
            wanted = (default if stated is None else stated) // search.first_seeds
        return wanted * search.first_seeds

    @property
    def named_only(self) -> dict[str, int]:
        """The places in ``only`` that baselines name: each the first that states what the baseline does."""
        found: dict[str, int] = {}
        for name, stated in self.baselines.items():
            for place, values in enumerate(self.only):
                if place not in found.values() and stated.items() <= values.items():
                    found[name] = place
                    break
        return found

    @property
    def tried_first(self) -> dict[tuple[str, str | int], Values]:
        """What is tried before the sampler chooses, in this order, by its place in the plan."""
        if self.only:
            return {}
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
