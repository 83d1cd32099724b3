"""The answer to the question of the time to the target: the least cost of a success at each size.

Seeds that race decide which configurations solve more often than not, and what a success costs with each of
these; those that none beats in both, size and cost, are the frontier. They were chosen for having been cheap,
in part by luck, so their costs are then estimated on further seeds alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analysis.costs import cost_of_success, spent_on_target
from analysis.files.layout import ESTIMATES, Column
from analysis.finding import Table
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Axis, Mark, Picture, Points
from analysis.questions.sequential import Verdict, verdict
from analysis.rows import SearchRows
from analysis.statistics.dominance import non_dominated
from analysis.statistics.estimate import Estimate
from analysis.text import plural
from search_spaces.parts.question import TimeToTargetQuestion
from search_spaces.parts.search import RacingSeeds

SETTLED_AFTER = 12
"""The frontier counts as found when so many further configurations have not changed it."""


_FIRST = 5
"""Points in the first sentence."""


@dataclass(frozen=True)
class Spent:
    """What seeds of a configuration have spent, and which of them solved, in the order of the seeds."""

    solved: Sequence[bool] = ()
    amounts: Sequence[float] = ()

    def cost(self, unit: str) -> Estimate:
        """Return the cost of a success."""
        return cost_of_success(pd.Series(self.amounts, dtype=float), pd.Series(self.solved, dtype=bool), unit)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A configuration, by its seeds that raced and by those that estimate."""

    number: int
    params: int
    raced: Spent
    fresh: Spent = field(default_factory=Spent)
    is_full: bool = False
    """Whether it has as many seeds that raced as it can get."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A configuration on the frontier."""

    contender: Contender
    cost: Estimate
    """What a success costs, on seeds that did not choose it."""

    @property
    def precision(self) -> float:
        """The share of the cost within which both ends of its interval lie."""
        cost = self.cost
        if not cost.is_known or not cost.is_bounded or cost.low <= 0:
            return math.inf
        return max(cost.high / cost.value, cost.value / cost.low) - 1

    @property
    def sentence(self) -> str:
        """What is known of it, without a period."""
        fresh = self.contender.fresh
        seeds = plural(len(fresh.solved), "further seed")
        told = f"{self.cost} a success" if self.cost.is_known else "no cost known yet"
        return (
            f"configuration {self.contender.number} with {self.contender.params:,} parameters: {told}, "
            f"{sum(fresh.solved)} of {seeds} solved"
        )


@dataclass(frozen=True, kw_only=True)
class TimeAnswer:
    """What trials say of the frontier."""

    question: TimeToTargetQuestion
    points: Sequence[Point]
    """The smallest first."""
    undecided: Sequence[int]
    """Numbers of configurations that may be on the frontier: promising, and the race has not decided."""
    configurations: int

    @property
    def is_settled(self) -> bool:
        """Whether nothing is undecided, and the latest configurations have not changed the frontier."""
        if not self.points or self.undecided:
            return False
        latest = max(point.contender.number for point in self.points)
        return self.configurations > latest + SETTLED_AFTER

    @property
    def is_sharp(self) -> bool:
        """Whether the frontier is found, and each of its costs known as well as was asked."""
        return self.is_settled and not self.open

    @property
    def open(self) -> Sequence[Point]:
        """The points whose costs are not known as well as was asked."""
        return [point for point in self.points if point.precision > self.question.within]

    @property
    def aim(self) -> str:
        """The precision that was asked for."""
        return f"±{100 * self.question.within:g} %"

    @property
    def sentence(self) -> str:
        """How far it is, without a period."""
        if not self.points:
            return f"no configuration of {self.configurations} was found to solve more often than not"
        known = len(self.points) - len(self.open)
        told = (
            f"{_sizes(self.points)} on the frontier, {known} of {len(self.points)} costs known to {self.aim}"
        )
        return told + (f", {len(self.undecided)} undecided" if self.undecided else "")

    @property
    def sentences(self) -> Sequence[str]:
        """What the frontier is, then each of its points."""
        if not self.points:
            return [f"The frontier has no point yet: {self.sentence}."]
        name = COSTS[self.question.cost][1]
        costs = "; ".join(
            f"{point.contender.params:,} parameters "
            + (str(point.cost) if point.cost.is_known else "with no cost known yet")
            for point in self.points[:_FIRST]
        )
        more = len(self.points) - _FIRST
        begin = (
            f"The frontier of {name} per success against size: {costs}{f'; and {more} more' * (more > 0)}. "
            f"Of {plural(self.configurations, 'configuration')}, other seeds chose these than those that "
            "their costs are of."
        )
        open_ = {point.contender.number for point in self.open}
        said = [
            begin,
            *(
                f"{point.sentence[0].upper()}{point.sentence[1:]}"
                f"{f', not to {self.aim}' if point.contender.number in open_ else ''}."
                for point in self.points
            ),
        ]
        if self.undecided:
            which = ", ".join(map(str, self.undecided))
            said.append(f"Whether more than half of the seeds solve is undecided for configurations {which}.")
        elif not self.is_settled:
            said.append(
                "The frontier may not be complete: it changed within the latest "
                f"{SETTLED_AFTER} configurations."
            )
        return said

    @property
    def tables(self) -> Sequence[Table]:
        """The points of the frontier."""
        unit = COSTS[self.question.cost][2]
        columns = [
            Column("configuration", "", "number of the configuration"),
            Column("params", "parameters", "exact number of unique parameters"),
            Column("cost", unit, "cost of a success, on seeds that did not choose it"),
            Column("low", unit, "lower end of its 95 % interval"),
            Column("high", unit, "upper end of its 95 % interval"),
            Column("solved", "trials", "of these seeds, those that solved"),
            Column("seeds", "trials", "how many these are"),
            Column("raced_solved", "trials", "seeds that raced and solved"),
            Column("raced", "trials", "seeds that raced"),
        ]
        rows = [
            {
                "configuration": point.contender.number,
                "params": point.contender.params,
                "cost": point.cost.value,
                "low": point.cost.low,
                "high": point.cost.high,
                "solved": sum(point.contender.fresh.solved),
                "seeds": len(point.contender.fresh.solved),
                "raced_solved": sum(point.contender.raced.solved),
                "raced": len(point.contender.raced.solved),
            }
            for point in self.points
        ]
        frame = pd.DataFrame(rows, columns=[column.name for column in columns])
        return [Table(title="Frontier of cost per success against size", frame=frame, columns=columns)]

    @property
    def pictures(self) -> Sequence[Picture]:
        """The points with their intervals."""
        shown = [point for point in self.points if point.cost.is_known and point.cost.is_bounded]
        if not shown:
            return []
        _, name, unit = COSTS[self.question.cost]
        marks: list[Mark] = [
            Points(
                x=[point.contender.params for point in shown],
                y=[point.cost.value for point in shown],
                low=[point.cost.low for point in shown],
                high=[point.cost.high for point in shown],
                role="fit",
                tells=[point.sentence for point in shown],
            )
        ]
        return [
            Picture(
                name="question",
                title="What a success costs at each size",
                x=Axis(label="parameters", scale="log"),
                y=Axis(label=f"{name} per success", unit=unit, scale="log"),
                marks=marks,
                caption="Configurations that none beats in both, size and cost; bars are 95 % intervals, on "
                "seeds that did not choose them.",
            )
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "points": [
                {
                    "configuration": point.contender.number,
                    "params": point.contender.params,
                    "cost": point.cost.as_json(),
                    "solved": sum(point.contender.fresh.solved),
                    "seeds": len(point.contender.fresh.solved),
                }
                for point in self.points
            ],
            "undecided": list(self.undecided),
            "configurations": self.configurations,
            "is_settled": self.is_settled,
        }


