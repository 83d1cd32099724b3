"""The rules between the parts of a plan: what no single field can see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import JsonValue

from search_spaces.deriving import (
    derivation_mistakes,
    possible_values,
    sources_of,
    stated_though_derived,
)
from search_spaces.dimensions import AnyDimension, describe
from search_spaces.mistakes import KeyPath, Mistake, dotted
from search_spaces.parts.asked import effects_mistakes, named_mistakes, time_mistakes
from search_spaces.parts.band import band_mistakes
from search_spaces.parts.learning import learning_mistakes

if TYPE_CHECKING:
    from search_spaces.plan import PlanDraft, Values

LONGEST_NAME = 40
"""Characters of a baseline's name: it has to fit into a cell of a table."""

_FEW = 20
"""Values of a derived parameter that are listed beside one that it never has."""


def mistakes_in(plan: PlanDraft) -> list[Mistake]:
    """Return every contradiction between the parts of a plan that is well-formed in each of them."""
    return [
        *_what_is_tried(plan),
        *_objectives(plan),
        *_without_target(plan),
        *_question(plan),
        *learning_mistakes(plan),
        *(
            Mistake(("space", name), "is fixed too; a parameter is either fixed or searched")
            for name in plan.space
            if name in plan.fixed
        ),
        *(underivable := derivation_mistakes(plan)),
        *_conditions(plan, derivable=not underivable),
        *_baseline_names(plan),
        *_tried_first(plan),
        *_only(plan),
    ]


def _what_is_tried(plan: PlanDraft) -> list[Mistake]:
    if plan.only and plan.space:
        return [Mistake(("only",), "replaces space: state one of them, not both")]
    if not plan.only and not plan.space:
        return [Mistake((), "states neither a space to search nor, under only, the configurations to try")]
    if plan.only and plan.try_first:
        return [Mistake(("try_first",), "needs a space; with only, put the configurations there")]
    return named_mistakes(plan)


def _objectives(plan: PlanDraft) -> list[Mistake]:
    metrics = [objective.metric for objective in plan.objectives]
    return [
        Mistake(("objectives", index, "metric"), f"{metric!r} is an objective already")
        for index, metric in enumerate(metrics)
        if metric in metrics[:index]
    ]


def _without_target(plan: PlanDraft) -> list[Mistake]:
    """Find what is said about a target that there is none of."""
    if plan.target is not None:
        return []
    # Compared with the defaults: a stored plan states every key.
    mistakes = [
        Mistake((key,), "has no effect without a target; state one, such as target: {exact_match: 0.99}")
        for key in ("target_hold", "stop_at_target")
        if getattr(plan, key) != type(plan).model_fields[key].default
    ]
    # A question says itself that it needs one.
    if plan.search.race is not None and plan.question is None:
        mistakes.append(
            Mistake(
                ("search", "seeds"),
                "race for a target; state one, such as target: {exact_match: 0.99}, or a number of seeds",
            )
        )
    return mistakes


def _question(plan: PlanDraft) -> list[Mistake]:
    """Find what keeps a question from being answered."""
    if plan.question is None:
        return []
    place: KeyPath = ("question", plan.question.kind)
    mistakes = []
    if plan.target is None:
        mistakes.append(
            Mistake(place, "needs a target, which says what success is, such as target: {exact_match: 0.99}")
        )
    if plan.early_stopping is not None:
        mistakes.append(
            Mistake(
                ("early_stopping",),
                f"leaves outcomes unknown, but question.{plan.question.kind} is about them; leave out one",
            )
        )
    rules = {"cliff": _places_seeds, "regimes": _places_seeds, "effects": effects_mistakes}
    return mistakes + rules.get(plan.question.kind, time_mistakes)(plan)


def _places_seeds(plan: PlanDraft) -> list[Mistake]:
    """Find what is said about trials that the question places itself."""
    assert plan.question is not None
    kind = plan.question.kind
    mistakes = []
    if not plan.space:
        mistakes.append(Mistake(("question", kind), "needs a space, from which it takes configurations"))
    if plan.search.sampler != "tpe":
        mistakes.append(
            Mistake(("search", "sampler"), f"has no effect: question.{kind} chooses configurations itself")
        )
    if plan.learn_from:
        mistakes.append(
            Mistake(("learn_from",), f"has no effect: question.{kind} chooses configurations itself")
        )
    if plan.search.seeds != 1:
        mistakes.append(
            Mistake(("search", "seeds"), f"is chosen by question.{kind}, trial by trial; leave it out")
        )
    if plan.question.regimes is not None and plan.space:
        mistakes += band_mistakes(plan.question.regimes, plan.space)
    return mistakes


