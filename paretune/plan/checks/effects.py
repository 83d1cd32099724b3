"""Parameters that a plan states and that have no effect beside its others: a search would compare equals."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from paretune.plan.binding import BoundPlan
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.plan import Values
from search_spaces.sampling import configuration, draws

_DRAWS = 500
"""Configurations in all of which a parameter must be without effect."""


def without_effect(bound: BoundPlan) -> Iterator[Mistake]:
    """Find parameters that are stated, and that do nothing in any configuration that states them.

    A value that is the default, or that turns something off, says what is so anyway.
    """
    plan = bound.plan
    rng = random.Random(0)
    drawn = [configuration(plan, values) for values in plan.only] or list(islice(draws(plan, rng), _DRAWS))
    trained = [values for values in drawn if bound.refusal(values) is None]
    for index, values in enumerate(plan.only):
        # One that the task refuses is a mistake of its own.
        if drawn[index] in trained:
            yield from _of(bound, [drawn[index]], list(values), ("only", index))
    yield from _of(bound, trained, list(plan.fixed), ("fixed",))
    yield from _of(bound, trained, list(plan.space), ("space",))
    if plan.derived:
        yield from _of(bound, trained, list(plan.derived), ("derived",))


def _of(bound: BoundPlan, drawn: list[Values], names: list[str], place: KeyPath) -> Iterator[Mistake]:
    idle = [bound.config(values).without_effect for values in drawn]
    for name in names:
        beside = [reasons.get(name) for values, reasons in zip(drawn, idle, strict=True) if name in values]
        stated = [values[name] for values in drawn if name in values]
        if not beside or not all(beside) or all(_says_nothing(bound, name, value) for value in stated):
            continue
        yield Mistake((*place, name), f"has no effect: {beside[0]}")


def _says_nothing(bound: BoundPlan, name: str, value: object) -> bool:
    return not value or value == bound.defaults.get(name)
