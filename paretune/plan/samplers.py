"""Optuna's samplers by the words of space files: what each can do, its options, what a plan asks of it."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from paretune.plan.binding import PARAMS, metrics_of
from search_spaces.dimensions import Choice, FloatRange
from search_spaces.parts.search import LEARNS_NOTHING, SamplerName
from search_spaces.plan import Objective, PlanDraft
from trainables.contract import Task

MOST_GRID = 100_000
"""Combinations of a grid, all of which Optuna holds in memory."""


@dataclass(frozen=True, kw_only=True)
class SamplerKind:
    """A sampler of Optuna, and what it can do."""

    optuna: str
    """The name of its class in ``optuna.samplers``."""
    several_objectives: bool = True
    feasibility: bool = True
    """Whether it learns that a configuration is infeasible. One that learns nothing needs not."""
    conditions: bool = True
    """Whether dimensions that do not always exist are sampled as well as the others."""
    choices: bool = True
    """Whether it samples choices, and not only ranges."""
    continuous: bool = True
    """Whether it samples ranges whose values cannot be listed."""
    ours: Mapping[str, str]
    """Options that a plan does not set, with the reason."""


_SEED = {"seed": "search.seed sets it"}
_OBJECTS = {
    "independent_sampler": "paretune sets it",
    "constraints_func": "paretune tells what is infeasible",
}
_GENETIC = {
    **_SEED,
    **_OBJECTS,
    **dict.fromkeys(
        ("mutation", "crossover", "elite_population_selection_strategy", "child_generation_strategy",
         "after_trial_strategy", "reference_points"),
        "it is an object, which a file cannot state",
    ),
}  # fmt: skip
_QUIET = {"warn_independent_sampling": "paretune sets it"}

SAMPLERS: Mapping[SamplerName, SamplerKind] = {
    "tpe": SamplerKind(
        optuna="TPESampler",
        ours={
            **_SEED,
            **_OBJECTS,
            **_QUIET,
            **dict.fromkeys(("multivariate", "group", "constant_liar"), "paretune sets it"),
            **dict.fromkeys(("gamma", "weights"), "it is a function, which a file cannot state"),
        },
    ),
    "gp": SamplerKind(optuna="GPSampler", conditions=False, ours={**_SEED, **_OBJECTS, **_QUIET}),
    "cma_es": SamplerKind(
        optuna="CmaEsSampler",
        several_objectives=False,
        feasibility=False,
        conditions=False,
        choices=False,
        ours={
            **_SEED,
            **_OBJECTS,
            **_QUIET,
            **dict.fromkeys(
                ("restart_strategy", "inc_popsize"), "it has no effect in this version of Optuna"
            ),
            "source_trials": "it is a list of Optuna's trials, which a file cannot state",
            "x0": "use try_first",
        },
    ),
    "nsga2": SamplerKind(optuna="NSGAIISampler", conditions=False, ours=_GENETIC),
    "nsga3": SamplerKind(optuna="NSGAIIISampler", conditions=False, ours=_GENETIC),
    "qmc": SamplerKind(
        optuna="QMCSampler",
        ours={**_SEED, **_OBJECTS, **_QUIET, "warn_asynchronous_seeding": "paretune sets it"},
    ),
    "random": SamplerKind(optuna="RandomSampler", ours=_SEED),
    "grid": SamplerKind(
        optuna="GridSampler", continuous=False, ours={**_SEED, "search_space": "space states it"}
    ),
}

_PLAIN: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


def told_objectives(plan: PlanDraft, task: Task) -> list[Objective]:
    """Return the objectives that the sampler is told.

    Where the target's metric and the parameter count are objectives, the question is what reaches the target
    at the least cost. The target is then a constraint and its metric no objective: a sampler that is to make
    it as large as possible, too, spends half of its configurations on large models.
    """
    if not aims_at_target(plan, task):
        return plan.objectives
    return [objective for objective in plan.objectives if objective.metric not in (plan.target or {})]


def aims_at_target(plan: PlanDraft, task: Task) -> bool:
    """Tell whether the sampler looks for the cheapest of what reaches the target, and no further."""
    if plan.search.aim is not None:
        return plan.search.aim == "target"
    return can_aim_at_target(plan, task)


def can_aim_at_target(plan: PlanDraft, task: Task) -> bool:
    """Tell whether there is a target whose metric is an objective, beside costs that include the size."""
    metrics = metrics_of(task)
    names = {objective.metric for objective in plan.objectives}
    others = names - (plan.target or {}).keys()
    return names != others and PARAMS.name in others and all(metrics[name].is_cost for name in others)


def must_reach_target(plan: PlanDraft, task: Task) -> bool:
    """Tell whether what does not reach the target is infeasible to the sampler.

    That is so where only what reaches it is looked for, and where a cost of training is an objective: doing
    nothing costs nothing. A made-up cost of failing instead would have to be of the right size: too small,
    and failing fast looks cheap; too large, and all that reached the target looks the same.
    """
    if plan.target is None:
        return False
    metrics = metrics_of(task)
    costs = [o for o in plan.objectives if metrics[o.metric].is_cost and o.metric != PARAMS.name]
    return bool(costs) or aims_at_target(plan, task)


def start_up_trials(plan: PlanDraft) -> int:
    """Return how many configurations are drawn at random before a sampler learns: a tenth, 4 to 10.

    Optuna's 10 are most of a small search. ``benchmarks/sampler_truths.py`` compares them with fewer.
    """
    return min(max(math.ceil(plan.configurations / 10), 4), 10)


def cannot(name: SamplerName, plan: PlanDraft, task: Task) -> str | None:
    """Return what a plan asks of a sampler that it cannot do; None if it can do all."""
    return next(_asked_in_vain(SAMPLERS[name], name in LEARNS_NOTHING, plan, task), None)


def _asked_in_vain(kind: SamplerKind, learns_nothing: bool, plan: PlanDraft, task: Task) -> Iterator[str]:
    space = plan.space
    told = [objective.metric for objective in told_objectives(plan, task)]
    if len(told) > 1 and not kind.several_objectives:
        yield f"takes one objective, and here are {len(told)} ({', '.join(told)})"
    if must_reach_target(plan, task) and not kind.feasibility and not learns_nothing:
        yield "does not learn that a configuration missed the target, which these objectives need"
    conditional = [name for name, dimension in space.items() if dimension.when is not None]
    if conditional and not kind.conditions:
        yield f"learns nothing of dimensions that do not always exist ({', '.join(conditional)})"
    if not kind.choices and all(isinstance(dimension, Choice) for dimension in space.values()):
        yield "samples ranges of numbers, and here are choices only"
    if kind.continuous:
        return
    size = 1
    for name, dimension in space.items():
        if isinstance(dimension, FloatRange) and dimension.step is None:
            yield f"needs values that can be listed, and {name} is a range without a step"
        elif isinstance(dimension, FloatRange):
            size *= round((dimension.high - dimension.low) / (dimension.step or 1)) + 1
        else:
            size *= len(dimension.values) if isinstance(dimension, Choice) else dimension.size
    if size > MOST_GRID:
        yield f"holds at most {MOST_GRID:,} combinations in memory, and here are {size:,}"


def options_of(name: SamplerName) -> dict[str, tuple[type, ...]]:
    """Return the options that a plan may set, from the signature of Optuna's class, with their types."""
    import optuna

    kind = SAMPLERS[name]
    # Of a class with renamed arguments, the function below the decorator has the types.
    signature = inspect.signature(inspect.unwrap(getattr(optuna.samplers, kind.optuna).__init__))
    options = {}
    for option, parameter in signature.parameters.items():
        words = [word.strip() for word in str(parameter.annotation).split("|")]
        plain = [_PLAIN[word] for word in words if word in _PLAIN]
        if option not in kind.ours and plain:
            options[option] = (*plain, *([type(None)] if "None" in words else []))
    return options


