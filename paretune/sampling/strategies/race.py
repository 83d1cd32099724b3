"""Seeds that race: which configuration gets another seed, and what is decided of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from analysis.files.layout import TrialEnding
from analysis.outcomes import SAYS_OUTCOME
from analysis.questions.sequential import Verdict, verdict
from paretune.sampling.history import History, Tried
from paretune.sampling.outcomes import SeedOutcome
from search_spaces.parts.search import RacingSeeds

Costs = Callable[[Tried], Sequence[float]]
"""What a configuration costs: the first cost orders, all of them decide what is dominated."""


@dataclass(frozen=True)
class Runner:
    """A configuration in a race, by what has ended of it."""

    tried: Tried
    verdict: Verdict
    costs: Sequence[float]
    solved: int
    ended: int

    @property
    def is_promising(self) -> bool:
        """Whether at least half of its seeds solved. Of those that early stopping ended nothing is known:
        they are no reason to go on with it."""
        return self.ended > 0 and 2 * self.solved >= self.ended


class Race:
    """Looks at the configurations of a history as runners.

    Args:
        rule: how seeds race.
        costs: what a configuration costs.
    """

    def __init__(self, rule: RacingSeeds, costs: Costs) -> None:
        self._rule = rule
        self._costs = costs

    def runners(self, history: History) -> list[Runner]:
        """Return the configurations all of whose first seeds have ended, in the order of their numbers."""
        return [
            self._runner(tried)
            for _, tried in sorted(history.configurations.items())
            if self._has_begun(tried)
        ]

    def candidates(self, runners: Sequence[Runner], *, waiting: bool = False) -> list[Runner]:
        """Return those that may have another seed now, the one first whose turn it is.

        These are the undecided ones that matter: not dominated by one that was found to solve more often than
        not. Of them the promising ones, the cheapest first; or those that wait, the most successful first.

        Args:
            runners: all.
            waiting: whether those that wait are meant.
        """
        accepted = [runner.costs for runner in runners if runner.verdict == Verdict.MORE]
        found = [
            runner
            for runner in runners
            if self._is_open(runner)
            and runner.is_promising != waiting
            and not (waiting and not self._is_known(runner))
            and not any(_dominates(costs, runner.costs) for costs in accepted)
        ]
        return sorted(found, key=_turn_of_waiting if waiting else _turn)

    def has_room(self, runner: Runner) -> bool:
        """Tell whether one more of its seeds can be needed, whatever becomes of those that run."""
        tried = runner.tried
        if tried.next_seed >= self._rule.to:
            return False
        ahead = sum(1 if solved else -1 for solved in _known(tried))
        return tried.running() < self._rule.lead - abs(ahead)

    def deciding(self, tried: Tried) -> list[SeedOutcome] | None:
        """Return the outcomes by which a configuration was decided, or left behind; None while it may go on.

        They are the fewest first seeds that did so: a seed that was under way already, or that came when
        nothing better was left, is not among them.
        """
        outcomes: list[SeedOutcome] = []
        for index in range(tried.next_seed):
            if index not in tried.outcomes:
                return None
            outcomes.append(tried.outcomes[index])
            if len(outcomes) < self._rule.first:
                continue
            solved = sum(outcome.ending == TrialEnding.SOLVED for outcome in outcomes)
            known = [o.ending == TrialEnding.SOLVED for o in outcomes if o.ending in SAYS_OUTCOME]
            if 2 * solved < len(outcomes) or verdict(known, self._rule.lead) != Verdict.OPEN:
                return outcomes
        return outcomes if len(outcomes) >= self._rule.to else None

    def _has_begun(self, tried: Tried) -> bool:
        return all(index in tried.outcomes for index in range(self._rule.first))

    def _runner(self, tried: Tried) -> Runner:
        return Runner(
            tried=tried,
            verdict=verdict(_known(tried), self._rule.lead),
            costs=self._costs(tried),
            solved=sum(outcome.ending == TrialEnding.SOLVED for outcome in tried.outcomes.values()),
            ended=len(tried.outcomes),
        )

    def _is_open(self, runner: Runner) -> bool:
        return runner.verdict == Verdict.OPEN and runner.tried.next_seed < self._rule.to

    @staticmethod
    def _is_known(runner: Runner) -> bool:
        """Tell whether the outcomes of most of its seeds are known: more of them would tell something."""
        return 2 * sum(1 for _ in _known(runner.tried)) > runner.ended


def _known(tried: Tried) -> Iterator[bool]:
    """Yield whether each seed with a known outcome solved, up to the first that still runs."""
    for index in range(tried.next_seed):
        if index not in tried.outcomes:
            return
        ending = tried.outcomes[index].ending
        if ending in SAYS_OUTCOME:
            yield ending == TrialEnding.SOLVED


def _turn(runner: Runner) -> tuple[float, ...]:
    return (*runner.costs, runner.tried.number)


def _turn_of_waiting(runner: Runner) -> tuple[float, ...]:
    return (-runner.solved / max(runner.ended, 1), *_turn(runner))


def _dominates(costs: Sequence[float], others: Sequence[float]) -> bool:
    pairs = [(a, b) for a, b in zip(costs, others, strict=True) if not math.isnan(a) and not math.isnan(b)]
    return bool(pairs) and all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
