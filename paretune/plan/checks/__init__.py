"""The one place where mistakes in a plan are found, and the one way in which they travel: as a list.

What is malformed never becomes a draft (:mod:`search_spaces.loader`). Of a draft, these are all mistakes.
"""

from __future__ import annotations

from paretune.plan.binding import BoundPlan
from paretune.plan.checks.configurations import configuration_mistakes
from paretune.plan.checks.effects import without_effect
from paretune.plan.checks.keys import mistakes_in_keys
from paretune.plan.checks.samplers import sampler_mistakes
from paretune.plan.checks.starting import unfit_beginnings
from paretune.plan.checks.steps import nothing_to_share, rung_mistakes, target_that_cannot_be_held
from search_spaces.consistency import mistakes_in as contradictions_in
from search_spaces.mistakes import Mistake
from search_spaces.plan import Plan, PlanDraft
from trainables.contract import Task

__all__ = ["contradictions_in", "mistakes_in", "mistakes_in_keys"]


def mistakes_in(draft: PlanDraft, task: Task) -> list[Mistake]:
    """Return every mistake in a plan; when there are none, it is one, and its search can start.

    Args:
        draft: the plan, in which parameters have the task's own names.
        task: its task.
    """
    mistakes = [*contradictions_in(draft), *mistakes_in_keys(draft, task)]
    # Its metrics are known from here on.
    mistakes = mistakes or [*sampler_mistakes(draft, task)]
    if mistakes:
        # What contradicts itself cannot be drawn from.
        return mistakes
    bound = BoundPlan(Plan.of(draft), task)
    not_held = target_that_cannot_be_held(bound)
    if not_held:
        # Each configuration would be refused for the same reason.
        return [*not_held, *rung_mistakes(bound)]
    return [
        *configuration_mistakes(bound),
        *without_effect(bound),
        *rung_mistakes(bound),
        *nothing_to_share(bound),
        *unfit_beginnings(bound),
    ]
