"""Mistakes in what a plan says in steps: a target that cannot be held, rungs, prefixes to share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from paretune.plan.binding import BoundPlan
from paretune.plan.budget import largest_budget, step_at, values_of
from paretune.plan.holding import cannot_hold, regular_evaluations
from search_spaces.mistakes import KeyPath, Mistake
from search_spaces.sampling import examples

_DRAWS = 2000


def target_that_cannot_be_held(bound: BoundPlan) -> list[Mistake]:
    """Find that no configuration has as many evaluations as must hold the target."""
    plan = bound.plan
    possible = {"steps": values_of(bound, "steps"), "eval_every": values_of(bound, "eval_every")}
    # In a finish every step is evaluated: whether that is enough, each configuration says.
    if plan.target is None or any(value != "none" for value in values_of(bound, "finish")):
        return []
    steps, eval_every = max(possible["steps"]), min(possible["eval_every"])
    most = regular_evaluations(steps, eval_every)
    if most >= plan.target_hold:
        return []
    config = bound.task.config_class.model_validate({"steps": steps, "eval_every": eval_every})
    return [Mistake(_where(bound), cannot_hold(plan.target_hold, most, config))]


def _where(bound: BoundPlan) -> KeyPath:
    """Return the key to change, of those that a plan states."""
    plan = bound.plan
    if "target_hold" in plan.model_fields_set:
        return ("target_hold",)
    for key in ("fixed", "space", "derived"):
        if "eval_every" in getattr(plan, key):
            return (key, "eval_every")
    return ("target",)


def rung_mistakes(bound: BoundPlan) -> Iterator[Mistake]:
    """Find rungs at which no trial can be stopped."""
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


def nothing_to_share(bound: BoundPlan) -> Iterator[Mistake]:
    """Find that prefixes are to be shared, and no trial has one that another could share."""
    if not bound.plan.share_prefixes:
        return
    drawn = examples(bound.plan, random.Random(0), _DRAWS)
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
