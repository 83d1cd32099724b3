"""The sampler chooses configurations, and their seeds race: more for those that are undecided and matter."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paretune.plan.binding import PARAMS, BoundPlan
from paretune.plan.samplers import told_objectives
from paretune.sampling.history import History, Placement, Tried
from paretune.sampling.outcomes import objective_values
from paretune.sampling.proposals import Proposer
from paretune.sampling.strategies.race import Costs, Race, Runner
from paretune.sampling.strategies.strategy import Progress
from search_spaces.parts.search import RacingSeeds
from search_spaces.plan import Values


class Racing:
    """Tries the configurations that a sampler proposes, a few seeds first; then seeds go where they decide.

    A configuration whose first seeds are not worse than even, and that is cheaper than what was found to
    solve more often than not, goes first; then new configurations; when there are no more of these, what was
    left behind. The sampler is told of a configuration once: when it is decided, or left behind.

    Args:
        bound: the plan.
        rule: how seeds race; that of the plan if None.
        costs: what a configuration costs; the plan's cost objectives, or the parameter count, if None.
    """

    def __init__(self, bound: BoundPlan, rule: RacingSeeds | None = None, costs: Costs | None = None) -> None:
        rule = bound.plan.search.race if rule is None else rule
        assert rule is not None
        self._bound = bound
        self._first = rule.first
        self.race = Race(rule, plan_costs(bound) if costs is None else costs)
        self._proposer = Proposer(bound)
        self._begun: list[int] = []
        self._untold: set[int] = set()
        self._exhausted = False

    def next(self, history: History, *, may_begin: bool = True) -> Placement | None:
        """Return the next seed of one at hand, or of one that is undecided, or the first of a new one.

        Args:
            history: what was handed out.
            may_begin: whether a new configuration, or one that waits, may be next.
        """
        while self._begun:
            tried = history.configurations[self._begun[0]]
            if tried.next_seed < self._first:
                return _next_of(tried)
            self._begun.pop(0)
        runners = self.race.runners(history)
        racing = self._first_with_room(self.race.candidates(runners))
        if racing is not None or not may_begin:
            return racing
        if self._may_begin(history):
            proposal = self._proposer.propose()
            if proposal is not None:
                self._begun.append(proposal.number)
                self._untold.add(proposal.number)
                return Placement(values=proposal.values, seed_index=0)
            self._exhausted = True
        return self._first_with_room(self.race.candidates(runners, waiting=True))

    def is_over(self, history: History) -> bool:
        """Tell whether nothing new is to come and no seed could decide anything any more."""
        if self._may_begin(history) or any(tried.running() for tried in history.configurations.values()):
            return False
        if any(tried.next_seed < self._first for tried in history.configurations.values()):
            return False
        runners = self.race.runners(history)
        return not any(self.race.candidates(runners, waiting=waiting) for waiting in (False, True))

    def ended(self, history: History, configuration: int) -> None:
        """Tell the sampler of every configuration that was decided, or is left behind."""
        racing: set[int] | None = None
        if configuration not in self._untold:
            # The proposer wants it only where a paused seed left something open.
            known = history.configurations[configuration].outcomes
            self._proposer.tell(configuration, [known[index] for index in sorted(known)])
        for number in sorted(self._untold):
            tried = history.configurations[number]
            outcomes = self.race.deciding(tried)
            if outcomes is None and not tried.running() and tried.next_seed >= self._first:
                if racing is None:
                    found = self.race.candidates(self.race.runners(history))
                    racing = {runner.tried.number for runner in found}
                if number not in racing:
                    outcomes = [tried.outcomes[index] for index in sorted(tried.outcomes)]
            if outcomes is not None:
                self._proposer.tell(number, outcomes)
                self._untold.remove(number)

    def replay(self, history: History, configuration: int) -> None:
        """Take over a configuration as if just proposed."""
        self._proposer.replay(configuration, history.configurations[configuration].values)
        self._begun.append(configuration)
        self._untold.add(configuration)

    def recover(self, history: History, number: int, known: Sequence[Values]) -> Placement | None:
        """Let the sampler propose it anew."""
        proposal = self._proposer.recover(number, known)
        if proposal is None:
            return None
        self._begun.append(number)
        self._untold.add(number)
        return Placement(values=proposal.values, seed_index=0, number=number)

    def progress(self, history: History) -> Progress | None:
        """Nothing was asked."""
        return None

    def _may_begin(self, history: History) -> bool:
        plan = self._bound.plan
        return (
            not self._exhausted
            and len(history.configurations) < self._most_configurations
            and history.handed_out + self._first <= plan.trials
        )

    @property
    def _most_configurations(self) -> int:
        plan = self._bound.plan
        return len(plan.only) or plan.configurations

    def _first_with_room(self, candidates: Sequence[Runner]) -> Placement | None:
        for runner in candidates:
            if self.race.has_room(runner):
                return _next_of(runner.tried)
        return None


def plan_costs(bound: BoundPlan) -> Costs:
    """Return what a configuration costs by a plan's cost objectives; by the parameter count without one."""
    metrics = bound.metrics
    names = [o.metric for o in bound.plan.objectives if metrics[o.metric].is_cost] or [PARAMS.name]
    if names == [PARAMS.name]:
        return lambda tried: (float(tried.params),)
    told = [objective.metric for objective in told_objectives(bound.plan, bound.task)]

    def costs(tried: Tried) -> Sequence[float]:
        values = objective_values(bound, list(tried.outcomes.values()), tried.params)
        known = {} if values is None else dict(zip(told, values, strict=True))
        return tuple(known.get(name, math.inf) for name in names)

    return costs


def _next_of(tried: Tried) -> Placement:
    return Placement(values=tried.values, seed_index=tried.next_seed, number=tried.number)