COSTS = {
    "cpu_seconds": ("cpu_seconds_to_target", "processor time", "s"),
    "wall_seconds": ("seconds_to_target", "elapsed time", "s"),
    "step": ("steps_to_target", "steps", "steps"),
    "tokens": ("tokens_to_target", "tokens", "tokens"),
}
"""What can be asked for: the metric of it, what it is called, and its unit."""


def _sizes(points: Sequence[Point]) -> str:
    smallest, largest = points[0].contender.params, points[-1].contender.params
    sizes = f"{smallest:,} to {largest:,}" if largest > smallest else f"{smallest:,}"
    return f"{plural(len(points), 'configuration')} with {sizes} parameters"


def answer_of(
    question: TimeToTargetQuestion, contenders: Sequence[Contender], rule: RacingSeeds
) -> TimeAnswer:
    """Return the answer that configurations give.

    Args:
        question: what is asked.
        contenders: in the order of their numbers.
        rule: how seeds race.
    """
    unit = COSTS[question.cost][2]
    accepted, promising = [], []
    for one in contenders:
        found = verdict(one.raced.solved, rule.lead)
        if found == Verdict.MORE:
            accepted.append(one)
        elif (
            found == Verdict.OPEN
            and not one.is_full
            and 2 * sum(one.raced.solved) >= len(one.raced.solved) > 0
        ):
            promising.append(one)
    both = [*accepted, *promising]
    costs = np.array([[one.params, cheapest(one)] for one in both]).reshape(-1, 2)
    on_frontier = non_dominated(costs[: len(accepted)])
    points = [
        Point(contender=one, cost=one.fresh.cost(unit))
        for one, is_in in zip(accepted, on_frontier, strict=True)
        if is_in
    ]
    beaten = [
        bool(((costs[: len(accepted)] <= own).all(axis=1) & (costs[: len(accepted)] < own).any(axis=1)).any())
        for own in costs[len(accepted) :]
    ]
    return TimeAnswer(
        question=question,
        points=sorted(points, key=lambda point: point.contender.params),
        undecided=[one.number for one, is_beaten in zip(promising, beaten, strict=True) if not is_beaten],
        configurations=len(contenders),
    )


def cheapest(contender: Contender) -> float:
    """Return what a success costs by the seeds that raced; without a success, infinite."""
    solved = sum(contender.raced.solved)
    return float(np.nansum(contender.raced.amounts)) / solved if solved else math.inf


def time_answer(rows: SearchRows, question: TimeToTargetQuestion) -> TimeAnswer:
    """Return the answer that the rows of a search give."""
    rule = rows.plan.search.race or RacingSeeds.model_validate({})
    trials = with_outcomes(rows)
    trials = trials[trials["params"].notna()]
    spent = spent_on_target(rows, trials, COSTS[question.cost][0])
    trials = trials.assign(spent=spent, raced=trials["role"] != ESTIMATES if "role" in trials else True)
    contenders = []
    for number in sorted({*map(int, trials["configuration"])}):
        seeds = trials[trials["configuration"] == number].sort_values("seed_index")
        known = seeds[seeds["outcome"] != "unknown"]
        parts = [known[known["raced"] == is_raced] for is_raced in (True, False)]
        raced, fresh = (
            Spent((part["outcome"] == "solved").tolist(), part["spent"].tolist()) for part in parts
        )
        contenders.append(
            Contender(
                number=number,
                params=int(seeds["params"].iloc[0]),
                raced=raced,
                fresh=fresh,
                is_full=int(seeds["raced"].sum()) >= rule.to,
            )
        )
    return answer_of(question, contenders, rule)
