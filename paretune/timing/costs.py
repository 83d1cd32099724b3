"""What of a configuration its time depends on: its size, its batch, and the parts that it is made of."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from paretune.plan.binding import BoundPlan
from paretune.plan.rungs import rungs_of
from search_spaces.plan import Values
from search_spaces.sampling import configuration, draws, fill, listing
from trainables.config import TrainingConfig
from trainables.machines.compiling import Compiles

_Place = tuple[tuple[float, float], tuple[Any, ...]]

_FREE = frozenset(
    {
        *("seed", "steps", "lr", "schedule", "warmup", "cooldown", "final_lr", "weight_decay", "beta1"),
        *("beta2", "grad_clip", "min_delta", "patience", "eval_every", "start_from", "second_pass"),
        *("passes", "restarts", "adaptive_decay", "finish_above", "finish_steps", "finish_batch"),
    }
)
"""Fields of the training loop on which the time of a step does not depend."""

DRAWN = 300
"""Configurations that are drawn to stand for a space."""

_TRIES = 20 * DRAWN

_LIST_AT_MOST = 5_000


@dataclass(frozen=True, kw_only=True)
class Costly:
    """A configuration, as far as its time depends on it."""

    key: str
    """Equal for configurations whose steps take equally long."""
    config: dict[str, Any]
    """The task's configuration as plain values."""
    params: int
    batch: int
    traits: dict[str, Any]
    """The fields on which the time of a step can depend, with their values."""
    steps: float
    """Steps of the whole budget; those with another batch count by its size."""
    evaluations: int
    """Evaluations of the whole budget, those at rungs included."""
    compiles: str | None
    """Name of what its first trial has to compile; None if nothing."""


def costly_of(bound: BoundPlan, values: Values) -> Costly:
    """Return what a configuration's time depends on.

    Raises:
        ValidationError: the task refuses the values.
    """
    config = bound.config(values)
    plain = config.model_dump(mode="json")
    # Rates and probabilities change what is computed, not how much.
    traits = {
        name: value
        for name, value in plain.items()
        if name not in _FREE and not isinstance(value, float) and value is not None
    }
    task = bound.task
    on_cpu = bound.trains_on_cpu
    evaluations = math.ceil(config.steps / config.eval_every) + len(set(rungs_of(bound, values)))
    return Costly(
        key=json.dumps(traits, sort_keys=True),
        config=plain,
        params=bound.params(values),
        batch=config.batch,
        traits=traits,
        steps=_whole_steps(config),
        evaluations=evaluations,
        compiles=task.to_compile(config) if on_cpu and isinstance(task, Compiles) else None,
    )


def _whole_steps(config: TrainingConfig) -> float:
    return config.samples_before(config.steps + 1) / config.batch


def stand_ins(bound: BoundPlan, count: int = DRAWN, seed: int = 0) -> list[Costly]:
    """Return configurations as the search may train them: those tried first, then all listed, or drawn.

    Args:
        bound: the plan.
        count: how many at most.
        seed: of the draws.
    """
    return [costly_of(bound, values) for values in islice(_trainable(bound, seed), count)]


def _trainable(bound: BoundPlan, seed: int) -> Iterator[Values]:
    plan = bound.plan
    rng = random.Random(seed)
    candidates: Iterator[Values]
    if plan.only:
        candidates = iter([configuration(plan, given) for given in plan.only])
    else:
        first = [fill(plan, given, rng) for given in plan.tried_first.values()]
        candidates = iter([*first, *islice(draws(plan, rng), _TRIES)])
    for values in candidates:
        try:
            if bound.refusal(values) is None:
                yield values
        except ValidationError:
            continue


def configurations_there(bound: BoundPlan) -> int | None:
    """Return how many configurations of a space can be trained; None if there are too many to list."""
    listed = listing(bound.plan, bound.plan.space, _LIST_AT_MOST)
    if listed is None:
        return None
    return sum(bound.refusal(values) is None for values in listed)


def spread(stands: Sequence[Costly], count: int) -> list[Costly]:
    """Return configurations to measure, those that tell most first.

    They are the middle one, the largest, with which most of the time goes, and then each as far from those
    before as there are. What has to be compiled takes seconds; where there are others, one such is enough.

    Args:
        stands: configurations that stand for a space.
        count: how many.
    """
    different = list({one.key: one for one in stands}.values())
    at_hand = [one for one in different if one.compiles is None]
    to_compile = [one for one in different if one.compiles is not None]
    if len(at_hand) < count:
        return _farthest(different, count)
    first, *others = _farthest(at_hand, count)
    return [first, *_farthest(to_compile, 1), *others]


def _farthest(candidates: Sequence[Costly], count: int) -> list[Costly]:
    if not candidates:
        return []
    varied = varied_traits(candidates)
    places = [_place(one, varied) for one in candidates]
    middle = sorted(range(len(candidates)), key=lambda at: candidates[at].params * candidates[at].batch)
    chosen = list(dict.fromkeys([middle[len(middle) // 2], middle[-1]]))[:count]
    while len(chosen) < min(count, len(candidates)):
        nearest = [min(_distance(place, places[at]) for at in chosen) for place in places]
        chosen.append(max(range(len(places)), key=nearest.__getitem__))
    return [candidates[at] for at in chosen]


def varied_traits(among: Sequence[Costly]) -> list[str]:
    """Return the names of the fields that differ between configurations."""
    values: dict[str, set[str]] = {}
    for one in among:
        for name, value in one.traits.items():
            values.setdefault(name, set()).add(json.dumps(value, sort_keys=True))
    present = {name: sum(name in one.traits for one in among) for name in values}
    return sorted(name for name in values if len(values[name]) > 1 or present[name] < len(among))


def _place(one: Costly, varied: Sequence[str]) -> _Place:
    """Return where a configuration is: the logarithms of size and batch count most, then other fields."""
    sizes = 2 * math.log(one.params), 2 * math.log(one.batch)
    return sizes, tuple(one.traits.get(name) for name in varied)


def _distance(one: _Place, other: _Place) -> float:
    sizes = sum((a - b) ** 2 for a, b in zip(one[0], other[0], strict=True))
    return math.sqrt(sizes + sum(0.1 for a, b in zip(one[1], other[1], strict=True) if a != b))
