"""The answer to the question of effects: by how much single changes of a baseline change its success rate.

Every change is compared with the baseline by the difference of their success rates, with Newcombe's interval
(:func:`analysis.effects.exact.difference_of_rates`). The seeds are the same for all; seeds that are easy for
both make the interval wider than it has to be, never too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import JsonValue

from analysis.configurations import baselines
from analysis.effects.exact import difference_of_rates
from analysis.files.layout import Column
from analysis.finding import Table
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Axis, Mark, Picture, Points, Rule
from analysis.rows import SearchRows
from analysis.selection import plain
from analysis.statistics.estimate import Estimate
from analysis.text import plural
from search_spaces.parts.question import EffectsQuestion

_FIRST = 3
"""Changes in the first sentence."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """A configuration with what is known of its seeds."""

    label: str
    """What is changed, such as "norm rmsnorm instead of layernorm", or the baseline's name."""
    solved: int
    known: int


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one change does."""

    change: Tally
    base: Tally
    within: float

    @property
    def difference(self) -> Estimate:
        """Of the success rates, changed less baseline, with its interval of 95 %."""
        return difference_between(self.base, self.change)

    @property
    def reach(self) -> float:
        """How far the interval goes, to its farther end."""
        difference = self.difference
        if not difference.is_known:
            return math.inf
        return max(difference.high - difference.value, difference.value - difference.low)

    @property
    def is_sharp(self) -> bool:
        """Whether it is known as well as was asked."""
        return self.reach <= self.within

    @property
    def sentence(self) -> str:
        """What it does, without a period."""
        difference = self.difference
        if not difference.is_known:
            return f"{self.change.label}: nothing is known yet"
        return (
            f"{self.change.label}: {difference.value:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})"
            f", {plural(self.change.known, 'seed')} against {self.base.known}"
        )


@dataclass(frozen=True, kw_only=True)
class EffectsAnswer:
    """What trials say of all changes."""

    question: EffectsQuestion
    base: Tally
    effects: Sequence[Effect]
    """In the order of the file."""

    @property
    def is_sharp(self) -> bool:
        """Whether every difference is known as well as was asked."""
        return bool(self.effects) and all(effect.is_sharp for effect in self.effects)

    @property
    def trials_left(self) -> int | None:
        """About so many more trials until it is sharp; None while too little is known."""
        if not self.base.known or any(not effect.change.known for effect in self.effects):
            return None
        # The width of an interval falls with the square root of the trials.
        more = [max((effect.reach / self.question.within) ** 2 - 1, 0.0) for effect in self.effects]
        of_changes = sum(m * effect.change.known for m, effect in zip(more, self.effects, strict=True))
        return math.ceil(of_changes + max(more, default=0.0) * self.base.known)

    @property
    def sentence(self) -> str:
        """How far it is, without a period."""
        known = sum(effect.is_sharp for effect in self.effects)
        told = f"{known} of {plural(len(self.effects), 'difference')} known to ±{self.question.within:g}"
        tried = [effect for effect in self.effects if effect.difference.is_known]
        if known == len(self.effects) or not tried:
            return told
        widest = max(tried, key=lambda effect: effect.reach)
        return f"{told}, the widest {widest.sentence}"

    @property
    def sentences(self) -> Sequence[str]:
        """What is known of the baseline and of what changes most, then of each other change."""
        if not self.base.known:
            return [f"No seed of {self.base.label} has a known outcome yet."]
        aim = f"±{self.question.within:g}"
        known = sum(effect.is_sharp for effect in self.effects)
        tried = [effect for effect in self.effects if effect.change.known]
        tried.sort(key=lambda effect: -abs(effect.difference.value))
        said = [f"{effect.sentence}{'' if effect.is_sharp else f', not to {aim}'}" for effect in tried]
        begin = (
            f"{self.base.label}: {self.base.solved} of {plural(self.base.known, 'seed')} solved; of "
            f"{plural(len(self.effects), 'change')}, {known} are known to {aim}, as differences of rates"
        )
        missing = [effect.change.label for effect in self.effects if not effect.change.known]
        return [
            "; ".join([begin, *said[:_FIRST]]) + ".",
            *(f"{sentence}." for sentence in said[_FIRST:]),
            *([f"Nothing is known of {', '.join(missing)}."] if missing else []),
        ]

    @property
    def tables(self) -> Sequence[Table]:
        """The differences."""
        frame = pd.DataFrame(
            [
                {
                    "change": effect.change.label,
                    "difference": effect.difference.value,
                    "low": effect.difference.low,
                    "high": effect.difference.high,
                    "solved": effect.change.solved,
                    "known": effect.change.known,
                    "base_solved": effect.base.solved,
                    "base_known": effect.base.known,
                }
                for effect in self.effects
            ],
            columns=[column.name for column in _COLUMNS],
        )
        return [Table(title=f"Changes of {self.base.label}", frame=frame, columns=_COLUMNS)]

    @property
    def pictures(self) -> Sequence[Picture]:
        """The differences with their intervals, one below the other."""
        shown = [effect for effect in self.effects if effect.difference.is_known]
        if not shown:
            return []
        marks: list[Mark] = [Rule(value=0.0, along="x", role="bound")]
        differences = [effect.difference for effect in shown]
        marks.append(
            Points(
                x=[100 * each.value for each in differences],
                y=list(range(len(shown))),
                role="fit",
                tells=[effect.sentence for effect in shown],
                low=[100 * each.low for each in differences],
                high=[100 * each.high for each in differences],
                errors_along="x",
            )
        )
        names = {float(place): effect.change.label for place, effect in enumerate(shown)}
        return [
            Picture(
                name="question",
                title=f"What changes of {self.base.label} do",
                x=Axis(label="difference in success rate", unit="percentage points"),
                y=Axis(label="", ticks=names, limits=(-0.6, len(shown) - 0.4), is_reversed=True),
                marks=marks,
                caption=f"Against {plural(self.base.known, 'seed')} of {self.base.label}, of which "
                f"{self.base.solved} solved. Bars are 95 % intervals, each by itself.",
            )
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "base": {"label": self.base.label, "solved": self.base.solved, "known": self.base.known},
            "effects": [
                {
                    "change": effect.change.label,
                    "solved": effect.change.solved,
                    "known": effect.change.known,
                    "difference": effect.difference.as_json(),
                    "is_sharp": effect.is_sharp,
                }
                for effect in self.effects
            ],
        }


_COLUMNS = (
    Column("change", "", "what is changed of the baseline"),
    Column("difference", "share", "success rate with the change, less that of the baseline"),
    Column("low", "share", "lower end of its 95 % interval"),
    Column("high", "share", "upper end of its 95 % interval"),
    Column("solved", "trials", "seeds that solved, with the change"),
    Column("known", "trials", "seeds with a known outcome, with the change"),
    Column("base_solved", "trials", "seeds of the baseline that solved"),
    Column("base_known", "trials", "seeds of the baseline with a known outcome"),
)


def difference_between(base: Tally, change: Tally) -> Estimate:
    """Return the difference of two success rates, the second less the first."""
    if not base.known or not change.known:
        return Estimate(value=float("nan"), unit="share")
    value, low, high = difference_of_rates(
        np.array([base.solved / base.known]),
        np.array([change.solved / change.known]),
        np.array([[base.known, change.known]], dtype=float),
    )
    return Estimate(value=value, low=low, high=high, unit="share")


def answer_of(question: EffectsQuestion, tallies: Sequence[Tally], base: int) -> EffectsAnswer:
    """Return the answer that some counts give.

    Args:
        question: what is asked.
        tallies: of all configurations, the baseline among them.
        base: its place.
    """
    others = [tally for place, tally in enumerate(tallies) if place != base]
    effects = [Effect(change=tally, base=tallies[base], within=question.within) for tally in others]
    return EffectsAnswer(question=question, base=tallies[base], effects=effects)


def change_of(
    values: Mapping[str, JsonValue], base: Mapping[str, JsonValue], defaults: Mapping[str, Any]
) -> str:
    """Say what a configuration changes of another, such as "norm rmsnorm instead of layernorm"."""
    names = [*values, *(name for name in base if name not in values)]
    changes = []
    for name in names:
        now, before = (one.get(name, defaults.get(name)) for one in (values, base))
        if now != before:
            changes.append(f"{name} {plain(now)} instead of {plain(before)}")
    return " and ".join(changes) or "no change"


def effects_answer(rows: SearchRows, question: EffectsQuestion) -> EffectsAnswer:
    """Return the answer that the rows of a search give."""
    trials = with_outcomes(rows)
    names = baselines(rows) if len(trials) else {}
    found: dict[int, tuple[dict[str, JsonValue], Tally]] = {}
    of_base = next((number for number, name in names.items() if name == question.of), None)
    first = trials.drop_duplicates("configuration").set_index("configuration")["values"]
    for number in map(int, first.index):
        group = trials[trials["configuration"] == number]
        known = group[group["outcome"] != "unknown"]
        label = names.get(number, "")
        if not label and of_base is not None:
            label = change_of(first[number], first[of_base], rows.defaults)
        tally = Tally(label=label, solved=int((known["outcome"] == "solved").sum()), known=len(known))
        found[number] = first[number], tally
    if of_base is None:
        return EffectsAnswer(question=question, base=Tally(label=question.of, solved=0, known=0), effects=[])
    numbers = list(found)
    return answer_of(question, [found[n][1] for n in numbers], numbers.index(of_base))
