"""The regimes: each trial goes to the rate where it tells most of an edge that is not sharp yet.

All sizes are asked in parallel: of those that are not as sharp as was asked, the one with the fewest trials
is next. There a trial's worth is by how much it is expected to lower the uncertainty of the edges, of those
only that are not sharp. A size at which no rate works is left alone once that is clear. Trials that were
stated to be tried first come first, and count like the others: no outcome chose them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from pydantic import JsonValue

from analysis.files.layout import ESTIMATES
from analysis.questions.band import BandModel
from analysis.questions.band_posterior import BandPosterior, BandTables, posteriors
from analysis.questions.edge import Seen
from analysis.questions.regimes import RegimesAnswer, SizeAnswer, key_of, model_of, values_of
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, Placement, Tried
from paretune.sampling.strategies.strategy import MOST_SEEDS, Latest, Progress, first_tried, tried_first
from search_spaces.dimensions import AnyDimension, Choice
from search_spaces.parts.question import RegimesQuestion
from search_spaces.plan import Values
from search_spaces.sampling import complete

FEWEST_RATES, MOST_RATES = 9, 81
"""Rates of a continuous range that may be tried; about half of the precision asked for lies between two."""
NEAR = 0.3
"""Decades around the interval of an edge in which the next trial is, once it is clear that a rate works."""
_KEPT = 200
"""Sizes with their evidence of which the tables are kept."""

Evidence = tuple[tuple[float, float, float], ...]
"""What is known of a size, as a key: log rate, solved and trials of each configuration."""


class RegimesStrategy:
    """Places trials where they tell most of the edges of the band of rates that work.

    Args:
        bound: the plan, whose space has the two dimensions of the question and no other.
        question: what is asked.
    """

    def __init__(self, bound: BoundPlan, question: RegimesQuestion) -> None:
        self._bound = bound
        self._question = question
        self._tables: dict[Evidence, BandTables] = {}
        self._latest: Latest[list[SizeAnswer]] = Latest()

    @cached_property
    def _model(self) -> BandModel:
        return model_of(self._bound.plan, self._question)

    @cached_property
    def _values(self) -> list[JsonValue]:
        """The values that the edges are asked for at."""
        return values_of(self._bound.plan.space[self._question.by]) or []

    @cached_property
    def _places(self) -> list[dict[float, Values]]:
        """The configurations that may be trained at each value, by their log rates."""
        plan = self._bound.plan
        rates = rates_of(plan.space[self._question.rate], self._question.within)
        found: list[dict[float, Values]] = []
        for value in self._values:
            here: dict[float, Values] = {}
            for rate in rates:
                given: Values = {self._question.by: value, self._question.rate: rate}
                values = complete(plan, lambda name, _, given=given: given[name])  # type: ignore[misc]
                if self._bound.trained_params(values) is not None:
                    here[_log(rate)] = values
            found.append(here)
        return found

    # Placing

    def next(self, history: History) -> Placement | None:
        """Return where the next trial goes."""
        given = tried_first(self._bound, history, ESTIMATES)
        if given is not None:
            return given
        tried = self._tried(history)
        known, expected = self._sizes(history), self._with_running(history, tried)
        counts = {
            size: sum(len(one.roles) for one in here.values())
            for size, here in enumerate(tried)
            if not known[size].is_sharp and self._open(size, here)
        }
        if not counts:
            return None
        # Each size has to get sharp, whatever the order; so all may be looked at together at any time.
        size = min(counts, key=lambda one: (counts[one], one))
        places, posterior = self._open(size, tried[size]), expected[size]
        near = [x for x in places if _is_near(x, known[size])]
        places = near or places
        seen = {one.x: one for one in posterior.seen}
        candidates = [seen.get(x, Seen(x, 0.0, 0.0)) for x in places]
        left = posterior.uncertainty_after(candidates, known[size].wanted)
        return history.next_of(self._places[size][places[int(left.argmin())]], ESTIMATES)

    def is_over(self, history: History) -> bool:
        """Tell whether every edge is as sharp as was asked, or nothing is left that would sharpen one."""
        if len(history.configurations) < len(self._bound.plan.tried_first):
            return False
        tried, known = self._tried(history), self._sizes(history)
        return all(one.is_sharp or not self._open(size, tried[size]) for size, one in enumerate(known))

    def ended(self, history: History, configuration: int) -> None:
        """The history says it all."""

    def replay(self, history: History, configuration: int) -> None:
        """The history says it all."""

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Give one that was to be tried first again; where the others went follows from what is known."""
        return first_tried(self._bound, number, ESTIMATES)

    def progress(self, history: History) -> Progress:
        """Say how many edges are known."""
        answer = RegimesAnswer(question=self._question, sizes=self._sizes(history))
        return Progress(
            sentence=answer.sentence,
            is_answered=answer.is_sharp,
            trials_left=answer.trials_left,
            aim=f"to {answer.aim}",
        )

    # What is known

    def _tried(self, history: History) -> list[dict[float, Tried]]:
        """Return what was tried at each value, by log rate."""
        by_key: dict[str, dict[float, Tried]] = {key_of(value): {} for value in self._values}
        for tried in history.configurations.values():
            by_key[key_of(tried.values[self._question.by])][_log(tried.values[self._question.rate])] = tried
        return list(by_key.values())

    def _open(self, size: int, tried: dict[float, Tried]) -> list[float]:
        """Return the log rates of a size that may have another seed."""
        return [x for x in self._places[size] if x not in tried or len(tried[x].roles) < MOST_SEEDS]

    def _sizes(self, history: History) -> list[SizeAnswer]:
        """Return what the trials that have ended say of each size."""

        def made() -> list[SizeAnswer]:
            tables = [self._told(_evidence(tried)) for tried in self._tried(history)]
            return [SizeAnswer(*each) for each in zip(self._values, posteriors(tables), strict=True)]

        return self._latest.of(history, made)

    def _with_running(self, history: History, tried: Sequence[dict[float, Tried]]) -> list[BandPosterior]:
        """Return the same, where a seed that runs counts with the chance that it will solve."""
        known = [one.posterior for one in self._sizes(history)]
        if not any(one.running() for one in history.configurations.values()):
            return known
        tables = []
        for posterior, here in zip(known, tried, strict=True):
            seen = {one.x: one for one in posterior.seen}
            for x, one in here.items():
                if more := one.running():
                    before = seen.get(x, Seen(x, 0.0, 0.0))
                    solved = before.solved + more * posterior.chance(x)
                    seen[x] = Seen(x, solved, before.trials + more)
            tables.append(self._told(tuple(sorted((one.x, one.solved, one.trials) for one in seen.values()))))
        return posteriors(tables)

    def _told(self, evidence: Evidence) -> BandTables:
        # Most sizes are as they were at the last trial.
        if evidence not in self._tables:
            if len(self._tables) > _KEPT:
                self._tables.clear()
            self._tables[evidence] = BandTables(self._model, [Seen(*one) for one in evidence])
        return self._tables[evidence]


