"""The earlier searches that a plan learns from: found by their names, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from paretune.errors import Error
from paretune.plan.binding import BoundPlan
from paretune.plan.learned import Learned
from paretune.record.run_folder import RunFolder
from paretune.sampling.learning import EarlierSearch, NothingToLearnError, learn
from search_spaces.mistakes import Mistake


class LearningError(Error, ValueError):
    """Earlier searches that cannot be learned from, as mistakes of the plan that names them."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


def with_learned(bound: BoundPlan, results: Path) -> BoundPlan:
    """Return a new search's plan with what it learns from the searches that it names.

    Args:
        bound: the plan.
        results: the folder below which searches are named.

    Raises:
        LearningError: there is no such search, or nothing to learn from it.
    """
    names = bound.plan.learn_from
    if not names:
        return bound
    searches, mistakes = [], []
    for index, name in enumerate(names):
        try:
            searches.append(EarlierSearch(name, RunFolder.open(results, name).store))
        except Error as error:
            mistakes.append(Mistake(("learn_from", index), str(error)))
    if mistakes:
        raise LearningError(mistakes)
    try:
        return replace(bound, learned=learn(bound, searches))
    except NothingToLearnError as error:
        raise LearningError([Mistake(("learn_from", error.index), str(error))]) from error
    except Error as error:  # damaged
        raise LearningError([Mistake(("learn_from",), str(error))]) from error


def as_learned_before(bound: BoundPlan, folder: RunFolder) -> BoundPlan:
    """Return a search's plan with what it learned when it began, whatever became of those searches.

    Raises:
        DamagedError: the file that holds it cannot be read.
    """
    content = folder.store.learned()
    if content is None:
        # A search that says it learned has the file: it was made with its folder.
        if bound.plan.learn_from:
            raise folder.store.damaged_learned()
        return bound
    try:
        return replace(bound, learned=Learned.of_json(content))
    except (KeyError, TypeError, AttributeError):
        raise folder.store.damaged_learned() from None


def provenance_of(bound: BoundPlan) -> dict[str, Any]:
    """Return what a session says of where its sampler's knowledge comes from."""
    if bound.learned is None:
        return {}
    return {"learned_from": [source.as_provenance() for source in bound.learned.sources]}
