"""The sampler chooses configurations, and each gets all of its seeds."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, Placement
from paretune.sampling.proposals import Proposer
from paretune.sampling.strategies.strategy import Progress
from search_spaces.plan import Values


class Sampled:
    """Tries the configurations that a sampler proposes, and tells it of one when all its seeds have ended.

    Args:
        bound: the plan.
    """

    def __init__(self, bound: BoundPlan) -> None:
        self._plan = bound.plan
        self._seeds = bound.plan.search.first_seeds
        self._proposer = Proposer(bound)
        self._begun: list[int] = []
        self._exhausted = False

    def next(self, history: History) -> Placement | None:
        """Return the next seed of the configuration at hand, or the first of a new one."""
        while self._begun:
            tried = history.configurations[self._begun[0]]
            if tried.next_seed < self._seeds:
                return Placement(values=tried.values, seed_index=tried.next_seed, number=tried.number)
            self._begun.pop(0)
        if len(history.configurations) >= self._plan.configurations:
            return None
        proposal = self._proposer.propose()
        if proposal is None:
            self._exhausted = True
            return None
        self._begun.append(proposal.number)
        return Placement(values=proposal.values, seed_index=0)

    def is_over(self, history: History) -> bool:
        """Tell whether the sampler has nothing new to propose."""
        return self._exhausted

    def ended(self, history: History, configuration: int) -> None:
        """Tell the sampler of a configuration with its last seed."""
        outcomes = history.configurations[configuration].outcomes
        if len(outcomes) == self._seeds:
            self._proposer.tell(configuration, list(outcomes.values()))

    def replay(self, history: History, configuration: int) -> None:
        """Take over a configuration as if just proposed."""
        self._proposer.replay(configuration, history.configurations[configuration].values)
        self._begun.append(configuration)

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Let the sampler propose it anew."""
        proposal = self._proposer.recover(number, known)
        if proposal is None:
            return None
        self._begun.append(number)
        return Placement(values=proposal.values, seed_index=0, number=number)

    def progress(self, history: History) -> Progress | None:
        """Nothing was asked."""
        return None
