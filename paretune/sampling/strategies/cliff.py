"""The cliff: first which recipe is best, then at which size it works for the share of seeds that is asked.

At the beginning a trial goes to the smallest configuration that would work if coefficients drawn from the
posterior were true (Thompson sampling): this finds good recipes, good shapes and the neighbourhood of the
cliff at once. When another recipe would hardly move the cliff any more, the family of the best is fixed:
one configuration for each size. From then on each trial goes where it tells most of the size asked for, and
only these trials are in the answer: those that chose the family would flatter it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from analysis.files.layout import ESTIMATES, SELECTS
from analysis.questions.cliff import FEWEST, CliffAnswer
from analysis.questions.edge import EdgeModel, EdgePosterior, Seen, best_place
from analysis.statistics.estimate import CONFIDENCE
from analysis.statistics.logistic import Array
from analysis.text import plural
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, Placement, Tried
from paretune.sampling.strategies.family import Member, Shapes
from paretune.sampling.strategies.recipes import RecipePosterior
from paretune.sampling.strategies.strategy import MOST_SEEDS, Latest, Progress, first_tried, tried_first
from search_spaces.parts.question import CliffQuestion
from search_spaces.plan import Values

MOST_OF_CHOOSING = 0.4
"""The largest share of the trials that may go into choosing."""
FEWEST_OF_CHOOSING = 16
_DRAWS = 100


class CliffStrategy:
    """Places trials where they tell most of the size of the cliff.

    Args:
        bound: the plan.
        question: what is asked.
    """

    def __init__(self, bound: BoundPlan, question: CliffQuestion) -> None:
        self._bound = bound
        self._question = question
        self._level = math.log(question.at / (1 - question.at))
        self._factor = math.sqrt(1 + question.within)
        self.family: list[Member] | None = None
        """The configurations of the answer by size, once they are fixed."""
        self._latest: Latest[CliffAnswer] = Latest()

    @cached_property
    def _shapes(self) -> Shapes:
        return Shapes(self._bound)

    @cached_property
    def _model(self) -> EdgeModel:
        assert self.family
        low, high = self.family[0].x, self.family[-1].x
        return EdgeModel(low, high, self._question.at, self._question.within)

    @cached_property
    def _means(self) -> list[Array]:
        assert self.family
        return [self._model.mean_chance(member.x) for member in self.family]

    # Placing

    def next(self, history: History) -> Placement | None:
        """Return where the next trial goes; None while the last ones that choose still run."""
        family = self._family_of(history)
        if family is not None:
            return self._estimating(history, family)
        given = tried_first(self._bound, history, SELECTS)
        if given is not None:
            return given
        if self._has_chosen(history):
            return None
        return self._choosing(history)

    def is_over(self, history: History) -> bool:
        """Tell whether the answer is as sharp as was asked, or nothing is left that would sharpen it."""
        family = self._family_of(history)
        if family is None:
            return not len(self._shapes)
        answer = self.answer(history)
        return answer.is_sharp or self._is_beyond(answer, family) or not self._open(history, family)

    @staticmethod
    def _is_beyond(answer: CliffAnswer, family: Sequence[Member]) -> bool:
        """Tell whether the edge lies below or above all members, as surely as an interval is."""
        seen = [one.x for one in answer.posterior.seen]
        if answer.trials < FEWEST:
            return False
        is_above = family[-1].x in seen and answer.posterior.below(family[-1].x) < 1 - CONFIDENCE
        return is_above or (family[0].x in seen and answer.posterior.below(family[0].x) > CONFIDENCE)

    def ended(self, history: History, configuration: int) -> None:
        """The history says it all."""

    def replay(self, history: History, configuration: int) -> None:
        """The history says it all."""

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Give one that was to be tried first again; where the others went follows from what is known."""
        return first_tried(self._bound, number, SELECTS)

    def progress(self, history: History) -> Progress:
        """Say what is known of the cliff."""
        aim = f"to ±{100 * self._question.within:g} %"
        if self._family_of(history) is None:
            given = plural(history.given(SELECTS), "trial")
            return Progress(sentence=f"choosing the best recipe, {given}", is_answered=False, aim=aim)
        answer = self.answer(history)
        return Progress(
            sentence=answer.sentence,
            is_answered=answer.is_sharp,
            trials_left=answer.trials_left,
            aim=aim,
        )

    # Choosing

    def _choosing(self, history: History) -> Placement | None:
        rng = np.random.default_rng([self._bound.plan.search.seed, history.handed_out])
        posterior = self._chosen_from(history.configurations.values())
        for attempt in range(20):
            by_draw = (history.handed_out + attempt) % 2 == 0
            drawn = posterior.draw(rng)
            recipe = self._shapes.terms.best(drawn)
            # Where it works is told by the mode: under draws, the smallest of many shapes is far too small.
            odds = self._shapes.log_odds((drawn + posterior.mode) / 2 if by_draw else posterior.mode, recipe)
            member = self._shapes.member(self._shapes.first_to_reach(odds, self._level), recipe)
            if member is not None:
                return history.next_of(member.values, SELECTS)
        return None

    def _has_chosen(self, history: History) -> bool:
        """Tell whether enough trials were spent on choosing; the family is fixed when all have ended."""
        if self._shapes.is_one_family:
            return True
        spent = history.given(SELECTS)
        if spent >= MOST_OF_CHOOSING * self._bound.plan.trials:
            return True
        if spent < max(FEWEST_OF_CHOOSING, 2 * self._shapes.terms.width):
            return False
        return self._regret(history) <= math.log1p(self._question.within) / 3

    def _regret(self, history: History) -> float:
        """Return by how much, in log size, the best family of all is expected to be ahead of that of now."""
        # Of running trials nothing is known: those that end change this by their outcome only.
        posterior = self._chosen_from(history.configurations.values())
        rng = np.random.default_rng([self._bound.plan.search.seed, history.handed_out, 1])
        recipe = self._shapes.terms.best(posterior.mode)
        lost = []
        for _ in range(_DRAWS):
            coefficients = posterior.draw(rng)
            best = self._shapes.terms.best(coefficients)
            lost.append(self._reach(coefficients, recipe) - self._reach(coefficients, best))
        return float(np.mean(lost))

    def _reach(self, coefficients: Array, recipe: Values) -> float:
        """Return the log size from which a recipe works."""
        odds = self._shapes.log_odds(coefficients, recipe)
        return float(self._shapes.logs[self._shapes.first_to_reach(odds, self._level)])

    def _chosen_from(self, tried: Iterable[Tried]) -> RecipePosterior:
        rows, solved, known = [], [], []
        for one in tried:
            wins, trials = one.known(SELECTS)
            if trials:
                rows.append(self._shapes.terms.row(one.values, math.log(one.params) - self._shapes.centre))
                solved.append(float(wins))
                known.append(float(trials))
        width = self._shapes.terms.width
        return RecipePosterior(
            self._shapes.terms, np.array(rows).reshape(-1, width), np.array(solved), np.array(known)
        )

    # Estimating

    def _family_of(self, history: History) -> list[Member] | None:
        """Return the family once it is fixed: from all trials that choose, when they have ended."""
        if self.family is None and history.selecting() == 0:
            begun = any(ESTIMATES in tried.roles.values() for tried in history.configurations.values())
            is_given = len(history.configurations) >= len(self._bound.plan.tried_first)
            if begun or (is_given and self._has_chosen(history)):
                mode = self._chosen_from(history.configurations.values()).mode
                self.family = self._shapes.family(mode, self._factor)
        return self.family

    def _estimating(self, history: History, family: Sequence[Member]) -> Placement | None:
        places = self._open(history, family)
        if not places:
            return None
        seen = self._seen(history, family, running=True)
        posterior = EdgePosterior(self._model, [one for one in seen if one.trials])
        best = best_place(
            posterior, [seen[place] for place in places], [self._means[place] for place in places]
        )
        return history.next_of(family[places[best]].values, ESTIMATES)

    def _open(self, history: History, family: Sequence[Member]) -> list[int]:
        """Return the members that may have another seed."""
        seeds = {number: len(tried.roles) for number, tried in history.configurations.items()}
        numbers = [history.number_of(member.values) for member in family]
        return [place for place, number in enumerate(numbers) if number is None or seeds[number] < MOST_SEEDS]

    def answer(self, history: History) -> CliffAnswer:
        """Return the answer so far; the family must be fixed."""
        family = self.family
        assert family is not None

        def made() -> CliffAnswer:
            seen = [one for one in self._seen(history, family, running=False) if one.trials]
            return CliffAnswer(question=self._question, posterior=EdgePosterior(self._model, seen))

        return self._latest.of(history, made)

    def _seen(self, history: History, family: Sequence[Member], *, running: bool) -> list[Seen]:
        """Return what is known of each member; a seed that runs counts with the chance that it will solve."""
        numbers = [history.number_of(member.values) for member in family]
        tried = [None if number is None else history.configurations[number] for number in numbers]
        found = [
            Seen(member.x, *((0, 0) if one is None else one.known(ESTIMATES)))
            for member, one in zip(family, tried, strict=True)
        ]
        if not running:
            return found
        posterior = EdgePosterior(self._model, [one for one in found if one.trials])
        for place, one in enumerate(tried):
            if one is not None and (more := one.running(ESTIMATES)):
                x, solved, trials = (found[place].x, found[place].solved, found[place].trials)
                found[place] = Seen(x, solved + more * posterior.chance(x), trials + more)
        return found
