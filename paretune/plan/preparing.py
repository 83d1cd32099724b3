"""What trials share is looked at, or made, before the first of them begins."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pydantic import ValidationError

from paretune.plan.binding import BoundPlan
from search_spaces.sampling import examples
from trainables.config import TrainingConfig

_DRAWS = 200
"""Configurations that stand for a space: what they share, such as their data, has few values."""


def prepare(bound: BoundPlan) -> None:
    """Let the task check or make what the plan's trials need, on this machine.

    Raises:
        DataError: it is not there, or damaged, or not what a configuration needs.
    """
    for config in _configurations(bound):
        bound.task.prepare(config)


def missing(bound: BoundPlan) -> list[str]:
    """Let the task check what is here of what the plan's trials need; return what is not, each once.

    Raises:
        DataError: something is here, but damaged, or not what a configuration needs.
    """
    said = (bound.task.missing(config) for config in _configurations(bound))
    return list(dict.fromkeys(words for words in said if words is not None))


def _configurations(bound: BoundPlan) -> Iterator[TrainingConfig]:
    for values in examples(bound.plan, random.Random(0), _DRAWS):
        try:
            yield bound.config(values)
        except ValidationError:
            continue  # it is never trained
