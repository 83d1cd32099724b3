"""Effects: each trial goes where the widest interval that is not yet known well enough shrinks most.

A difference is between a change and the baseline, which is in all of them: it gets more seeds, about the
square root of the number of changes times as many. A change gets no more when its difference is known as well
as was asked; the search ends when all are. That depends on how wide intervals are, not on where they lie: to
stop when one leaves zero would make too many leave it.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.files.layout import ESTIMATES
from analysis.questions.effects import EffectsAnswer, Tally, answer_of, change_of
from analysis.statistics.intervals import wilson
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, Placement
from paretune.sampling.strategies.strategy import Latest, Progress
from search_spaces.parts.question import EffectsQuestion
from search_spaces.parts.search import MAX_SEEDS
from search_spaces.plan import Values
from search_spaces.sampling import configuration

FEWEST = 4
"""Seeds that every configuration gets before intervals are compared."""


class EffectsStrategy:
    """Places trials where they tell most of the differences between a baseline and its changes.

    Args:
        bound: the plan, which lists the configurations under ``only`` and names the baseline.
        question: what is asked.
    """

    def __init__(self, bound: BoundPlan, question: EffectsQuestion) -> None:
        self._question = question
        plan = bound.plan
        self._arms: list[Values] = [configuration(plan, given) for given in plan.only]
        self._base = next(place for name, place in plan.named_only.items() if name == question.of)
        named = {place: name for name, place in plan.named_only.items()}
        self._labels = [
            named.get(place) or change_of(values, self._arms[self._base], bound.defaults)
            for place, values in enumerate(self._arms)
        ]
        self._latest: Latest[EffectsAnswer] = Latest()

    def next(self, history: History) -> Placement | None:
        """Return where the next trial goes."""
        counts = self._handed_out(history)
        fewest = min(counts)
        if fewest < FEWEST:
            # All in turn: what a search that is ended early has, it has of all of them.
            return self._seed_of(counts.index(fewest), history)
        answer = self._answer(history)
        places = [place for place in range(len(self._arms)) if place != self._base]
        open_ = [
            place
            for place, effect in zip(places, answer.effects, strict=True)
            if not effect.is_sharp and self._may_grow(history, place)
        ]
        if not open_:
            return None
        spread = [self._variance(history, place) for place in range(len(self._arms))]
        widest = max(open_, key=lambda place: (spread[place], -place))
        gain = spread[widest] / counts[widest]
        of_base = len(open_) * spread[self._base] / counts[self._base]
        is_base = of_base > gain and self._may_grow(history, self._base)
        return self._seed_of(self._base if is_base else widest, history)

    def is_over(self, history: History) -> bool:
        """Tell whether every difference is known as well as was asked, or cannot be."""
        if min(self._handed_out(history)) < FEWEST:
            return False
        places = [place for place in range(len(self._arms)) if place != self._base]
        return all(
            effect.is_sharp or not self._may_grow(history, place)
            for place, effect in zip(places, self._answer(history).effects, strict=True)
        )

    def ended(self, history: History, configuration: int) -> None:
        """The history says it all."""

    def replay(self, history: History, configuration: int) -> None:
        """The history says it all."""

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Begin it anew: its number is its place in the file."""
        if number >= len(self._arms):
            return None
        return Placement(values=self._arms[number], role=ESTIMATES, seed_index=0, number=number)

    def progress(self, history: History) -> Progress:
        """Say how many differences are known."""
        answer = self._answer(history)
        return Progress(
            sentence=answer.sentence,
            is_answered=answer.is_sharp,
            trials_left=answer.trials_left,
            aim=f"to ±{self._question.within:g}",
        )

    def _seed_of(self, place: int, history: History) -> Placement:
        # Configurations are begun in the order of the file, so their numbers are their places.
        tried = history.configurations.get(place)
        return Placement(
            values=self._arms[place],
            role=ESTIMATES,
            seed_index=0 if tried is None else tried.next_seed,
            number=None if tried is None else place,
        )

    def _handed_out(self, history: History) -> list[int]:
        tried = history.configurations
        return [len(tried[place].roles) if place in tried else 0 for place in range(len(self._arms))]

    def _may_grow(self, history: History, place: int) -> bool:
        """Tell whether more seeds of a configuration can tell something: not where all that ended failed."""
        tried = history.configurations[place]
        _, known = tried.known()
        return tried.next_seed < MAX_SEEDS and (known > 0 or tried.running() > 0)

    def _variance(self, history: History, place: int) -> float:
        """Return how uncertain a rate is, as it will be when the seeds that run have ended."""
        tried = history.configurations[place]
        solved, known = tried.known()
        if not known:
            return 1.0
        low, high = wilson(solved, known)
        will_be = known / (known + tried.running())
        return will_be * ((high - low) / 2) ** 2

    def _answer(self, history: History) -> EffectsAnswer:
        def made() -> EffectsAnswer:
            tallies = []
            for place, label in enumerate(self._labels):
                tried = history.configurations.get(place)
                solved, known = (0, 0) if tried is None else tried.known()
                tallies.append(Tally(label=label, solved=solved, known=known))
            return answer_of(self._question, tallies, self._base)

        return self._latest.of(history, made)