def _log(rate: JsonValue) -> float:
    assert isinstance(rate, int | float)
    return math.log10(rate)


def _is_near(x: float, known: SizeAnswer) -> bool:
    """Tell whether a trial at a log rate may tell much: far from an edge its outcome is known before."""
    if not known.works:
        return True
    edges = zip(known.edges, known.wanted, strict=True)
    return any(edge.low - NEAR <= x <= edge.high + NEAR for edge, is_wanted in edges if is_wanted)


def _evidence(tried: Mapping[float, Tried]) -> Evidence:
    """Return the known outcomes of one size."""
    counts = ((x, one.known()) for x, one in tried.items())
    return tuple(sorted((x, float(solved), float(known)) for x, (solved, known) in counts if known))


def rates_of(dimension: AnyDimension, within: float) -> list[float]:
    """Return the rates of a range that may be tried: even in the logarithm, as a person would write them.

    Args:
        dimension: the range.
        within: the precision that is asked for, in decades.
    """
    assert not isinstance(dimension, Choice)
    low, high = dimension.low, dimension.high
    decades = math.log10(high / low)
    count = min(max(round(2 * decades / within) + 1, FEWEST_RATES), MOST_RATES)
    grid = np.geomspace(low, high, count)
    if dimension.type == "int":
        return sorted({dimension.low + round((x - low) / dimension.step) * dimension.step for x in grid})
    snapped = [dimension.snap(min(max(float(f"{x:.3g}"), low), high)) for x in grid]
    return sorted({*snapped, low, high})
