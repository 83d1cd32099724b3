"""The rules between the parts of a plan: what no single field can see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.dimensions import AnyDimension, describe
from search_spaces.mistakes import KeyPath, Mistake

if TYPE_CHECKING:
    from search_spaces.plan import Plan, Values


def mistakes_in(plan: Plan) -> list[Mistake]:
    """Return every contradiction between the parts of a plan that is well-formed in each of them."""
    return [
        *_what_is_tried(plan),
        *_objectives(plan),
        *_without_target(plan),
        *(
            Mistake(("space", name), "is fixed too; a parameter is either fixed or searched")
            for name in plan.space
            if name in plan.fixed
        ),
        *_conditions(plan),
        *_try_first(plan),
        *_only(plan),
    ]


def _what_is_tried(plan: Plan) -> list[Mistake]:
    if plan.only and plan.space:
        return [Mistake(("only",), "replaces space: state one of them, not both")]
    if not plan.only and not plan.space:
        return [Mistake((), "states neither a space to search nor, under only, the configurations to try")]
    if plan.only and plan.try_first:
        return [Mistake(("try_first",), "needs a space; with only, put the configurations there")]
    return []


def _objectives(plan: Plan) -> list[Mistake]:
    metrics = [objective.metric for objective in plan.objectives]
    return [
        Mistake(("objectives", index, "metric"), f"{metric!r} is an objective already")
        for index, metric in enumerate(metrics)
        if metric in metrics[:index]
    ]


def _without_target(plan: Plan) -> list[Mistake]:
    """Find what is said about a target that there is none of."""
    if plan.target is not None:
        return []
    # Compared with the defaults: a stored plan states every key.
    return [
        Mistake((key,), "has no effect without a target; state one, such as target: {exact_match: 0.99}")
        for key in ("target_hold", "stop_at_target")
        if getattr(plan, key) != type(plan).model_fields[key].default
    ]


def _conditions(plan: Plan) -> list[Mistake]:
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
        above.add(name)
    return mistakes


def _try_first(plan: Plan) -> list[Mistake]:
    if not plan.space:
        return []
    mistakes = _repeated("try_first", plan.try_first)
    for index, values in enumerate(plan.try_first):
        for name, value in values.items():
            path = ("try_first", index, name)
            if name not in plan.space:
                mistakes.append(Mistake(path, f"is not searched; the space has {', '.join(plan.space)}"))
            elif not plan.space[name].contains(value):
                mistakes.append(Mistake(path, _outside(value, plan.space[name])))
            else:
                mistakes += _inactive(plan, name, path, values)
    return mistakes


def _inactive(plan: Plan, name: str, path: KeyPath, values: Values) -> list[Mistake]:
    """Find a value for a dimension that does not exist beside the other values."""
    known = plan.fixed | values
    for other, wanted in (plan.space[name].when or {}).items():
        choices = wanted if isinstance(wanted, list) else [wanted]
        if other in known and known[other] not in choices:
            return [Mistake(path, f"does not exist where {other} is {known[other]!r}")]
    return []


def _repeated(key: str, configurations: list[Values]) -> list[Mistake]:
    return [
        Mistake((key, index), f"is the same configuration as {key}.{configurations.index(values)}")
        for index, values in enumerate(configurations)
        if configurations.index(values) < index
    ]


def _only(plan: Plan) -> list[Mistake]:
    return _repeated("only", plan.only) + [
        Mistake(("only", index, name), f"is fixed to {plan.fixed[name]!r} already")
        for index, values in enumerate(plan.only)
        for name in values
        if name in plan.fixed
    ]


def _outside(value: object, dimension: AnyDimension) -> str:
    return f"{value!r} is outside the space, which has {describe(dimension)}"
