"""The answer to the question of the cliff: the size at which a share of the seeds learns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.files.layout import ESTIMATES, SELECTS, Column
from analysis.finding import Table
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Axis, Band, Line, Mark, Picture, Points, Rule
from analysis.questions.edge import EdgeModel, EdgePosterior, Seen, precision_of
from analysis.questions.trials import recipe_of
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.text import amount, between, plural, rounded_percent, values_text
from search_spaces.parts.question import CliffQuestion
from search_spaces.plan import Values

FEWEST = 8
"""Trials that an answer has at least: before, the prior says more than they do."""

_COLUMNS = (
    Column("params", "parameters", "the configuration's size"),
    Column("configuration", "", "its number"),
    Column("solved", "trials", "trials that solved"),
    Column("known", "trials", "trials with a known outcome"),
    Column("fitted", "share", "the share of seeds that learn at this size, by all trials together"),
)


@dataclass(frozen=True, kw_only=True)
class CliffAnswer:
    """What trials say of the size that was asked for."""

    question: CliffQuestion
    posterior: EdgePosterior
    chosen_by: int = 0
    """Trials that chose the recipe, and are left out."""
    recipe: Values | None = None
    """What all configurations of the answer have in common of what was searched; None if unknown."""
    numbers: Sequence[int] = ()
    """The configurations' numbers, in the order of what was seen."""

    @property
    def size(self) -> Estimate:
        """The size, in parameters: the median, with an interval of 95 % probability.

        An end beyond the sizes that were tried is open, and a median there unknown: it would be the prior's.
        """
        size = self.posterior.size
        if not self.posterior.seen:
            return replace(size, value=math.nan, low=-math.inf, high=math.inf)
        least, most = self.range
        return replace(
            size,
            value=size.value if least <= size.value <= most else math.nan,
            low=size.low if size.low >= least else -math.inf,
            high=size.high if size.high <= most else math.inf,
        )

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest size that was tried, in parameters."""
        sizes = [math.exp(one.x) for one in self.posterior.seen]
        return min(sizes), max(sizes)

    @property
    def trials(self) -> int:
        """Trials with a known outcome that it rests on."""
        return round(sum(one.trials for one in self.posterior.seen))

    @property
    def precision(self) -> float:
        """The share of the size within which both ends of the interval lie."""
        return precision_of(self.size)

    @property
    def is_sharp(self) -> bool:
        """Whether it is as sharp as was asked."""
        return self.trials >= FEWEST and self.precision <= self.question.within

    @property
    def trials_left(self) -> int | None:
        """About so many more trials until it is sharp; None while too little is known."""
        if self.is_sharp:
            return 0
        if self.trials < FEWEST or self.precision > 2:  # or infinite
            return None
        # The width of an interval falls with the square root of the trials.
        wanted = self.trials * (math.log1p(self.precision) / math.log1p(self.question.within)) ** 2
        return max(1, math.ceil(wanted) - self.trials)

    @property
    def sentence(self) -> str:
        """The answer without its circumstances, and without a period."""
        at = self.question.at
        share = "half" if at == 0.5 else rounded_percent(at)
        if not self.trials:
            return f"no trial has told yet at which size {share} of the seeds learn"
        trials = plural(self.trials, "trial")
        size, (least, most) = self.size, self.range
        if size.is_known:
            told = between(size.low, size.high)
            return f"{share} of the seeds learn at {size.value:,.0f} parameters ({told}), {trials}"
        if self.posterior.size.value > most:
            return f"fewer than {share} of the seeds learn at up to {most:,.0f} parameters, {trials}"
        return f"more than {share} of the seeds learn at {least:,.0f} parameters already, {trials}"

    @property
    def sentences(self) -> Sequence[str]:
        """The answer, how sharp it is, and what it rests on."""
        first = self.sentence[0].upper() + self.sentence[1:]
        if not self.trials:
            return [f"{first}: none that estimates has ended."]
        asked = f"±{100 * self.question.within:g} %"
        if self.is_sharp:
            told = [f"{first}; as sharp as was asked, {asked}."]
        else:
            left = self.trials_left
            more = "" if left is None else f"; about {plural(left, 'more trial')} would do"
            how = "not bounded" if math.isinf(self.precision) else f"±{100 * self.precision:.0f} %"
            told = [f"{first}; {how}, not {asked} as was asked{more}."]
        if self.chosen_by:
            recipe = f": {values_text(self.recipe)}" if self.recipe else ""
            verb = "are" if self.chosen_by > 1 else "is"
            chose = plural(self.chosen_by, "other trial")
            told.append(f"{chose} chose the recipe, and {verb} left out of the answer{recipe}.")
        seen = plural(len(self.posterior.seen), "configuration")
        told.append(f"It rests on {seen}, one at each size, and is a median with its 95 % credible interval.")
        return told

    @property
    def tables(self) -> Sequence[Table]:
        """The configurations of the answer, in the order of their sizes."""
        order = sorted(range(len(self.posterior.seen)), key=lambda place: self.posterior.seen[place].x)
        rows = []
        for place in order:
            one = self.posterior.seen[place]
            number = self.numbers[place] if self.numbers else None
            fitted = self.posterior.chance(one.x)
            rows.append((round(math.exp(one.x)), number, int(one.solved), int(one.trials), round(fitted, 4)))
        names = [column.name for column in _COLUMNS]
        frame = pd.DataFrame(rows, columns=names)
        return [Table(title="Configurations of the answer", frame=frame, columns=_COLUMNS)]

    @property
    def pictures(self) -> Sequence[Picture]:
        """Success against size with the curve of all trials together."""
        seen = self.posterior.seen
        if not seen:
            return []
        xs = [one.x for one in seen]
        grid = np.linspace(min(xs), max(xs), 40)
        low, middle, high = np.array([self.posterior.curve(x) for x in grid]).T.tolist()
        sizes = np.exp(grid).tolist()
        dots = Points(
            x=[math.exp(x) for x in xs],
            y=[one.solved / one.trials for one in seen],
            role="fit",
            sizes=[min(max(one.trials / 3, 0.3), 4.0) for one in seen],
            tells=[
                f"{math.exp(one.x):,.0f} parameters: {one.solved:g} of {one.trials:g} solved" for one in seen
            ],
        )
        marks: list[Mark] = [
            Band(x=sizes, low=low, high=high, role="fit"),
            Line(x=sizes, y=middle, role="fit", label="fit"),
            dots,
        ]
        if self.size.is_known:
            marks.append(Rule(value=self.size.value, along="x", role="target", label=amount(self.size.value)))
        caption = (
            f"{plural(self.trials, 'trial')} that were placed for the answer. A dot is one configuration, "
            "its area the number of its seeds. The band is the 95 % credible interval at each size."
        )
        return [
            Picture(
                name="question",
                title="The cliff that was asked for",
                x=Axis(label="size", unit="parameters", scale="log"),
                y=Axis(label="seeds that solve", unit="share", limits=(-0.06, 1.06)),
                marks=marks,
                caption=caption,
            )
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        return {
            "size": self.size.as_json(),
            "precision": None if math.isinf(self.precision) else self.precision,
            "trials": self.trials,
            "trials_left": self.trials_left,
            "chosen_by": self.chosen_by,
            "recipe": self.recipe,
            "configurations": self.tables[0].frame.astype(object).to_dict("records"),
        }


def cliff_answer(rows: SearchRows, question: CliffQuestion) -> CliffAnswer:
    """Return the answer that the rows of a search give.

    It rests on the trials that estimate; those that helped to choose the recipe are left out.
    """
    trials = with_outcomes(rows)
    roles = trials["role"] if "role" in trials else pd.Series("", index=trials.index)
    known = trials[(roles == ESTIMATES) & trials["params"].notna() & (trials["outcome"] != "unknown")]
    numbers, seen = [], []
    for number, each in known.groupby("configuration"):
        solved = float((each["outcome"] == "solved").sum())
        numbers.append(int(number))  # type: ignore[arg-type]
        seen.append(Seen(math.log(each["params"].iloc[0]), solved, float(len(each))))
    sizes = trials["params"].dropna().to_numpy(float)
    low, high = (math.log(size) for size in (sizes.min(), sizes.max())) if len(sizes) else (0.0, 1.0)
    return CliffAnswer(
        question=question,
        posterior=EdgePosterior(EdgeModel(low, high, question.at, question.within), seen),
        chosen_by=int((roles == SELECTS).sum()),
        recipe=recipe_of(rows, known),
        numbers=numbers,
    )
