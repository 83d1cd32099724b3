"""The answer to the question of the cliff: the size at which a share of the seeds learns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.estimate import Estimate
from analysis.layout import ESTIMATES
from analysis.outcomes import with_outcomes
from analysis.questions.edge import EdgeModel, EdgePosterior, Seen
from analysis.rows import SearchRows
from analysis.text import plural
from search_spaces.parts.question import CliffQuestion

FEWEST = 8
"""Trials that an answer has at least: before, the prior says more than they do."""


@dataclass(frozen=True, kw_only=True)
class CliffAnswer:
    """What trials say of the size that was asked for."""

    size: Estimate
    """In parameters: the median, with an interval of 95 % probability."""
    trials: int
    """Trials that it rests on."""
    configurations: int
    within: float
    """The precision that was asked for."""

    @classmethod
    def of(cls, posterior: EdgePosterior, question: CliffQuestion) -> CliffAnswer:
        """Return the answer that a posterior gives."""
        return cls(
            size=posterior.size,
            trials=round(sum(one.trials for one in posterior.seen)),
            configurations=len(posterior.seen),
            within=question.within,
        )

    @property
    def precision(self) -> float:
        """The share of the size within which both ends of the interval lie."""
        return max(self.size.value / self.size.low, self.size.high / self.size.value) - 1

    @property
    def is_sharp(self) -> bool:
        """Whether it is as sharp as was asked."""
        return self.trials >= FEWEST and self.precision <= self.within

    @property
    def trials_left(self) -> int | None:
        """About so many more trials until it is sharp; None while too little is known."""
        if self.is_sharp:
            return 0
        if self.trials < FEWEST or self.precision > 2:
            return None
        # The width of an interval falls with the square root of the trials.
        wanted = self.trials * (math.log1p(self.precision) / math.log1p(self.within)) ** 2
        return max(1, math.ceil(wanted) - self.trials)


def cliff_sentence(answer: CliffAnswer, question: CliffQuestion) -> str:
    """Say the answer in a sentence, without a period."""
    share = "half of the seeds learn" if question.at == 0.5 else f"{100 * question.at:g} % of the seeds learn"
    if not answer.trials:
        return f"no trial has told yet at which size {share}"
    size = answer.size
    return (
        f"{share} at {size.value:,.0f} parameters ({size.low:,.0f} to {size.high:,.0f}), "
        f"{plural(answer.trials, 'trial')}"
    )


def cliff_answer(rows: SearchRows, question: CliffQuestion) -> CliffAnswer:
    """Return the answer that the rows of a search give.

    It rests on the trials that estimate; those that helped to choose the recipe are left out.
    """
    trials = with_outcomes(rows)
    trials = trials[trials["params"].notna() & (trials["role"] == ESTIMATES)]
    known = trials[trials["outcome"] != "unknown"]
    seen = [
        Seen(math.log(each["params"].iloc[0]), float((each["outcome"] == "solved").sum()), float(len(each)))
        for _, each in known.groupby("configuration")
    ]
    sizes = rows.trials["params"].dropna().to_numpy(float)
    low, high = (math.log(size) for size in (sizes.min(), sizes.max())) if len(sizes) else (0.0, 1.0)
    return CliffAnswer.of(EdgePosterior(EdgeModel(low, high, question.at, question.within), seen), question)
