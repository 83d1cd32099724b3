"""Everything about a plan that can be wrong and that only its task can tell."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from paretune.plan.binding import CHECKPOINT_FIELD, RESERVED, BoundPlan
from paretune.plan.budget import largest_budget, step_at
from search_spaces.dimensions import AnyDimension, Choice
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.sampling import corners, draw, examples, fill, listing
from search_spaces.wording import accepted, finding

DRAWS = 2000
"""Random configurations that must all be refused before a space is called empty."""


def mistakes_in(bound: BoundPlan) -> list[Mistake]:
    """Return every mistake in a plan; when there are none, the search can start."""
    mistakes = mistakes_in_keys(bound)
    if mistakes:
        return mistakes
    return [
        *_explicit_configurations(bound),
        *_nothing_to_train(bound),
        *_rungs(bound),
        *_nothing_to_share(bound),
    ]


def mistakes_in_keys(bound: BoundPlan) -> list[Mistake]:
    """Return the mistakes that one key has by itself, whatever the others say."""
    return [*_metrics(bound), *_parameters(bound)]


def _metrics(bound: BoundPlan) -> Iterator[Mistake]:
    plan = bound.plan
    reported = {metric.name for metric in bound.task.metrics}
    costs = {metric.name for metric in bound.metrics.values() if metric.is_cost}
    for index, objective in enumerate(plan.objectives):
        path: KeyPath = ("objectives", index)
        yield from _metric(bound, path, objective.metric, objective.direction, reported | costs)
        if objective.metric in costs and bound.metrics[objective.metric].spent and plan.target is None:
            yield Mistake(
                (*path, "metric"),
                f"{objective.metric} needs a target; state under target the metric and the value that count",
            )
    if plan.early_stopping is not None:
        rule = plan.early_stopping
        yield from _metric(bound, ("early_stopping",), rule.metric, rule.direction, reported)
    for name, value in (plan.target or {}).items():
        yield from _reachable(bound, name, value)
        if name not in reported:
            yield Mistake(
                ("target", name), f"is not a metric of {bound.task.name}{accepted(name, sorted(reported))}"
            )


def _reachable(bound: BoundPlan, name: str, value: float) -> Iterator[Mistake]:
    metric = bound.metrics.get(name)
    if metric is None or metric.best is None:
        return
    if value > metric.best if metric.direction == "max" else value < metric.best:
        yield Mistake(
            ("target", name), f"got {value:g}, which {name} never reaches; its best is {metric.best:g}"
        )


def _metric(bound: BoundPlan, path: KeyPath, name: str, direction: str, known: set[str]) -> Iterator[Mistake]:
    if name not in known:
        yield Mistake((*path, "metric"), f"got {name!r}, not a metric here{accepted(name, sorted(known))}")
    elif direction != bound.metrics[name].direction:
        better = bound.metrics[name].direction
        yield Mistake(
            (*path, "direction"), f"got {direction!r}, but {name} is better when it is {better}imal"
        )


def _parameters(bound: BoundPlan) -> Iterator[Mistake]:
    plan = bound.plan
    for name, value in plan.fixed.items():
        yield from _value(bound, ("fixed", name), name, value)
    for name, dimension in plan.space.items():
        yield from _dimension(bound, name, dimension)
        for other in dimension.when or {}:
            if other not in plan.space and other not in plan.fixed:
                known = {*plan.space, *plan.fixed}
                yield Mistake(
                    ("space", name, "when", other),
                    f"is neither fixed nor in the space{accepted(other, sorted(known))}",
                )
    for index, values in enumerate(plan.only):
        for name, value in values.items():
            yield from _value(bound, ("only", index, name), name, value)


def _dimension(bound: BoundPlan, name: str, dimension: AnyDimension) -> Iterator[Mistake]:
    path: KeyPath = ("space", name)
    unknown = _unknown(bound, path, name)
    if unknown is not None:
        yield unknown
    elif isinstance(dimension, Choice):
        for index, value in enumerate(dimension.values):
            yield from _value(bound, (*path, "values", index), name, value)
    else:
        yield from _value(bound, (*path, "low"), name, dimension.low)
        if dimension.high != dimension.low:
            yield from _value(bound, (*path, "high"), name, dimension.high)


def _value(bound: BoundPlan, path: KeyPath, name: str, value: Any) -> Iterator[Mistake]:
    """Check a parameter on its own: that it exists, and that the task takes this value."""
    unknown = _unknown(bound, path, name)
    if unknown is not None:
        yield unknown
        return
    if name == CHECKPOINT_FIELD and isinstance(value, str) and not Path(value).is_file():
        yield Mistake(path, f"got {value!r}, but there is no such file; retrain writes checkpoint.pt files")
    try:
        alone = bound.task.config_class.model_validate({name: value})
    except ValidationError as error:
        for detail in error.errors():
            # Findings about several fields at once depend on values that are not known here.
            if detail["loc"][:1] == (name,):
                yield Mistake((*path, *detail["loc"][1:]), finding(detail))
        return
    if bound.plan.resources.gpu == 0 and alone.needs_gpu is not None:
        yield Mistake(
            path,
            f"got {value!r}, but trials get no GPU ({alone.needs_gpu}); take another, or state resources.gpu",
        )


def _unknown(bound: BoundPlan, path: KeyPath, name: str) -> Mistake | None:
    if name in RESERVED:
        return Mistake(path, f"{name} is set by the search; see search.seed and search.seeds")
    known = set(bound.task.config_class.model_fields) - RESERVED
    if name in known:
        return None
    return Mistake(path, f"is not a parameter of {bound.task.name}{accepted(name, sorted(known))}")


def _explicit_configurations(bound: BoundPlan) -> Iterator[Mistake]:
    plan = bound.plan
    for index, values in enumerate(plan.only):
        refusal = bound.refusal({**plan.fixed, **values})
        if refusal is not None:
            yield Mistake(("only", index), refusal)
    rng = random.Random(0)
    for place, given in plan.tried_first.items():
        refusals = [bound.refusal(fill(plan, given, rng)) for _ in range(DRAWS // 10)]
        if all(refusals):
            yield Mistake(place, str(refusals[0]))


def _nothing_to_train(bound: BoundPlan) -> Iterator[Mistake]:
    # What is tried first has been found trainable by now: a space with such a configuration is not empty.
    if bound.plan.only or bound.plan.tried_first:
        return
    drawn = listing(bound.plan, bound.task.size_fields, 10 * DRAWS)
    if drawn is None:
        rng = random.Random(0)
        drawn = [draw(bound.plan, rng) for _ in range(DRAWS)]
        drawn += corners(bound.plan, bound.task.size_fields, rng, DRAWS // 10)
    refusals = [bound.refusal(values) for values in drawn]
    if not all(refusals):
        return
    reason, times = Counter(map(str, refusals)).most_common(1)[0]
    where: KeyPath = ("constraints", "params") if reason.startswith("params must") else ("space",)
    yield Mistake(
        where,
        f"no configuration is left to train: of {len(drawn):,} looked at, none may be; "
        f"the most frequent reason ({times:,} times) is that {reason}",
    )


def _rungs(bound: BoundPlan) -> Iterator[Mistake]:
    rule = bound.plan.early_stopping
    if rule is None:
        return
    longest = largest_budget(bound)
    if rule.at is not None and step_at(rule.at[0], longest) >= longest:
        yield Mistake(
            ("early_stopping", "at"),
            f"got {rule.at}, where no trial can be stopped; the budget is {longest} steps",
        )
    if rule.grace_period is not None and rule.grace_period >= longest:
        yield Mistake(
            ("early_stopping", "grace_period"),
            f"got {rule.grace_period}, which no trial can be stopped after; the budget is {longest} steps",
        )


def _nothing_to_share(bound: BoundPlan) -> Iterator[Mistake]:
    if not bound.plan.share_prefixes:
        return
    drawn = examples(bound.plan, random.Random(0), DRAWS)
    configs = [bound.config(values) for values in drawn if bound.refusal(values) is None]
    if any(config.prefix_steps for config in configs):
        return
    reasons = Counter(
        " and ".join(config.against_sharing) or "cooldown takes all steps" for config in configs
    )
    most = f"; here {reasons.most_common(1)[0][0]}" if reasons else ""
    yield Mistake(
        ("share_prefixes",),
        "got true, but no trial shares its first steps with one of another length: that needs "
        f"schedule constant_linear, warmup 0, and nothing else that goes by a trial's length{most}",
    )
