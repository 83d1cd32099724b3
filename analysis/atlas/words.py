"""The atlas in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.cliff.words import differing, in_short
from analysis.text import amount, between, plural

if TYPE_CHECKING:
    from analysis.atlas.finding import Atlas, Series


def sentences(atlas: Atlas) -> list[str]:
    """Return the 50 % sizes, whether they differ, what each series shows, and what solved and fresh mean."""
    if not atlas.series:
        return ["No size can be determined: there are no trials yet."]
    return [_answer(atlas), *_differ(atlas), *_each(atlas), *_fresh(atlas), *_solved(atlas)]


def _answer(atlas: Atlas) -> str:
    known = [one for one in atlas.series if one.is_determined]
    others = [one.name for one in atlas.series if not one.is_determined]
    if not known:
        return (
            f"The size at which half of the seeds solve cannot be determined in any of {len(others)} series."
        )
    told = f"Half of the seeds solve at {'; '.join(_half(one) for one in known)}."
    if others:
        told += f" It cannot be determined of {'; '.join(others)}."
    return told


def _half(one: Series) -> str:
    half = one.cliff.size(0.5)
    return f"{amount(half.value, 'parameters')} ({between(half.low, half.high)}) in {one.name}"


def _differ(atlas: Atlas) -> list[str]:
    return [differing(test, "series") for test in atlas.tests if test.quantity == "50 % size"]


def _each(atlas: Atlas) -> list[str]:
    return [f"{one.name}: {in_short(one.cliff)}" for one in atlas.series]


def _fresh(atlas: Atlas) -> list[str]:
    seeds = sum(int(one.fresh.known_trials.sum()) for one in atlas.series)
    if not seeds:
        return []
    confirmed = plural(sum(len(one.fresh) for one in atlas.series), "confirmed configuration")
    return [
        f"Of {confirmed} only {plural(seeds, 'fresh seed')} are counted, not those of the search that led to "
        "the choice."
    ]


def _solved(atlas: Atlas) -> list[str]:
    if atlas.target:
        return [f"Solved means {atlas.target}."]
    return [
        "Solved means another level of the target, or another number of evaluations, in some of the searches."
    ]
