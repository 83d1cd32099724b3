"""Which configuration to try next: Optuna's samplers behind one small door, without Ray.

Optuna is asked for a configuration and told how it went. What may not be trained, or has been
tried before, is never handed out and never enters the sampler's model.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import TrialState
from pydantic import JsonValue

from analysis.files.layout import TrialEnding
from paretune.plan.binding import PARAMS, BoundPlan, canonical
from paretune.plan.samplers import told_objectives
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.samplers.encoding import Scalar, decode, encode, suggest
from paretune.sampling.samplers.making import SamplerOfNumber
from paretune.sampling.samplers.study import PROVISIONAL, learned_trials, revise
from paretune.sampling.told import Told, directions_of, told_of
from search_spaces.dimensions import AnyDimension, FloatRange
from search_spaces.plan import Values
from search_spaces.sampling import complete, configuration, fill

_DRAWS_BEFORE_GIVING_UP = 20_000
"""How many uniform draws in a row must fail before the space counts as exhausted."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A configuration to train; ``number`` counts from 0."""

    number: int
    values: Values


class Proposer:
    """Hands out the configurations of a plan, one after the other, and learns from how they ended."""

    def __init__(self, bound: BoundPlan) -> None:
        self._bound = bound
        self._plan = bound.plan
        self._tried: set[str] = set()
        self._explicit = list(self._plan.only or self._plan.tried_first.values())
        self._asked: dict[int, optuna.Trial] = {}
        rule = bound.plan.early_stopping
        self._pauses = rule is not None and rule.below_cut == "pause"
        self._provisional: set[int] = set()
        self._feasible: set[int] = set()
        self._next_number = 0
        self._study = optuna.create_study(
            directions=directions_of(bound), sampler=optuna.samplers.RandomSampler()
        )
        self._study.add_trials(learned_trials(bound))
        self._samplers = (
            SamplerOfNumber(self._plan, self._cost if self._is_about_size else None)
            if self._plan.space
            else None
        )

    def propose(self) -> Proposal | None:
        """Return the next configuration, or None when there is nothing left to try."""
        self._begin()
        while self._explicit:
            given = self._explicit.pop(0)
            if self._plan.only:
                return self._accept(configuration(self._plan, given), None)
            found = self._ask_around(given)
            if found is not None:
                return self._accept(*found)
        if self._plan.only:
            return None
        found = self._ask_around({})
        return None if found is None else self._accept(*found)

    def tell(self, number: int, outcomes: Sequence[SeedOutcome]) -> None:
        """Report how all seeds of a configuration ended; :mod:`paretune.sampling.told` says what is told.

        Where trials are paused, a configuration of which early stopping ended a seed is reported once more
        when that seed has gone on and ended.
        """
        trial = self._asked.pop(number, None)
        if trial is None:  # from an explicit list, which needs no sampler; or reported for good
            return
        searched = _values_of(trial, self._bound)
        told = told_of(self._bound, outcomes, searched, self._bound.params(searched))
        is_provisional = self._pauses and any(o.ending == TrialEnding.STOPPED_EARLY for o in outcomes)
        if number in self._provisional:
            revise(self._study, trial.number, told, is_provisional=is_provisional)
        else:
            self._tell(trial, told, is_provisional=is_provisional)
        if is_provisional:
            self._asked[number] = trial
            self._provisional.add(number)
        is_feasible = told.violation == 0 and told.values is not None
        if is_feasible and number not in self._feasible and self._samplers is not None:
            assert told.values is not None
            self._samplers.found(told.values[0])
            self._feasible.add(number)

    def _tell(self, trial: optuna.Trial, told: Told, *, is_provisional: bool) -> None:
        if is_provisional:
            trial.set_user_attr(PROVISIONAL, True)
        if told.violation is not None:
            trial.set_constraint("feasible", told.violation)
        trial.set_user_attr("reason", told.reason)
        if told.came_to is not None:
            assert told.values is not None
            trial.report(told.values[0], told.came_to)
        # Of a pruned trial, Optuna takes the value from its report.
        self._study.tell(trial, told.values if told.state == TrialState.COMPLETE else None, state=told.state)

    def replay(self, number: int, values: Values) -> None:
        """Take over a configuration that an earlier session handed out, as if just proposed.

        Configurations must come in the order of their numbers.
        """
        assert number == self._next_number, f"expected configuration {self._next_number}, got {number}"
        given = self._explicit.pop(0) if self._explicit else {}
        if self._plan.only:
            self._accept(values, None)
            return
        self._accept(*self._ask_again(values, given))

    def recover(self, number: int, others: Iterable[Values]) -> Proposal | None:
        """Propose a configuration anew whose rows are lost; called in its place among :meth:`replay`.

        A sampler that needs no results proposes the same as before, as a list does; others may not.

        Args:
            number: its number.
            others: the configurations that are known, none of which it is to be.

        Returns:
            None if there is no other; its number then stays free.
        """
        assert number == self._next_number, f"expected configuration {self._next_number}, got {number}"
        if not self._plan.only:
            self._tried.update(map(canonical, others))
        proposal = self.propose()
        if proposal is None:
            self._next_number += 1
        return proposal

    def _begin(self) -> None:
        """Draw for the configuration that is next as any session of the search would."""
        if self._samplers is not None:
            self._study.sampler = self._samplers.of(self._next_number)
            self._rng = random.Random(self._samplers.seed_of(self._next_number))

    def _ask_again(self, values: Values, given: Values) -> tuple[Values, optuna.Trial]:
        """Put a configuration into the study that an earlier session handed out."""
        assert self._samplers is not None
        searched = {name: value for name, value in values.items() if name in self._plan.space}
        if self._samplers.needs_only_results:
            self._study.sampler = optuna.samplers.RandomSampler()
            return self._ask(searched)
        # The sampler notes in the study what it has proposed, so it is asked again. Where trials ended in
        # another order than configurations were proposed, it can answer something else.
        self._begin()
        found = self._ask_around(given)
        if found is not None:
            if canonical(found[0]) == canonical(values):
                return found
            self._study.tell(found[1], state=TrialState.FAIL)
        return self._ask(searched)

    @property
    def _is_about_size(self) -> bool:
        """Whether the sampler is to make the parameter count small, and nothing else."""
        names = [objective.metric for objective in told_objectives(self._plan, self._bound.task)]
        conditional = any(dimension.when is not None for dimension in self._plan.space.values())
        return names == [PARAMS.name] and self._plan.target is not None and not conditional

    def _cost(self, params: Mapping[str, Scalar]) -> int | None:
        """Return the parameter count of a configuration that may be trained, and was not; None of others."""

        def given(name: str, dimension: AnyDimension) -> JsonValue:
            value = decode(dimension, params[name])
            return dimension.snap(float(str(value))) if isinstance(dimension, FloatRange) else value

        values = complete(self._plan, given)
        return None if canonical(values) in self._tried else self._bound.trained_params(values)

    def _accept(self, values: Values, trial: optuna.Trial | None) -> Proposal:
        proposal = Proposal(number=self._next_number, values=values)
        if trial is not None:
            self._asked[proposal.number] = trial
        self._tried.add(canonical(values))
        self._next_number += 1
        return proposal

    def _ask_around(self, given: Values) -> tuple[Values, optuna.Trial] | None:
        """Ask the sampler until it proposes something trainable and new, then draw, then give up."""
        assert self._samplers is not None
        for _ in range(self._samplers.most_refusals):
            values, trial = self._ask(given)
            if self._may_train(values):
                return values, trial
            # Failed trials are invisible to the samplers: a refusal teaches and costs them nothing.
            self._study.tell(trial, state=TrialState.FAIL)
        for _ in range(_DRAWS_BEFORE_GIVING_UP):
            values = fill(self._plan, given, self._rng)
            if self._may_train(values):
                return self._ask({name: values[name] for name in values if name in self._plan.space})
        return None

    def _ask(self, given: Values) -> tuple[Values, optuna.Trial]:
        if given:
            encoded = {name: encode(self._plan.space[name], value) for name, value in given.items()}
            self._study.enqueue_trial(encoded)
        trial = self._study.ask()
        return complete(self._plan, lambda name, dimension: suggest(trial, name, dimension)), trial

    def _may_train(self, values: Values) -> bool:
        return canonical(values) not in self._tried and self._bound.refusal(values) is None


def _values_of(trial: optuna.Trial, bound: BoundPlan) -> Values:
    decoded = {name: decode(bound.plan.space[name], value) for name, value in trial.params.items()}
    return configuration(bound.plan, decoded)
