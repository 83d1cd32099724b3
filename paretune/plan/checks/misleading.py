"""What a plan's early stopping would be misled by, and what it could not tell: warnings, and no mistakes."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import marks_of, rungs_of
from search_spaces.sampling import examples

_DRAWS = 200
"""Configurations that stand for a space: what decides when its data change has few values."""

FEWEST_BELOW = 3
"""Trials that should run on below the cut, of those that a plan lets begin: fewer tell next to nothing."""

_LARGEST_RESERVE = 0.5
"""A larger share is not recommended: early stopping would save next to nothing."""


def warnings_of(bound: BoundPlan) -> list[str]:
    """Return what should be known before a plan's early stopping is relied on, each as a sentence or two."""
    if bound.plan.early_stopping is None:
        return []
    return [*_too_early(bound), *_too_small_a_reserve(bound)]


@dataclass(frozen=True, kw_only=True)
class _Early:
    """A rung that lies before the last change of the training data, in some configurations."""

    mark: float
    """What the rung is called."""
    step: int
    """Where it lies in the longest of these configurations."""
    last_begins: int
    """The step after which this one is trained on what it is for."""
    share: float
    """Share of the configurations for which it lies too early."""


def _too_early(bound: BoundPlan) -> Iterator[str]:
    rule = bound.plan.early_stopping
    assert rule is not None
    found = list(_early_rungs(bound))
    if not found:
        return
    where = [_told(one, is_share=rule.at is not None) for one in found]
    begins = sorted({one.last_begins for one in found})
    steps = f"{begins[0]:,}" if len(begins) == 1 else f"{begins[0]:,} to {begins[-1]:,}"
    most = max(one.share for one in found)
    some = "" if most > 0.99 else f", in {100 * most:.0f} % of the configurations"
    rungs, lie, there = ("a rung", "lies", "it") if len(where) == 1 else ("rungs", "lie", "they")
    compare = "compares" if len(where) == 1 else "compare"
    yield (
        f"early stopping: {rungs} at {_listed(where)} {lie} before the last phase of the curriculum, which "
        f"begins after step {steps}{some}: {there} {compare} models before they were trained on the "
        "target's own problems"
    )
    # Unbounded, so that they grow with the confidence of a model on what it was never trained on. An accuracy
    # stays near that of guessing until the last phase, but does not turn around.
    losses = [
        one.metric
        for one in rule.compared
        if one.direction == "min" and one.metric in {metric.name for metric in bound.task.metrics}
    ]
    if losses:
        names = " and ".join(losses)
        yield (
            f"early stopping: {names} misleads before the last phase: it gets worse, the better a model has "
            "learned the problems of the phases so far. On a published sweep, one such rung on val_loss "
            "ended 36 of 40 winners, on train_loss 2. Compare train_loss, or begin with a rung in the last "
            "phase"
        )


def _early_rungs(bound: BoundPlan) -> Iterator[_Early]:
    """Find the rungs that lie before the last change of the training data of some configurations."""
    drawn = examples(bound.plan, random.Random(0), _DRAWS)
    allowed = [values for values in drawn if bound.refusal(values) is None]
    configs = [(bound.config(values), rungs_of(bound, values)) for values in allowed]
    for number, mark in enumerate(marks_of(bound)):
        early = [
            (config.steps, rungs[number], config.data_changes_at[-1])
            for config, rungs in configs
            if config.data_changes_at and rungs[number] < config.data_changes_at[-1]
        ]
        if early:
            _, step, begins = max(early)
            yield _Early(mark=mark, step=step, last_begins=begins - 1, share=len(early) / len(configs))


def _told(one: _Early, *, is_share: bool) -> str:
    return f"{100 * one.mark:g} % (step {one.step:,})" if is_share else f"step {one.step:,}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _too_small_a_reserve(bound: BoundPlan) -> Iterator[str]:
    rule = bound.plan.early_stopping
    assert rule is not None
    if rule.reserve == 0:
        yield (
            "early stopping: with reserve 0 nothing will tell how many winners it costs, and every outcome "
            "below the cut stays unknown"
        )
        return
    # Of all trials one in reduction_factor goes on by itself from each rung to the next.
    share_below = 1 - rule.reduction_factor ** -len(marks_of(bound))
    baselines = len(bound.plan.baselines) * bound.plan.search.first_seeds
    may_stop = max(0, bound.plan.trials - baselines)
    expected = rule.reserve * share_below * may_stop
    if round(expected) >= FEWEST_BELOW:
        return
    enough = baselines + math.ceil(FEWEST_BELOW / (share_below * rule.reserve))
    better = f"{enough:,} trials"
    if may_stop and (needed := FEWEST_BELOW / (share_below * may_stop)) < _LARGEST_RESERVE:
        better = f"reserve {math.ceil(100 * needed) / 100:g}, or {better},"
    yield (
        f"early stopping: with reserve {rule.reserve:g}, about {expected:.1f} of {bound.plan.trials:,} "
        "trials are expected to run on below the cut, too few to tell how many winners it costs; "
        f"{better} would let {FEWEST_BELOW} do so"
    )
