"""What the question of the regimes asks of a space: a rate, what it is asked by, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

from search_spaces.dimensions import AnyDimension, Choice
from search_spaces.mistakes import Mistake
from search_spaces.parts.question import RegimesQuestion

MOST_VALUES = 20
"""Values at which the edges can be asked for."""


def band_mistakes(asked: RegimesQuestion, space: Mapping[str, AnyDimension]) -> list[Mistake]:
    """Find what keeps a space from having a band of rates at each value of a parameter.

    Args:
        asked: the question.
        space: the dimensions by name, at least one.
    """
    mistakes = []
    for key, name in (("rate", asked.rate), ("by", asked.by)):
        if name not in space:
            had = ", ".join(space)
            mistakes.append(Mistake(("question", "regimes", key), f"is not searched; the space has {had}"))
    if asked.rate == asked.by:
        mistakes.append(Mistake(("question", "regimes", "by"), f"is the rate already, {asked.rate}"))
    if mistakes:
        return mistakes
    mistakes = [
        Mistake(
            ("space", name),
            f"is more than question.regimes can have, which takes {asked.rate} and {asked.by} alone; fix it "
            f"to one value, or derive it from {asked.by}",
        )
        for name in space
        if name not in (asked.rate, asked.by)
    ]
    for name in (asked.rate, asked.by):
        if space[name].when is not None:
            mistakes.append(
                Mistake(("space", name, "when"), "leaves it out of some configurations of question.regimes")
            )
    return mistakes + _rate(asked.rate, space[asked.rate]) + _by(asked.by, space[asked.by])


def _rate(name: str, dimension: AnyDimension) -> list[Mistake]:
    if isinstance(dimension, Choice):
        return [Mistake(("space", name), "must be a range, of type float or int, for question.regimes")]
    if dimension.low <= 0:
        return [
            Mistake(
                ("space", name, "low"),
                f"must be above 0 for question.regimes, whose edges are in decades, but got {dimension.low}",
            )
        ]
    if dimension.low == dimension.high:
        return [Mistake(("space", name), "is one value; question.regimes needs a range of them")]
    return []


def _by(name: str, dimension: AnyDimension) -> list[Mistake]:
    if isinstance(dimension, Choice):
        count = len(dimension.values)
    elif dimension.type == "int":
        count = dimension.size
    elif dimension.step is None:
        return [
            Mistake(("space", name), "must have values that can be listed; add a step, or make it a choice")
        ]
    else:
        count = round((dimension.high - dimension.low) / dimension.step) + 1
    if count <= MOST_VALUES:
        return []
    return [
        Mistake(
            ("space", name),
            f"has {count:,} values, and edges can be asked for at {MOST_VALUES} at most; make it a choice of "
            "fewer, or a range with larger steps",
        )
    ]