def wrong_options(name: SamplerName, stated: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the options that a plan cannot set, or not to these values, with what is wrong."""
    if not stated:
        return
    known = options_of(name)
    ours = SAMPLERS[name].ours
    listed = ", ".join(known) if known else "none"
    for option, value in stated.items():
        if option in ours:
            yield option, f"cannot be set: {ours[option]}; accepted: {listed}"
        elif option not in known:
            yield option, f"is no option of {name}; accepted: {listed}"
        elif (wrong := _wrong_value(known[option], option, value)) is not None:
            yield option, wrong


def refused_options(name: SamplerName, stated: Mapping[str, Any]) -> str | None:
    """Return why Optuna's class refuses options that are each right by themselves; None if it does not."""
    if not stated:
        return None
    import optuna

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(optuna.samplers, SAMPLERS[name].optuna)(**stated)
    except (ValueError, TypeError, NotImplementedError) as error:
        return f"got {dict(stated)}, which Optuna refuses: {error}"
    return None


_AT_LEAST = {"population_size": 2, "popsize": 4}
"""Whole numbers below which a sampler fails; of others it is 1."""


def _wrong_value(types: tuple[type, ...], option: str, value: Any) -> str | None:
    if value is None:
        fits = type(None) in types
    elif isinstance(value, bool):
        fits = bool in types
    elif isinstance(value, int) and int in types:
        fits = value >= _AT_LEAST.get(option, 1)
    elif isinstance(value, int | float):
        fits = float in types and value >= 0
    else:
        fits = isinstance(value, str) and str in types
    if fits:
        return None
    words = {
        bool: "true or false",
        int: f"a whole number of at least {_AT_LEAST.get(option, 1)}",
        float: "a number of at least 0",
        str: "a word",
        type(None): "null",
    }
    return f"got {value!r}; accepted: {' or '.join(words[one] for one in types)}"