def _conditions(plan: PlanDraft, *, derivable: bool) -> list[Mistake]:
    mistakes = []
    above = set(plan.fixed)
    for name, dimension in plan.space.items():
        for other, wanted in (dimension.when or {}).items():
            path = ("space", name, "when", other)
            accepted = wanted if isinstance(wanted, list) else [wanted]
            values = " or ".join(map(repr, accepted))
            if not accepted:
                mistakes.append(Mistake(path, "got no value; accepted: one value, or a list of them"))
            elif other in plan.space and other not in above:
                mistakes.append(Mistake(path, f"{other} must stand above {name} in the space"))
            elif other in plan.space and not any(plan.space[other].contains(value) for value in accepted):
                mistakes.append(
                    Mistake(path, f"can never be {values}; {other} is {describe(plan.space[other])}")
                )
            elif other in plan.fixed and plan.fixed[other] not in accepted:
                mistakes.append(
                    Mistake(path, f"can never be {values}; {other} is fixed to {plan.fixed[other]!r}")
                )
            elif other in plan.derived and derivable:
                mistakes += _derived_condition(plan, path, above, accepted)
        above.add(name)
    return mistakes


def _derived_condition(
    plan: PlanDraft, path: KeyPath, above: set[str], accepted: Sequence[JsonValue]
) -> list[Mistake]:
    """Find a condition on a derived value that is not known yet, or that never holds."""
    name, other = str(path[1]), str(path[-1])
    later = [source for source in sources_of(plan.derived, [other]) if source not in above]
    if later:
        return [
            Mistake(path, f"{other} is derived from {later[0]}, which must stand above {name} in the space")
        ]
    can_be = possible_values(plan, other)
    # Of a wide range these are examples.
    if can_be and len({*map(repr, can_be)}) <= _FEW and not any(value in accepted for value in can_be):
        values = " or ".join(map(repr, accepted))
        listed = ", ".join(dict.fromkeys(map(repr, can_be)))
        return [Mistake(path, f"can never be {values}; {other} is derived, and can be {listed}")]
    return []


def _baseline_names(plan: PlanDraft) -> list[Mistake]:
    """Find names that do not fit into a cell of a table, and baselines that no values tell apart."""
    mistakes = []
    for name, values in plan.baselines.items():
        is_short = 0 < len(name) <= LONGEST_NAME and name == name.strip() and name.isprintable()
        if not is_short:
            accepted = f"one line of 1 to {LONGEST_NAME} printable characters, no space at either end"
            mistakes.append(Mistake(("baselines", name), f"got the name {name!r}; accepted: {accepted}"))
        if not values:
            mistakes.append(Mistake(("baselines", name), "states no value; a baseline states at least one"))
    return mistakes


def _tried_first(plan: PlanDraft) -> list[Mistake]:
    if not plan.space:
        return []
    mistakes = _repeated(plan.tried_first)
    for place, values in plan.tried_first.items():
        for name, value in values.items():
            path = (*place, name)
            if name in plan.derived:
                mistakes.append(stated_though_derived(plan, path, name))
            elif name not in plan.space:
                mistakes.append(Mistake(path, f"is not searched; the space has {', '.join(plan.space)}"))
            elif not plan.space[name].contains(value):
                mistakes.append(Mistake(path, _outside(value, plan.space[name])))
            else:
                mistakes += _inactive(plan, name, path, values)
    return mistakes


def _inactive(plan: PlanDraft, name: str, path: KeyPath, values: Values) -> list[Mistake]:
    """Find a value for a dimension that does not exist beside the other values."""
    known = plan.fixed | values
    for other, wanted in (plan.space[name].when or {}).items():
        choices = wanted if isinstance(wanted, list) else [wanted]
        if other in known and known[other] not in choices:
            return [Mistake(path, f"does not exist where {other} is {known[other]!r}")]
    return []


def _repeated(configurations: Mapping[tuple[str, str | int], Values]) -> list[Mistake]:
    """Find configurations that one with another place in the plan states already."""
    places, stated = list(configurations), list(configurations.values())
    return [
        Mistake(place, f"is the same configuration as {dotted(places[stated.index(values)])}")
        for index, (place, values) in enumerate(configurations.items())
        if stated.index(values) < index
    ]


def _only(plan: PlanDraft) -> list[Mistake]:
    return _repeated({("only", index): values for index, values in enumerate(plan.only)}) + [
        Mistake(("only", index, name), f"is fixed to {plan.fixed[name]!r} already")
        for index, values in enumerate(plan.only)
        for name in values
        if name in plan.fixed
    ]


def _outside(value: object, dimension: AnyDimension) -> str:
    return f"{value!r} is outside the space, which has {describe(dimension)}"
