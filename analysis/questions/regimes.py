"""The answer to the question of the regimes: both edges of the band of rates that work, at each size."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import JsonValue

from analysis.finding import Table
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Picture
from analysis.questions.band import BandModel
from analysis.questions.band_posterior import BandPosterior, BandTables, Side, posteriors
from analysis.questions.edge import Seen
from analysis.questions.trials import that_answer
from analysis.rows import SearchRows
from analysis.selection import plain
from analysis.statistics.estimate import Estimate
from analysis.text import amount, plural, rounded_percent
from search_spaces.dimensions import AnyDimension, Choice
from search_spaces.parts.question import RegimesQuestion
from search_spaces.plan import Plan

FEWEST = 6
"""Trials that the answer for a size has at least: before, the prior says more than they do."""

CLEAR = 0.95
"""The probability from which on it is said that no rate works, or that one does."""

_MOST_LISTED = 8
"""Sizes whose bands are told in one sentence."""
_MOST_LEFT = 1.0
"""Decades: how many trials are left for an edge that is less well known cannot be told."""


@dataclass(frozen=True, kw_only=True)
class EdgeAnswer:
    """What is known of one edge at one size."""

    side: Side
    low: float
    """The lower end of its interval of 95 % probability; this and the next two are decimal logarithms."""
    middle: float
    high: float
    first: float
    """The lowest rate of the space."""
    last: float
    within: float

    @property
    def is_beyond(self) -> bool:
        """Whether the space may end before the edge: its interval is then open on that side."""
        return self.low < self.first if self.side == "lower" else self.high > self.last

    @property
    def rate(self) -> Estimate:
        """The rate at the edge; not known, but bounded on one side, where it may lie beyond the space."""
        value, low, high = (10**place for place in (self.middle, self.low, self.high))
        if not self.is_beyond:
            return Estimate(value=value, low=low, high=high)
        if self.side == "lower":
            return Estimate(value=value if self.middle >= self.first else math.nan, high=high)
        return Estimate(value=value if self.middle <= self.last else math.nan, low=low)

    @property
    def precision(self) -> float:
        """Decades within which both ends of the interval lie, as far as the space reaches."""
        if not self.is_beyond:
            return max(self.high - self.middle, self.middle - self.low)
        return max(self.high - self.first if self.side == "lower" else self.last - self.low, 0.0)

    @property
    def is_sharp(self) -> bool:
        """Whether it is as sharp as was asked."""
        return self.precision <= self.within

    def __str__(self) -> str:
        rate = self.rate
        if rate.is_known:
            return str(rate)
        if self.side == "lower":
            return f"not within the space (at most {amount(rate.high)})"
        return f"not within the space (at least {amount(rate.low)})"


@dataclass(frozen=True)
class SizeAnswer:
    """What is known of the band at one size."""

    value: JsonValue
    """The value of the parameter that the band is asked for by."""
    posterior: BandPosterior

    @property
    def trials(self) -> int:
        """Trials with a known outcome that it rests on."""
        return self.posterior.trials

    @cached_property
    def works(self) -> bool | None:
        """Whether some rate works for the share of seeds that is asked for; None while that is open."""
        if self.trials < FEWEST or 1 - CLEAR < self.posterior.none < CLEAR:
            return None
        return self.posterior.none <= 1 - CLEAR

    @cached_property
    def edges(self) -> tuple[EdgeAnswer, EdgeAnswer]:
        """The lower and the upper edge, if some rate works."""
        return self._edge("lower"), self._edge("upper")

    @property
    def is_sharp(self) -> bool:
        """Whether nothing is left to ask: no rate works, or both edges are as sharp as was asked."""
        return self.works is not None and not any(self.wanted)

    @cached_property
    def wanted(self) -> tuple[bool, bool]:
        """Which edges are to be sharper: of a size at which no rate works, none."""
        if self.works is False:
            return False, False
        if self.works is None:
            return True, True
        lower, upper = self.edges
        return not lower.is_sharp, not upper.is_sharp

    @property
    def trials_left(self) -> int | None:
        """About so many more trials until it is sharp; None while too little is known."""
        if self.is_sharp:
            return 0
        if self.works is None or max(edge.precision for edge in self.edges) > _MOST_LEFT:
            return None
        # The width of an interval falls with the square root of the trials; each edge has half of them.
        times = [(edge.precision / edge.within) ** 2 - 1 for edge in self.edges if not edge.is_sharp]
        return max(1, math.ceil(sum(times) * self.trials / 2))

    def _edge(self, side: Side) -> EdgeAnswer:
        low, middle, high = self.posterior.interval(side)
        model = self.posterior.model
        return EdgeAnswer(
            side=side,
            low=low,
            middle=middle,
            high=high,
            first=model.low,
            last=model.high,
            within=model.within,
        )


@dataclass(frozen=True, kw_only=True)
class RegimesAnswer:
    """What trials say of the band of rates that work, at each size."""

    question: RegimesQuestion
    sizes: Sequence[SizeAnswer]

    @property
    def trials(self) -> int:
        """Trials with a known outcome that it rests on."""
        return sum(size.trials for size in self.sizes)

    @property
    def is_sharp(self) -> bool:
        """Whether it is as sharp as was asked, at every size."""
        # A size without any trial is one at which the plan's limits allow none.
        return self.trials > 0 and all(size.is_sharp for size in self.sizes if size.trials)

    @property
    def trials_left(self) -> int | None:
        """About so many more trials until it is sharp; None while too little is known."""
        left = [size.trials_left for size in self.sizes]
        return None if None in left else sum(many for many in left if many)

    @property
    def sentence(self) -> str:
        """How far it is answered, without a period."""
        asked = [
            size for size in self.sizes if size.works is not False and (size.trials or not self.is_sharp)
        ]
        edges, sharp = 2 * len(asked), sum(2 - sum(size.wanted) for size in asked)
        none = sum(size.works is False for size in self.sizes)
        told = f"{sharp} of {plural(edges, 'edge')} of {self.question.rate} known to {self.aim}"
        if none:
            told += f", no rate works at {none} of {plural(len(self.sizes), 'value')} of {self.question.by}"
        return f"{told}, {plural(self.trials, 'trial')}"

    @property
    def aim(self) -> str:
        """What was asked, such as ``±0.15 decades``."""
        return f"±{self.question.within:g} decades"

    @property
    def sentences(self) -> Sequence[str]:
        """How far it is answered, then each size."""
        if not self.trials:
            return [f"No trial has told yet which values of {self.question.rate} work."]
        told = [f"{self._bands}{self.sentence}.", *map(self.told, self.sizes)]
        if not self.is_sharp:
            left = self.trials_left
            more = "" if left is None else f": about {plural(left, 'more trial')} would do"
            told.append(f"Not every edge is known to {self.aim}, as was asked{more}.")
        share = "half" if self.question.at == 0.5 else rounded_percent(self.question.at)
        told.append(
            f"An edge is where {share} of the seeds solve; given are medians with their 95 % intervals."
        )
        return told

    @property
    def _bands(self) -> str:
        """The edges of all sizes in a row, without their intervals; nothing where these are too many."""
        parts: list[str] = []
        for size in self.sizes:
            lower, upper = (edge.rate for edge in size.edges)
            if size.works is False:
                band = "nowhere"
            elif size.works is None:
                band = "perhaps nowhere"
            elif lower.is_known and upper.is_known:
                band = f"from {amount(lower.value)} to {amount(upper.value)}"
            elif lower.is_known or upper.is_known:
                band = f"from {amount(lower.value)}" if lower.is_known else f"up to {amount(upper.value)}"
            else:
                band = "everywhere"
            if size.trials:
                parts.append(f"{band} at {self.question.by if not parts else ''} {plain(size.value)}")
        listed = ", ".join(" ".join(part.split()) for part in parts)
        return f"{self.question.rate} works {listed}; " if len(parts) <= _MOST_LISTED else ""

    def told(self, size: SizeAnswer) -> str:
        """Say in a sentence what is known at one size."""
        where = f"{self.question.by} {plain(size.value)}"
        if not size.trials:
            return f"{where}: not tried yet."
        count = plural(size.trials, "trial")
        if size.works is False:
            solved = round(sum(one.solved for one in size.posterior.seen))
            few = f", {solved} solved" if solved else ""
            return f"{where}: no rate worked ({count}{few})."
        lower, upper = size.edges
        told = f"{where}: {self.question.rate} works from {lower} to {upper}, {count}"
        for edge, word, way in ((lower, "lower", "up to"), (upper, "upper", "from")):
            other = upper if edge is lower else lower
            if not edge.rate.is_known and other.rate.is_known:
                told = (
                    f"{where}: {self.question.rate} works {way} {other}, its {word} edge is {edge}, {count}"
                )
        if not lower.rate.is_known and not upper.rate.is_known:
            told = f"{where}: every {self.question.rate} of the space works, {count}"
        if size.works is None:
            told += f"; perhaps none works at all ({rounded_percent(size.posterior.none)})"
        return f"{told}."

    @property
    def tables(self) -> Sequence[Table]:
        """The edges at each size, and the trials at each rate."""
        from analysis.questions.regimes_shown import edges_table, trials_table

        return edges_table(self), trials_table(self)

    @property
    def pictures(self) -> Sequence[Picture]:
        """The edges at each size, over the trials."""
        from analysis.questions.regimes_shown import edges_map

        return [edges_map(self)] if self.trials else []

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        sizes = []
        for size in self.sizes:
            told: dict[str, Any] = {
                "value": size.value,
                "trials": size.trials,
                "works": size.works,
                "none_works": size.posterior.none,
                "is_sharp": size.is_sharp,
                "trials_left": size.trials_left,
            }
            for edge in size.edges if size.works is not False else ():
                rate = edge.rate.as_json()
                told[edge.side] = {**rate, "precision": edge.precision, "is_sharp": edge.is_sharp}
            sizes.append(told)
        return {
            "rate": self.question.rate,
            "by": self.question.by,
            "trials": self.trials,
            "trials_left": self.trials_left,
            "sizes": sizes,
            "rates": self.tables[1].frame.astype(object).to_dict("records"),
        }


def values_of(dimension: AnyDimension) -> list[JsonValue] | None:
    """Return every value of a dimension, in order; None if it is a continuous range."""
    if isinstance(dimension, Choice):
        return list(dimension.values)
    if dimension.type == "int":
        return list(dimension.values())
    if dimension.step is None:
        return [dimension.low] if dimension.low == dimension.high else None
    count = round((dimension.high - dimension.low) / dimension.step) + 1
    return [dimension.snap(dimension.low + place * dimension.step) for place in range(count)]


def model_of(plan: Plan, question: RegimesQuestion) -> BandModel:
    """Return the model of a plan's band: it depends on what is asked and on the range of the rate only."""
    dimension = plan.space[question.rate]
    assert not isinstance(dimension, Choice)
    low, high = math.log10(dimension.low), math.log10(dimension.high)
    return BandModel(low, high, question.at, question.within)


def regimes_answer(rows: SearchRows, question: RegimesQuestion) -> RegimesAnswer:
    """Return the answer that the rows of a search give."""
    trials = that_answer(with_outcomes(rows))
    known = trials[trials["outcome"] != "unknown"]
    by_size: dict[str, list[Seen]] = {}
    for _, each in known.groupby("configuration"):
        values: Mapping[str, Any] = each["values"].iloc[0]
        if question.rate in values and question.by in values:
            solved = float((each["outcome"] == "solved").sum())
            one = Seen(float(np.log10(values[question.rate])), solved, float(len(each)))
            by_size.setdefault(key_of(values[question.by]), []).append(one)
    model = model_of(rows.plan, question)
    # A selection of trials may have other values than the space.
    asked = values_of(rows.plan.space[question.by]) or []
    tables = [BandTables(model, by_size.get(key_of(value), [])) for value in asked]
    return RegimesAnswer(
        question=question, sizes=[SizeAnswer(*each) for each in zip(asked, posteriors(tables), strict=True)]
    )


def key_of(value: JsonValue) -> str:
    """Return a text that is equal for equal values of a dimension only."""
    return json.dumps(value, sort_keys=True)
