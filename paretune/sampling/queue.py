"""From configurations to trials: every configuration with all of its seeds, and back to the sampler.

In-process and free of Ray: the Tune searcher is a thin adapter around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.layout import TrialEnding
from paretune.plan.binding import BoundPlan
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer
from search_spaces.plan import Values


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One trial: a configuration, a seed, and where to go on from if it was begun before."""

    label: str
    configuration: int
    seed_index: int
    seed: int
    values: Values
    params: int
    resume_from: str | None = None

    @staticmethod
    def label_of(configuration: int, seed_index: int) -> str:
        """Return the trial's name, such as ``c012-s0``."""
        return f"c{configuration:03d}-s{seed_index}"


@dataclass(frozen=True, kw_only=True)
class PastTrial:
    """A trial that an earlier session of the same search began."""

    spec: TrialSpec
    outcome: SeedOutcome | None
    """None if it is still to be ended, or to be run again."""


class TrialQueue:
    """Hands out the trials of a plan and tells the sampler when a configuration is complete."""

    def __init__(self, bound: BoundPlan, past: list[PastTrial] | None = None) -> None:
        self._bound = bound
        self._proposer = Proposer(bound)
        self._waiting: list[TrialSpec] = []
        self._running: dict[str, TrialSpec] = {}
        self._outcomes: dict[int, list[SeedOutcome]] = {}
        self._configurations = 0
        self._exhausted = False
        self._take_over(past or [])

    @property
    def running(self) -> int:
        """How many trials were handed out and have not ended."""
        return len(self._running)

    @property
    def exhausted(self) -> bool:
        """True when no trial is left to hand out."""
        return not self._waiting and (
            self._exhausted or self._configurations >= self._bound.plan.configurations
        )

    def next(self) -> TrialSpec | None:
        """Return the next trial, or None when all have been handed out."""
        if not self._waiting and not self.exhausted:
            proposal = self._proposer.propose()
            if proposal is None:
                self._exhausted = True
                return None
            self._configurations += 1
            self._waiting = self._all_seeds(proposal.number, proposal.values)
        if not self._waiting:
            return None
        spec = self._waiting.pop(0)
        self._running[spec.label] = spec
        return spec

    def ended(self, label: str, outcome: SeedOutcome) -> None:
        """Take note of how a trial ended; with a configuration's last seed the sampler is told."""
        spec = self._running.pop(label)
        outcomes = self._outcomes.setdefault(spec.configuration, [])
        outcomes.append(outcome)
        if len(outcomes) == self._bound.plan.search.seeds:
            self._proposer.tell(spec.configuration, outcomes)

    def _all_seeds(self, configuration: int, values: Values) -> list[TrialSpec]:
        params = self._bound.params(values)
        return [
            TrialSpec(
                label=TrialSpec.label_of(configuration, index),
                configuration=configuration,
                seed_index=index,
                seed=self._bound.plan.trial_seed(index),
                values=values,
                params=params,
            )
            for index in range(self._bound.plan.search.seeds)
        ]

    def _take_over(self, past: list[PastTrial]) -> None:
        by_configuration: dict[int, list[PastTrial]] = {}
        for trial in past:
            by_configuration.setdefault(trial.spec.configuration, []).append(trial)
        for number in sorted(by_configuration):
            begun = {trial.spec.seed_index: trial for trial in by_configuration[number]}
            values = next(iter(begun.values())).spec.values
            self._proposer.replay(number, values)
            self._configurations += 1
            for spec in self._all_seeds(number, values):
                earlier = begun.get(spec.seed_index)
                if earlier is not None and earlier.outcome is not None:
                    self._running[spec.label] = spec
                    self.ended(spec.label, earlier.outcome)
                else:
                    resume_from = None if earlier is None else earlier.spec.resume_from
                    self._waiting.append(replace(spec, resume_from=resume_from))


def outcome_of(ending: TrialEnding, row: Mapping[str, Any], metrics: set[str]) -> SeedOutcome:
    """Return a trial's outcome from its last row or result, which may hold much else."""
    known = {
        name: float(row[name])
        for name in metrics
        if isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool)
    }
    return SeedOutcome(ending=ending, step=int(row.get("step") or 0), metrics=known)
