"""The trials of a search, one after the other: what a strategy places, and what an earlier session left over.

In-process and free of Ray: the Tune searcher is a thin adapter around it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.files.layout import TRIALS_FILE, DamagedError, TrialEnding
from analysis.text import plural
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import History, PastTrial, Placement, TrialSpec
from paretune.sampling.outcomes import SeedOutcome, is_out_of_memory
from paretune.sampling.strategies import Progress, strategy_of

_MAY_BE_LOST = 100
"""Beside as many as are known, so many trials may be missing in the rows of a search that is resumed."""


class TrialQueue:
    """Hands out the trials of a plan, and tells its strategy how they ended.

    Args:
        bound: the plan.
        past: the trials of earlier sessions, in the order in which they were handed out.
    """

    def __init__(self, bound: BoundPlan, past: list[PastTrial] | None = None) -> None:
        self._bound = bound
        self.history = History()
        self.strategy = strategy_of(bound)
        self._left_over: list[TrialSpec] = []
        self._put_back: list[TrialSpec] = []
        self._running: dict[str, TrialSpec] = {}
        self._paused: dict[str, TrialSpec] = {}
        self._most = bound.plan.trials
        self._take_over(past or [])

    @property
    def running(self) -> int:
        """How many trials were handed out and have not ended."""
        return len(self._running)

    @property
    def taken(self) -> int:
        """How many trials run, or ran when the last session ended and come before any other."""
        return len(self._running) + len(self._left_over)

    @property
    def running_labels(self) -> Collection[str]:
        """The trials that run, by their labels."""
        return self._running.keys()

    @property
    def paused(self) -> Mapping[str, TrialSpec]:
        """The trials that wait, by label."""
        return self._paused

    @property
    def exhausted(self) -> bool:
        """True when no trial is left to hand out.

        Those that run may change that: an answer that was sharp enough without them need not be with them.
        """
        if self._left_over or self._put_back:
            return False
        if self.history.handed_out >= self._most:
            return True
        return not self._running and self.strategy.is_over(self.history)

    @property
    def progress(self) -> Progress | None:
        """How far the plan's question is answered; None if it has none."""
        return self.strategy.progress(self.history)

    def next(self) -> TrialSpec | None:
        """Return the next trial, or None if there is none now: either none is left, see :attr:`exhausted`,
        or the strategy waits for one that runs."""
        if self._put_back:
            spec = self._put_back.pop()
        elif self._left_over:
            spec = self._left_over.pop(0)
        else:
            is_over = self.history.handed_out >= self._most or self.strategy.is_over(self.history)
            placement = None if is_over else self.strategy.next(self.history)
            if placement is None:
                return None
            spec = self._spec_of(placement)
            self.history.note(spec)
        self._running[spec.label] = spec
        return spec

    def put_back(self, label: str, resume_from: str | None = None) -> None:
        """Take back a trial that was handed out and cannot begin, or go on, now; it is the next again.

        Args:
            label: the trial's.
            resume_from: the folder of its newest checkpoint, if it has saved one since it was handed out.
        """
        spec = self._running.pop(label)
        self._put_back.append(spec if resume_from is None else replace(spec, resume_from=resume_from))

    def ended(self, label: str, outcome: SeedOutcome) -> None:
        """Take note of how a trial ended."""
        self._note_end(self._running.pop(label), outcome)

    def pauses(self, label: str, outcome: SeedOutcome) -> None:
        """Take note that a trial waits. What it has come to counts as its end until it has one."""
        spec = self._paused[label] = self._running.pop(label)
        self._note_end(spec, outcome)

    def goes_on(self, label: str) -> TrialSpec:
        """Take note that a paused trial runs again, and return it."""
        spec = self._running[label] = self._paused.pop(label)
        return spec

    def leaves(self, label: str) -> None:
        """Take note that a paused trial does not wait any more, since the search is over."""
        del self._paused[label]

    def _note_end(self, spec: TrialSpec, outcome: SeedOutcome) -> None:
        self.history.note_end(spec, outcome)
        self.strategy.ended(self.history, spec.configuration)

    def _spec_of(self, placement: Placement) -> TrialSpec:
        number = placement.number
        if number is None:
            # Of those that were lost, some numbers may stay free.
            number = max(self.history.configurations, default=-1) + 1
        return TrialSpec(
            label=TrialSpec.label_of(number, placement.seed_index),
            configuration=number,
            seed_index=placement.seed_index,
            seed=self._bound.plan.trial_seed(placement.seed_index),
            values=placement.values,
            params=self._bound.params(placement.values),
            role=placement.role,
        )

    def _take_over(self, past: list[PastTrial]) -> None:
        """Bring the history, and the strategy, to where the earlier sessions left them."""
        self._paused = {trial.spec.label: trial.spec for trial in past if trial.paused_with is not None}
        self._left_over = [
            trial.spec for trial in past if trial.outcome is None and trial.paused_with is None
        ]
        by_configuration: dict[int, list[PastTrial]] = {}
        for trial in sorted(past, key=lambda trial: (trial.spec.configuration, trial.spec.seed_index)):
            by_configuration.setdefault(trial.spec.configuration, []).append(trial)
        lost = lost_trials([trial.spec for trial in past])
        again: list[TrialSpec] = []
        for number in range(max(by_configuration, default=-1) + 1):
            trials = by_configuration.get(number, [])
            if not trials:
                known = [each[0].spec.values for each in by_configuration.values()]
                placement = self.strategy.recover(self.history, number, known)
                if placement is not None:
                    again.append(self._spec_of(placement))
                    self.history.note(again[-1])
                continue
            for trial in trials:
                self.history.note(trial.spec)
            for index in lost.get(number, ()):
                again.append(self._seed_of(trials, index))
                self.history.note(again[-1])
            self.strategy.replay(self.history, number)
            for trial in trials:
                outcome = trial.outcome or trial.paused_with
                if outcome is not None:
                    self._note_end(trial.spec, outcome)
        self._left_over = [*again, *self._left_over]

    def _seed_of(self, others: Sequence[PastTrial], index: int) -> TrialSpec:
        """Return a trial whose rows are lost, as the others of its configuration tell it."""
        before = [trial.spec for trial in others if trial.spec.seed_index < index]
        like = before[-1] if before else others[0].spec
        return self._spec_of(
            Placement(values=like.values, role=like.role, seed_index=index, number=like.configuration)
        )


