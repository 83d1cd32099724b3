"""Mistakes in the configurations that a plan asks for: untrainable ones, none, or more than there are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from pydantic import ValidationError

from paretune.plan.binding import BoundPlan, first_message
from search_spaces.dimensions import Choice
from search_spaces.mistakes import KeyPath, Mistake, dotted
from search_spaces.plan import PlanDraft, Values
from search_spaces.sampling import configuration, corners, draws, filled, listing

_DRAWS = 2000
"""Random configurations that must all be refused before a space, or a choice, is called untrainable."""


def configuration_mistakes(bound: BoundPlan) -> list[Mistake]:
    """Return what is wrong with the configurations of a plan without contradictions."""
    explicit = list(_explicit(bound))
    if explicit:
        return explicit
    empty = list(_nothing_to_train(bound))
    # In an empty space no choice can be trained either.
    return empty or [*_untrainable_choices(bound), *_more_trials_than_configurations(bound)]


def more_first_than_trials(plan: PlanDraft) -> Iterator[Mistake]:
    """Find configurations to be tried first for which a plan's own number of trials has no room."""
    search = plan.search
    if search.trials is None and "seeds" not in search.model_fields_set:
        stated = f"{plan.trials} trials, the default"
    else:
        stated = f"trials {plan.trials} with seeds {search.first_seeds}"
    first = list(plan.tried_first)
    if len(first) <= plan.configurations:
        return
    place = first[plan.configurations]
    key: KeyPath = ("search", "trials") if search.trials is not None else place
    yield Mistake(
        key,
        f"{stated} are {plan.configurations} configurations, but baselines and try_first list {len(first)}: "
        f"none from {dotted(place)} on would be tried; accepted: at least {len(first) * search.first_seeds} "
        "trials, or fewer configurations there",
    )


def _explicit(bound: BoundPlan) -> Iterator[Mistake]:
    plan = bound.plan
    for index, values in enumerate(plan.only):
        refusal = bound.refusal(configuration(plan, values))
        if refusal is not None:
            yield Mistake(("only", index), refusal)
    rng = random.Random(0)
    for place, given in plan.tried_first.items():
        refusals = [bound.refusal(values) for values in islice(filled(plan, given, rng), _DRAWS // 10)]
        if all(refusals):
            yield Mistake(place, str(refusals[0]))


def _nothing_to_train(bound: BoundPlan) -> Iterator[Mistake]:
    # What is tried first has been found trainable by now: a space with such a configuration is not empty.
    if bound.plan.only or bound.plan.tried_first:
        return
    drawn = listing(bound.plan, bound.deciding, 10 * _DRAWS)
    if drawn is None:
        rng = random.Random(0)
        drawn = list(islice(draws(bound.plan, rng), _DRAWS))
        drawn += corners(bound.plan, bound.deciding, rng, _DRAWS // 10)
    refusals = []
    for values in drawn:
        refusal = bound.refused(values)
        if refusal is None:
            return
        refusals.append(refusal)
    most, times = Counter(refusals).most_common(1)[0]
    yield Mistake(
        most.path,
        f"no configuration is left to train: of {len(drawn):,} looked at, none may be; "
        f"the most frequent reason ({times:,} times) is that {most.message}",
    )


def _untrainable_choices(bound: BoundPlan) -> Iterator[Mistake]:
    """Find values of choices with which the task refuses every configuration of the space.

    Limits on the parameter count are no such reason: they may be narrower than the space.
    """
    for name, dimension in bound.plan.space.items():
        if not isinstance(dimension, Choice):
            continue
        for index, value in enumerate(dimension.values):
            reason = _always_refused(bound, {name: value})
            if reason is not None:
                yield Mistake(
                    ("space", name, "values", index),
                    f"got {value!r}, with which no configuration of the space can be trained: {reason}",
                )


def _always_refused(bound: BoundPlan, given: Values) -> str | None:
    """Return why the task takes no configuration with these values; None if it does, or none was drawn."""
    ((name, value),) = given.items()
    rng = random.Random(0)
    reasons: Counter[str] = Counter()
    for values in islice(filled(bound.plan, given, rng), _DRAWS):
        if name not in values or values[name] != value:
            continue
        try:
            bound.config(values)
        except ValidationError as error:
            reasons[first_message(error)] += 1
        else:
            return None
    return reasons.most_common(1)[0][0] if reasons else None


def _more_trials_than_configurations(bound: BoundPlan) -> Iterator[Mistake]:
    plan = bound.plan
    # A question takes as many seeds of a configuration as it needs.
    if plan.search.trials is None or plan.question is not None:
        return
    most = plan.search.most_seeds
    # Of a race nothing is left over: the last configurations get more.
    wanted = plan.search.trials // most if plan.search.race is None else -(-plan.search.trials // most)
    if plan.only:
        there = len(plan.only)
    else:
        combinations = listing(plan, plan.space, 10 * _DRAWS)
        if combinations is None:
            return
        there = 0
        for values in combinations:
            there += bound.refusal(values) is None
            if there == wanted:
                return
    if wanted > there:
        where = "only lists" if plan.only else "the space has"
        seeds = f"with seeds {most}" if plan.search.race is None else f"of up to {most} seeds each"
        yield Mistake(
            ("search", "trials"),
            f"got {plan.search.trials:,} {seeds}, which are {wanted:,} configurations, but "
            f" {where} {there:,} that can be trained; accepted: at most "
            f"{there * most:,}",
        )
