"""The steps of a plan's trials: the most of them, and a plan's keys when that changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from paretune.plan.holding import regular_evaluations
from search_spaces.deriving import possible_values, sources_of
from search_spaces.dimensions import Choice, IntRange
from search_spaces.mistakes import KeyPath
from search_spaces.plan import Plan, Values
from trainables.passes import Restarts


def step_at(share: float, steps: int) -> int:
    """Return the first of ``steps`` steps, counted from 1, that is no less than a share of them."""
    # Shares such as 0.07 have no exact value; of 100 steps it is still the seventh.
    return math.ceil(share * steps - 1e-9 * steps)


def largest_budget(bound: BoundPlan) -> int:
    """Return the most steps that a trial of the plan can take."""
    return max(_budgets(bound))


def largest_given_up(bound: BoundPlan) -> int:
    """Return the most steps that a trial can take beyond its budget, in attempts that are given up."""
    rules = [Restarts.model_validate(rule) for rule in values_of(bound, "restarts") if rule is not None]
    longest = largest_budget(bound)
    return max((rule.most * rule.judged_after(longest) for rule in rules), default=0)


def values_of(bound: BoundPlan, name: str) -> list[Any]:
    """Return values that a parameter can have: all, or of a range both ends."""
    plan = bound.plan
    otherwise = plan.fixed.get(name, bound.task.config_class.model_fields[name].default)
    if name in plan.derived:
        return possible_values(plan, name) or [otherwise]
    if plan.only:
        return [values.get(name, otherwise) for values in plan.only]
    dimension = plan.space.get(name)
    if dimension is None:
        return [otherwise]
    values = dimension.values if isinstance(dimension, Choice) else [dimension.low, dimension.high]
    return [*values, *([otherwise] if dimension.when else [])]


def _budgets(bound: BoundPlan) -> list[int]:
    """Return the numbers of steps that trials are given; of a range, both ends."""
    plan = bound.plan
    default: int = bound.task.config_class.model_fields["steps"].default
    if "steps" in plan.derived:
        # A source that does not exist everywhere leaves the default.
        sources = sources_of(plan.derived, ["steps"])
        somewhere = any(plan.space[name].when for name in sources if name in plan.space)
        derived = [int(value) for value in possible_values(plan, "steps")]  # type: ignore[arg-type]
        return [*derived, *([default] if somewhere or not derived else [])]
    if plan.only:
        return [int({"steps": default, **plan.fixed, **values}["steps"]) for values in plan.only]  # type: ignore[arg-type]
    dimension = plan.space.get("steps")
    if dimension is None:
        return [int(plan.fixed.get("steps", default))]  # type: ignore[arg-type]
    if isinstance(dimension, Choice):
        return [int(value) for value in dimension.values]  # type: ignore[arg-type]
    return [int(dimension.low), int(dimension.high)]


def with_budget(bound: BoundPlan, budget: int) -> dict[KeyPath, Any]:
    """Give the longest trial ``budget`` steps, and move the others' and the rungs' steps along with it.

    Where steps differ between configurations, they keep their ratios. A task's other numbers of steps stay as
    they are; those between two evaluations too, unless trials would have too few to hold the target.
    """
    plan = bound.plan
    scale = budget / largest_budget(bound)

    def by_ratio(steps: Any) -> int:
        return max(1, round(float(steps) * scale))

    scaled: Callable[[Any], int] = by_ratio

    def all_scaled(given: Values) -> Values:
        return {**given, "steps": scaled(given["steps"])} if "steps" in given else given

    changed: dict[KeyPath, Any] = {}
    dimension = plan.space.get("steps")
    if "steps" in plan.derived:
        changed["derived", "steps"] = _scaled_rule(plan, budget, scale)
    elif dimension is not None:
        if isinstance(dimension, IntRange) and dimension.step > 1:
            bounds, scaled = _scaled_grid(dimension, budget)
        elif isinstance(dimension, Choice):
            bounds = {"values": sorted({scaled(value) for value in dimension.values})}
        else:
            bounds = {"low": scaled(dimension.low), "high": budget}
        changed["space", "steps"] = dimension.model_dump(exclude_none=True) | bounds
        changed["baselines",] = {name: all_scaled(given) for name, given in plan.baselines.items()}
        changed["try_first",] = [all_scaled(given) for given in plan.try_first]
    elif any("steps" in given for given in plan.only):
        default = bound.config(dict(plan.fixed)).steps
        changed["only",] = [{**given, "steps": scaled(given.get("steps", default))} for given in plan.only]
        changed["baselines",] = {name: all_scaled(given) for name, given in plan.baselines.items()}
    else:
        changed["fixed", "steps"] = budget
    changed |= _evaluations(bound, budget, scale)
    rule = plan.early_stopping
    # Rungs at shares follow the budget by themselves.
    if rule is not None and rule.grace_period is not None:
        changed["early_stopping", "grace_period"] = by_ratio(rule.grace_period)
        if rule.max_steps is not None:
            changed["early_stopping", "max_steps"] = by_ratio(rule.max_steps)
    return changed


def _scaled_rule(plan: Plan, budget: int, scale: float) -> dict[str, Any]:
    """Return how steps are derived if the longest trial has ``budget``, ``scale`` times as many as now.

    Raises:
        InputError: they are a sum, of which no one part decides them all.
    """
    rule = plan.derived["steps"]
    if rule.sum is not None:
        raise InputError(
            "--budget cannot change steps that are derived as a sum; change derived.steps in the space file"
        )
    if rule.table is not None:
        pairs = [[key, max(1, round(float(steps) * scale))] for key, steps in rule.table]  # type: ignore[arg-type]
        return {**rule.written, "table": pairs}
    # Before they are rounded, by which the longest may have become longer.
    exact = {**plan.derived, "steps": rule.model_copy(update={"multiple_of": None})}
    most = max(map(float, possible_values(plan.model_copy(update={"derived": exact}), "steps")))  # type: ignore[arg-type]
    return {**rule.written, "by": rule.by * budget / most, "multiple_of": 1}


def _evaluations(bound: BoundPlan, budget: int, scale: float) -> dict[KeyPath, Any]:
    """Return the steps between two evaluations, if they must be fewer for the target to be held."""
    plan = bound.plan
    searched = plan.space.keys() | plan.derived.keys() | {name for given in plan.only for name in given}
    if plan.target is None or "eval_every" in searched:
        return {}
    default: int = bound.task.config_class.model_fields["eval_every"].default
    eval_every = int(plan.fixed.get("eval_every", default))  # type: ignore[arg-type]
    shortest = max(1, round(min(_budgets(bound)) * scale))
    hold = plan.target_hold
    if regular_evaluations(shortest, eval_every) >= hold or budget < hold:
        return {}
    return {("fixed", "eval_every"): max(1, min(round(eval_every * scale), max(shortest, hold) // hold))}


def _scaled_grid(grid: IntRange, budget: int) -> tuple[dict[str, Any], Callable[[Any], int]]:
    """Return the bounds of a grid that ends at ``budget``, and where a value of the old one is on it.

    It has as many places as the old one, if there is room for them above 0.
    """
    step = max(1, round(grid.step * budget / grid.high))
    low = budget - min((grid.high - grid.low) // grid.step, (budget - 1) // step) * step

    def moved(steps: Any) -> int:
        return max(low, budget - (grid.high - int(steps)) // grid.step * step)

    return {"low": low, "high": budget, "step": step}, moved
