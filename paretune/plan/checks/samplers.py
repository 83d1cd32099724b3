"""Mistakes in what a plan says of its sampler: options that there are not, and what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.plan.samplers import SAMPLERS, can_aim_at_target, cannot, refused_options, wrong_options
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.parts.search import SamplerName
from search_spaces.plan import PlanDraft
from trainables.contract import Task


def sampler_mistakes(plan: PlanDraft, task: Task) -> Iterator[Mistake]:
    """Find what keeps a plan's sampler from being made, or from doing what the plan asks of it."""
    search = plan.search
    if search.aim == "target" and not can_aim_at_target(plan, task):
        yield Mistake(
            ("search", "aim"),
            "got 'target', which needs a target, and as objectives its metric beside params, and costs of "
            "training at most; leave it out, or take frontier",
        )
    if plan.only:
        # These configurations need no sampler.
        return
    name = search.sampler_name
    place: KeyPath = ("search", "sampler")
    wrong = list(wrong_options(name, search.sampler_options))
    for option, why in wrong:
        yield Mistake((*place, name, option), why)
    if not wrong and (refusal := refused_options(name, search.sampler_options)) is not None:
        yield Mistake((*place, name), refusal)
    if (asked := cannot(name, plan, task)) is not None:
        yield Mistake(place, f"{name} {asked}; accepted: {', '.join(_that_can(plan, task))}")


def _that_can(plan: PlanDraft, task: Task) -> list[SamplerName]:
    return [name for name in SAMPLERS if cannot(name, plan, task) is None]
