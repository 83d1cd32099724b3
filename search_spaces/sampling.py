"""Which configurations a space contains: which dimensions are active, uniform draws, and a full listing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import islice

from pydantic import JsonValue

from search_spaces.deriving import add_stage, sources_of, stages_of, with_derived
from search_spaces.dimensions import AnyDimension, Choice, FloatRange, IntRange
from search_spaces.parts.derived import Derived
from search_spaces.plan import Plan, Values


def is_active(dimension: AnyDimension, values: Values) -> bool:
    """Tell whether a dimension exists where the parameters above it have these values."""
    if dimension.when is None:
        return True
    for name, wanted in dimension.when.items():
        accepted = wanted if isinstance(wanted, list) else [wanted]
        if name not in values or values[name] not in accepted:
            return False
    return True


def complete(plan: Plan, pick: Callable[[str, AnyDimension], JsonValue]) -> Values:
    """Return one configuration: the fixed values, a picked value for every active dimension, derived ones.

    Args:
        plan: the plan; its space decides the order and the conditions.
        pick: called with name and dimension of each active dimension, in order.
    """
    values, stages = dict(plan.fixed), stages_of(plan)
    add_stage(stages.get("", ()), values)
    for name, dimension in plan.space.items():
        if is_active(dimension, values):
            values[name] = pick(name, dimension)
        if name in stages:
            add_stage(stages[name], values)
    return values


def configuration(plan: Plan, given: Values) -> Values:
    """Return the configuration that states the given values: with the fixed and the derived ones."""
    return with_derived(plan, plan.fixed | given)


def draw(plan: Plan, rng: random.Random) -> Values:
    """Draw a configuration uniformly (each dimension on its own scale), without regard to constraints."""
    return next(draws(plan, rng))


def draws(plan: Plan, rng: random.Random) -> Iterator[Values]:
    """Yield configurations without end, each as :func:`draw` returns it."""
    if not plan.only:
        yield from filled(plan, {}, rng)
    while True:
        yield configuration(plan, rng.choice(plan.only))


def fill(plan: Plan, given: Values, rng: random.Random) -> Values:
    """Return a configuration that has the given values; what they leave open is drawn uniformly."""
    return next(filled(plan, given, rng))


def filled(plan: Plan, given: Values, rng: random.Random) -> Iterator[Values]:
    """Yield configurations without end, each as :func:`fill` returns it."""
    stages = stages_of(plan)
    dimensions = [
        (name, dimension, None if name in given else _drawing(dimension, rng), stages.get(name))
        for name, dimension in plan.space.items()
    ]
    always = dict(plan.fixed)
    add_stage(stages.get("", ()), always)
    while True:
        values = dict(always)
        for name, dimension, drawn, stage in dimensions:
            if dimension.when is None or is_active(dimension, values):
                values[name] = given[name] if drawn is None else drawn()
            if stage is not None:
                add_stage(stage, values)
        yield values


def examples(plan: Plan, rng: random.Random, count: int) -> Iterator[Values]:
    """Yield configurations that stand for a plan, without regard to constraints.

    What is tried first, with what it leaves open drawn; then all of an explicit list, or ``count`` draws.
    """
    for given in plan.tried_first.values():
        yield fill(plan, given, rng)
    if plan.only:
        yield from (configuration(plan, given) for given in plan.only)
    else:
        yield from islice(draws(plan, rng), count)


def draw_value(dimension: AnyDimension, rng: random.Random) -> JsonValue:
    """Draw one value of a dimension, uniformly on its scale."""
    return _drawing(dimension, rng)()


def _drawing(dimension: AnyDimension, rng: random.Random) -> Callable[[], JsonValue]:
    """Return a function that draws one value of a dimension, uniformly on its scale."""
    if isinstance(dimension, Choice):
        return partial(rng.choice, dimension.values)
    low, high = dimension.low, dimension.high
    if isinstance(dimension, IntRange):
        if not dimension.log:
            return partial(rng.randrange, dimension.low, dimension.high + 1, dimension.step)
        bounds = math.log(low - 0.5), math.log(high + 0.5)
        return lambda: min(max(round(math.exp(rng.uniform(*bounds))), low), high)
    if dimension.log:
        bounds = math.log(low), math.log(high)
        return lambda: min(max(math.exp(rng.uniform(*bounds)), low), high)
    if dimension.step is not None:
        step, steps = dimension.step, round((high - low) / dimension.step)
        return lambda: dimension.snap(low + rng.randint(0, steps) * step)
    return partial(rng.uniform, low, high)


def listing(plan: Plan, names: Collection[str], limit: int) -> list[Values] | None:
    """List every combination of the named parameters that the space contains.

    Args:
        plan: the plan.
        names: the parameters of interest; others are left out of the combinations, but those
            that conditions of the named ones refer to are walked through.
        limit: how many combinations at most.

    Returns:
        The combinations, each with the fixed and the derived values; or None if there are more than
        ``limit``, or one of the parameters is a continuous range.
    """
    if plan.only:
        return [configuration(plan, values) for values in plan.only]
    needed = {*names, *sources_of(plan.derived, [name for name in names if name in plan.derived])}
    for name in reversed(plan.space):
        if name in needed:
            needed |= {*sources_of(plan.derived, plan.space[name].when or {})}
    walked = {name: dimension for name, dimension in plan.space.items() if name in needed}
    size = 1
    for dimension in walked.values():
        if isinstance(dimension, FloatRange):
            return None
        size *= len(dimension.values) if isinstance(dimension, Choice) else dimension.size
        if size > limit:
            return None
    stages = stages_of(plan)
    always = dict(plan.fixed)
    add_stage(stages.get("", ()), always)
    return list(_combinations(walked, always, stages))


def corners(plan: Plan, names: Collection[str], rng: random.Random, count: int) -> Iterator[Values]:
    """Yield configurations whose named ranges all sit at an end: where sizes have their extremes.

    Args:
        plan: the plan, with a space.
        names: the parameters of interest; others are drawn.
        rng: draws what is not a range's end.
        count: how many to yield.
    """

    def pick(name: str, dimension: AnyDimension) -> JsonValue:
        if name in names and not isinstance(dimension, Choice):
            return rng.choice((dimension.low, dimension.high))
        return draw_value(dimension, rng)

    for _ in range(count):
        yield complete(plan, pick)


def _combinations(
    space: dict[str, AnyDimension], values: Values, stages: dict[str, list[tuple[str, Derived]]]
) -> Iterator[Values]:
    if not space:
        yield values
        return
    (name, dimension), *others = space.items()
    rest = dict(others)
    stage = stages.get(name, ())
    if not is_active(dimension, values):
        beside = dict(values)
        add_stage(stage, beside)
        yield from _combinations(rest, beside, stages)
        return
    assert not isinstance(dimension, FloatRange)
    options = dimension.values if isinstance(dimension, Choice) else dimension.values()
    for value in options:
        beside = {**values, name: value}
        add_stage(stage, beside)
        yield from _combinations(rest, beside, stages)
