"""What the questions of effects and of the time to the target ask of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.mistakes import Mistake
from search_spaces.wording import accepted

if TYPE_CHECKING:
    from search_spaces.plan import PlanDraft


COSTS_OF_SUCCESS = ("cpu_seconds", "wall_seconds", "step", "tokens")


def effects_mistakes(plan: PlanDraft) -> list[Mistake]:
    """Find what keeps the changes of a baseline from being compared."""
    assert plan.question is not None
    asked = plan.question.effects
    assert asked is not None
    if not plan.only:
        return [
            Mistake(
                ("question", "effects"),
                "compares configurations that are listed: put the baseline and its changes under only, and "
                "name the baseline under baselines, as in search_spaces/what_breaks.yaml",
            )
        ]
    mistakes = _decides_alone(plan)
    if asked.of not in plan.baselines:
        known = accepted(asked.of, plan.baselines) if plan.baselines else "; name one under baselines"
        mistakes.append(Mistake(("question", "effects", "of"), f"got {asked.of!r}, not a baseline{known}"))
    if len(plan.only) < 2:
        mistakes.append(Mistake(("only",), "lists no change of the baseline; list at least one"))
    return mistakes


def time_mistakes(plan: PlanDraft) -> list[Mistake]:
    """Find what keeps the frontier of cost per success against size from being looked for."""
    assert plan.question is not None
    asked = plan.question.time_to_target
    assert asked is not None
    place = ("question", "time_to_target")
    mistakes = []
    if asked.cost not in COSTS_OF_SUCCESS:
        told = accepted(asked.cost, COSTS_OF_SUCCESS)
        mistakes.append(Mistake((*place, "cost"), f"got {asked.cost!r}{told}"))
    if asked.by != "params":
        mistakes.append(Mistake((*place, "by"), f"got {asked.by!r}; accepted: params"))
    if plan.search.race is None and plan.search.seeds != 1:
        mistakes.append(
            Mistake(
                ("search", "seeds"),
                f"got {plan.search.seeds}, but with question.time_to_target seeds race; accepted: how, as in "
                "{from: 2, to: 16}, which is the default",
            )
        )
    return mistakes


def named_mistakes(plan: PlanDraft) -> list[Mistake]:
    """Find baselines that name none of the configurations under ``only``."""
    if not plan.only:
        return []
    return [
        Mistake(("baselines", name), "is none of the configurations under only, which are all that is tried")
        for name in plan.baselines
        if name not in plan.named_only
    ]


def _decides_alone(plan: PlanDraft) -> list[Mistake]:
    """Find what is said about the number of seeds, which the question chooses."""
    if plan.search.seeds == 1:
        return []
    why = "is chosen by question.effects, configuration by configuration; leave it out"
    return [Mistake(("search", "seeds"), why)]
