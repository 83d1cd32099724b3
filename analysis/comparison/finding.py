"""How searches of the same question differ: cliff, regimes, times, success rate, the best found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.comparison.differences import Compared, answers_of, compared
from analysis.comparison.picture import forest
from analysis.comparison.plans import check_same_question, names_of, plan_differences
from analysis.comparison.words import sentences, value_of
from analysis.files.layout import Column
from analysis.finding import Drawn, Table
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows


@dataclass(frozen=True, kw_only=True)
class Comparison(Drawn):
    """How each later search differs from the first."""

    searches: Sequence[str]
    compared: Sequence[Compared]
    plans: Table
    """The differences of the plans."""

    @property
    def kind(self) -> str:
        """``compare``."""
        return "compare"

    @property
    def title(self) -> str:
        """The searches' names."""
        return f"Comparison of {' and '.join(self.searches)}"

    @property
    def sentences(self) -> Sequence[str]:
        """Which differences hold after Holm's correction, which do not, and what the plans differ in."""
        return tuple(sentences(self.searches, self.compared, list(self.plans.frame["part"])))

    @property
    def tables(self) -> Sequence[Table]:
        """The differences, and what the plans differ in."""
        return (_table(self.compared), self.plans)

    @property
    def pictures(self) -> Sequence[Picture]:
        """A forest plot of the ratios, if one has an interval that ends on both sides."""
        picture = forest(self.searches, self.compared)
        return () if picture is None else (picture,)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        return {
            "kind": self.kind,
            "searches": list(self.searches),
            "sentences": list(self.sentences),
            "differences": [one.as_json() for one in self.compared],
            "plans": self.plans.frame.to_dict(orient="records"),
        }


def compare(searches: Sequence[SearchRows]) -> Comparison:
    """Return how each later search differs from the first.

    Raises:
        ComparisonError: there are fewer than two, or they ask different questions.
    """
    named = dict(zip(names_of(searches), searches, strict=True))
    check_same_question(named)
    answers = {name: answers_of(rows) for name, rows in named.items()}
    first, *others = answers
    return Comparison(
        searches=tuple(named),
        compared=compared(answers[first], [(name, answers[name]) for name in others]),
        plans=plan_differences(named),
    )


def _table(compared: Sequence[Compared]) -> Table:
    frame = pd.DataFrame(
        [
            {
                "search": one.search,
                "quantity": one.difference.quantity,
                "first": value_of(one.difference.first),
                "second": value_of(one.difference.second),
                "change": one.difference.change.value,
                "low": one.difference.change.low if one.difference.change.is_known else math.nan,
                "high": one.difference.change.high if one.difference.change.is_known else math.nan,
                "scale": one.difference.scale,
                "p": one.difference.p_value,
                "p_holm": one.p_holm,
                "test": one.difference.test,
            }
            for one in compared
        ]
    )
    columns = [
        Column("search", "", "the search that is compared with the first"),
        Column("quantity", "", "what is compared"),
        Column("first", "", "its value in the first search"),
        Column("second", "", "its value in this search"),
        Column("change", "", "this search's over the first's, or less the first's, as scale says"),
        Column("low", "", "lower end of its 95 % interval"),
        Column("high", "", "upper end of its 95 % interval"),
        Column("scale", "", "ratio or difference"),
        Column("p", "", "two-sided p value; missing where there is no test"),
        Column("p_holm", "", "the same after Holm's correction for all comparisons"),
        Column("test", "", "the test, or that p is read from the interval"),
    ]
    return Table(title="Differences", frame=frame, columns=columns)
