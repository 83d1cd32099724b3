"""Derived values of a plan: in which order they are computed, from what, and what they can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from pydantic import JsonValue

from search_spaces.dimensions import AnyDimension, Choice, FloatRange
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.parts.derived import DerivationError, Derived
from search_spaces.wording import accepted

if TYPE_CHECKING:
    from search_spaces.plan import PlanDraft, Values

_MOST = 20_000
"""Combinations of values that are looked at, to say what a derived value can be."""


def order_of(derived: Mapping[str, Derived]) -> list[str]:
    """Return the names of derived values such that each stands behind those that it is computed from."""
    order: dict[str, None] = {}

    def visit(name: str, on_the_way: tuple[str, ...]) -> None:
        if name in order or name in on_the_way:
            return
        for other in derived[name].names:
            if other in derived:
                visit(other, (*on_the_way, name))
        order[name] = None

    for name in derived:
        visit(name, ())
    return list(order)


def sources_of(derived: Mapping[str, Derived], names: Iterable[str]) -> list[str]:
    """Return the parameters that are not derived themselves and decide these ones, each once."""
    found: dict[str, None] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name not in derived:
            found[name] = None
        elif name not in seen:
            seen.add(name)
            for other in derived[name].names:
                visit(other)

    for name in names:
        visit(name)
    return list(found)


def with_derived(plan: PlanDraft, values: Values) -> Values:
    """Return values with those that are derived from them.

    Where one that a derived value is computed from does not exist, neither does the derived value.
    """
    if not plan.derived:
        return values
    return _computed(plan.derived, order_of(plan.derived), dict(values))


def _computed(derived: Mapping[str, Derived], names: Iterable[str], values: Values) -> Values:
    for name in names:
        rule = derived[name]
        if all(other in values for other in rule.names):
            values[name] = rule.of(values)
    return values


def stages_of(plan: PlanDraft) -> dict[str, list[tuple[str, Derived]]]:
    """Return what can be computed first once a dimension has its value, by the dimension's name.

    Below the empty name is what fixed values alone decide. So conditions can refer to derived values.
    """
    stages: dict[str, list[tuple[str, Derived]]] = {}
    if not plan.derived:
        return stages
    place = {name: index for index, name in enumerate(plan.space)}
    names = list(plan.space)
    for name in order_of(plan.derived):
        last = max((place.get(source, -1) for source in sources_of(plan.derived, [name])), default=-1)
        stages.setdefault(names[last] if last >= 0 else "", []).append((name, plan.derived[name]))
    return stages


def add_stage(stage: Sequence[tuple[str, Derived]], values: Values) -> None:
    """Put the values of a stage beside those that they are computed from."""
    for name, rule in stage:
        if all(other in values for other in rule.names):
            values[name] = rule.of(values)


@dataclass(frozen=True)
class Possible:
    """Combinations of values that parameters can have, conditions left out of account."""

    combinations: list[Values]
    complete: bool
    """False if these are examples: with every value that is listed, and both ends of every range."""


def possible(plan: PlanDraft, names: Iterable[str]) -> Possible:
    """Return what parameters can be together, without what is derived from them.

    Args:
        plan: the plan.
        names: parameters that are fixed, in the space, or listed.
    """
    if plan.only:
        return Possible([plan.fixed | values for values in plan.only], complete=True)
    found: dict[str, Sequence[JsonValue]] = {}
    complete = True
    for name in names:
        if name in plan.space:
            found[name], whole = _values_of(plan.space[name])
            complete &= whole
        elif name in plan.fixed:
            found[name] = [plan.fixed[name]]
    if complete and prod(map(len, found.values())) <= _MOST:
        return Possible([dict(zip(found, each, strict=True)) for each in product(*found.values())], True)
    # Aligned at both ends, so that the smallest stand together, and the largest.
    longest = max(map(len, found.values()), default=0)
    ordered = {name: _ascending(values) for name, values in found.items()}
    return Possible(
        [
            {name: values[min(index, len(values) - 1)] for name, values in ordered.items()}
            for index in range(longest)
        ],
        False,
    )


def possible_values(plan: PlanDraft, name: str) -> list[JsonValue]:
    """Return values that a derived parameter can have: all, or examples with the smallest and the largest.

    Of a plan without contradictions.
    """
    sources = sources_of(plan.derived, [name])
    every = (with_derived(plan, values) for values in possible(plan, sources).combinations)
    return [values[name] for values in every if name in values]


def _values_of(dimension: AnyDimension) -> tuple[Sequence[JsonValue], bool]:
    """Return the values of a dimension, and whether these are all: of a range that is none, both ends."""
    if isinstance(dimension, Choice):
        return dimension.values, True
    if isinstance(dimension, FloatRange):
        steps = 0 if dimension.step is None else round((dimension.high - dimension.low) / dimension.step)
        if dimension.step is None or steps >= _MOST:
            return [dimension.low, dimension.high], dimension.low == dimension.high
        return [dimension.snap(dimension.low + index * dimension.step) for index in range(steps + 1)], True
    if dimension.size > _MOST:
        return [dimension.low, dimension.high], False
    return dimension.values(), True


def _ascending(values: Sequence[JsonValue]) -> Sequence[JsonValue]:
    numbers = [value for value in values if isinstance(value, int | float)]
    return sorted(numbers) if len(numbers) == len(values) else values


# Mistakes


def derivation_mistakes(plan: PlanDraft) -> list[Mistake]:
    """Find derived values that are stated elsewhere too, or that cannot be computed."""
    stated = [*_stated_too(plan), *_unknown_sources(plan), *_cycles(plan.derived)]
    # What cannot be computed is not worth more words.
    return stated or list(_not_computed(plan))


def _stated_too(plan: PlanDraft) -> Iterator[Mistake]:
    for name, rule in plan.derived.items():
        for key, what in (("fixed", "fixed"), ("space", "searched")):
            if name in getattr(plan, key):
                yield Mistake(
                    ("derived", name), f"is {what} too; a parameter is either fixed, searched or derived"
                )
        for index, values in enumerate(plan.only):
            if name in values:
                yield _not_stated(("only", index, name), rule)


def _not_stated(path: KeyPath, rule: Derived) -> Mistake:
    return Mistake(path, f"is derived from {' and '.join(rule.names)}; leave it out here")


def stated_though_derived(plan: PlanDraft, path: KeyPath, name: str) -> Mistake:
    """Return the mistake that what is tried first states a derived value."""
    return _not_stated(path, plan.derived[name])


def _unknown_sources(plan: PlanDraft) -> Iterator[Mistake]:
    listed = {name for values in plan.only for name in values}
    known = [*plan.space, *plan.fixed, *sorted(listed), *plan.derived]
    for name, rule in plan.derived.items():
        for other in rule.names:
            if other not in known:
                others = [one for one in known if one != name]
                yield Mistake(
                    ("derived", name, rule.kind),
                    f"got {other!r}, which is neither fixed, searched nor derived here"
                    f"{accepted(other, others)}",
                )
        for source in sources_of(plan.derived, [name]):
            if source not in listed or source in plan.fixed:
                continue
            for index, values in enumerate(plan.only):
                if source not in values:
                    yield Mistake(("only", index), f"states no {source}, which {name} is derived from")


def _cycles(derived: Mapping[str, Derived]) -> Iterator[Mistake]:
    told: set[str] = set()
    for name in derived:
        way = _way_back(derived, name)
        if way and not told & {*way}:
            told |= {*way}
            yield Mistake(("derived", name), f"is derived from itself: {' -> '.join(way)}")


def _way_back(derived: Mapping[str, Derived], start: str) -> list[str]:
    """Return the names from a derived value back to itself; none if it is not derived from itself."""
    waiting, seen = [[start]], set()
    while waiting:
        way = waiting.pop(0)
        for other in derived[way[-1]].names:
            if other == start:
                return [*way, start]
            if other in derived and other not in seen:
                seen.add(other)
                waiting.append([*way, other])
    return []


def _not_computed(plan: PlanDraft) -> Iterator[Mistake]:
    failed: set[str] = set()
    order = order_of(plan.derived)
    for name in order:
        rule = plan.derived[name]
        if failed & {*rule.names}:
            failed.add(name)
            continue
        found = possible(plan, sources_of(plan.derived, [name]))
        if rule.lookup is not None and not found.complete:
            failed.add(name)
            yield Mistake(
                ("derived", name, "lookup"),
                f"got {rule.lookup!r}, which has more values than a table can list; accepted: a parameter "
                "that is fixed, a choice, or a range of whole numbers",
            )
            continue
        needed = order[: order.index(name) + 1]
        try:
            for values in found.combinations:
                _computed(plan.derived, [one for one in needed if one not in failed], dict(values))
        except DerivationError as error:
            failed.add(name)
            yield Mistake(("derived", name, error.key), str(error))
