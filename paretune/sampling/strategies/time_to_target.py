"""The time to the target: the sampler proposes, seeds race for the frontier, and its costs get sharp.

Configurations that could be on the frontier of size and cost per success get more seeds until the race has
decided. New ones come as long as they change the frontier, but at most for a share of the trials; the rest
is for further seeds of those on the frontier, on which alone their costs are estimated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.files.layout import ESTIMATES, TrialEnding
from analysis.outcomes import SAYS_OUTCOME
from analysis.questions.time_to_target import COSTS, Contender, Spent, TimeAnswer, answer_of, cheapest
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, Placement, Tried
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.strategies.racing import Racing
from paretune.sampling.strategies.strategy import Latest, Progress
from search_spaces.parts.question import TimeToTargetQuestion
from search_spaces.parts.search import RacingSeeds
from search_spaces.plan import Values

MOST_OF_RACING = 0.6
"""The largest share of the trials before costs are made sharp."""
MOST_FRESH = 64
"""Seeds that estimate a cost, at most: where a success is rare among them, its cost stays wide."""


class TimeStrategy:
    """Places trials where they tell most of the frontier of cost per success against size.

    Args:
        bound: the plan.
        question: what is asked.
    """

    def __init__(self, bound: BoundPlan, question: TimeToTargetQuestion) -> None:
        self._bound = bound
        self._question = question
        self._rule = bound.plan.search.race or RacingSeeds.model_validate({})
        self._racing = Racing(bound, self._rule, self._costs)
        self._latest: Latest[TimeAnswer] = Latest()

    def next(self, history: History) -> Placement | None:
        """Return the next seed that races, or that makes a cost sharp."""
        answer = self._answer(history)
        may_explore = history.handed_out < MOST_OF_RACING * self._bound.plan.trials
        if may_explore and not answer.is_settled:
            return self._racing.next(history) or self._sharpening(history, answer)
        undecided = self._racing.next(history, may_begin=False)
        return undecided or self._sharpening(history, answer) or self._racing.next(history)

    def is_over(self, history: History) -> bool:
        """Tell whether the frontier is found and sharp, or nothing is left that would change it."""
        answer = self._answer(history)
        if answer.is_sharp:
            return True
        return self._racing.is_over(history) and not self._may_grow(history, answer)

    def ended(self, history: History, configuration: int) -> None:
        """Tell the sampler of every configuration that was decided, or is left behind."""
        self._racing.ended(history, configuration)

    def replay(self, history: History, configuration: int) -> None:
        """Take over a configuration as if just proposed."""
        self._racing.replay(history, configuration)

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Let the sampler propose it anew."""
        return self._racing.recover(history, number, known)

    def progress(self, history: History) -> Progress:
        """Say how far the frontier is known."""
        answer = self._answer(history)
        return Progress(sentence=answer.sentence, is_answered=answer.is_sharp, aim=f"to {answer.aim}")

    def _sharpening(self, history: History, answer: TimeAnswer) -> Placement | None:
        """Return one more seed of the point of the frontier whose cost is known worst."""
        open_ = self._may_grow(history, answer)
        if not open_:
            return None

        def worst(number: int) -> tuple[float, int, int]:
            point = next(point for point in answer.points if point.contender.number == number)
            known = len(point.contender.fresh.solved)
            running = history.configurations[number].running(ESTIMATES)
            # A seed that runs will narrow it as the others did.
            will_be = point.precision * math.sqrt(known / (known + running)) if known else math.inf
            return will_be, -known - running, -number

        tried = history.configurations[max(open_, key=worst)]
        return Placement(values=tried.values, role=ESTIMATES, seed_index=tried.next_seed, number=tried.number)

    def _may_grow(self, history: History, answer: TimeAnswer) -> list[int]:
        """Return the configurations on the frontier that may have more seeds for their costs."""
        numbers = [point.contender.number for point in answer.open]
        given = {number: list(history.configurations[number].roles.values()) for number in numbers}
        return [number for number in numbers if given[number].count(ESTIMATES) < MOST_FRESH]

    def _answer(self, history: History) -> TimeAnswer:
        def made() -> TimeAnswer:
            contenders = [self._contender(tried) for _, tried in sorted(history.configurations.items())]
            return answer_of(self._question, contenders, self._rule)

        return self._latest.of(history, made)

    def _costs(self, tried: Tried) -> Sequence[float]:
        contender = self._contender(tried)
        return float(contender.params), cheapest(contender)

    def _contender(self, tried: Tried) -> Contender:
        raced, fresh = (
            [
                tried.outcomes[index]
                for index in sorted(tried.outcomes)
                if (tried.roles[index] == ESTIMATES) == is_fresh
                and tried.outcomes[index].ending in SAYS_OUTCOME
            ]
            for is_fresh in (False, True)
        )
        given = sum(role != ESTIMATES for role in tried.roles.values())
        return Contender(
            number=tried.number,
            params=tried.params,
            raced=self._spent(raced),
            fresh=self._spent(fresh),
            is_full=given >= self._rule.to,
        )

    def _spent(self, outcomes: Sequence[SeedOutcome]) -> Spent:
        to_target = COSTS[self._question.cost][0]
        solved = [outcome.ending == TrialEnding.SOLVED for outcome in outcomes]
        amounts = [
            outcome.metrics.get(to_target, math.nan)
            if has_solved
            else float(outcome.step)
            if self._question.cost == "step"
            else outcome.metrics.get(self._question.cost, math.nan)
            for outcome, has_solved in zip(outcomes, solved, strict=True)
        ]
        return Spent(solved, amounts)