def lost_trials(known: Iterable[TrialSpec]) -> dict[int, list[int]]:
    """Return the seeds of each configuration that must have been handed out, and are not known.

    Numbers of configurations and of their seeds have no gaps. A configuration of which nothing is known is
    there with an empty list.

    Raises:
        DamagedError: so much is missing that the rest says little about the search.
    """
    seeds: dict[int, set[int]] = {}
    count = 0
    for spec in known:
        seeds.setdefault(spec.configuration, set()).add(spec.seed_index)
        count += 1
    missing = max(seeds, default=-1) + 1 - len(seeds) + sum(max(i) + 1 - len(i) for i in seeds.values())
    if missing > count + _MAY_BE_LOST:
        raise DamagedError(
            f"{TRIALS_FILE} has rows of {plural(count, 'trial')}, and those of at least {missing:,} are "
            "missing; restore it from a copy of the search's folder"
        )
    found: dict[int, list[int]] = {}
    for number in range(max(seeds, default=-1) + 1):
        there = seeds.get(number, set())
        gaps = sorted(set(range(max(there, default=-1))) - there)
        if gaps or not there:
            found[number] = gaps
    return found


def outcome_of(ending: TrialEnding, row: Mapping[str, Any], metrics: set[str]) -> SeedOutcome:
    """Return a trial's outcome from its last row or result, which may hold much else."""
    known = {
        name: float(row[name])
        for name in metrics
        if isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool)
    }
    return SeedOutcome(
        ending=ending,
        step=int(row.get("step") or 0),
        metrics=known,
        out_of_memory=ending == TrialEnding.FAILED and is_out_of_memory(row.get("error")),
    )
