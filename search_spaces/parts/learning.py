"""Which earlier searches a search learns from, and when it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from search_spaces.mistakes import Mistake

if TYPE_CHECKING:
    from search_spaces.plan import PlanDraft

LEARNERS = ("tpe", "gp")
"""Samplers that can be given what others tried. Optuna's evolutionary ones use only trials that they have
proposed themselves; the rest learn from nothing."""


def learning_mistakes(plan: PlanDraft) -> Iterator[Mistake]:
    """Find what keeps a plan from learning from earlier searches."""
    if not plan.learn_from:
        return
    sampler = plan.search.sampler_name
    if plan.only:
        yield Mistake(("learn_from",), "has no effect with only, which leaves the sampler nothing to choose")
    elif plan.question is not None and plan.question.kind == "effects":
        yield Mistake(("learn_from",), "has no effect with question.effects, which says what is tried")
    elif sampler not in LEARNERS:
        yield Mistake(
            ("learn_from",),
            f"has no effect with search.sampler {sampler}, which does not learn from trials of others; "
            f"accepted there: {', '.join(LEARNERS)}",
        )
    for index, name in enumerate(plan.learn_from):
        if name in plan.learn_from[:index]:
            yield Mistake(("learn_from", index), f"{name} is named already")
