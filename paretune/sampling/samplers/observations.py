"""What a study's trials were told, in arrays that grow with it, and which of them are the good ones."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers._tpe.sampler import (
    _get_infeasible_trial_score,
    _get_pruned_trial_score,
    _split_complete_trials_multi_objective,
)
from optuna.search_space.group_decomposed import _SearchSpaceGroup
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from paretune.sampling.samplers.study import PROVISIONAL

_COMPLETE, _PRUNED, _INFEASIBLE = range(3)

_Standing = tuple[int, float, float, int]
"""Where a finished trial stands, the best first: its kind, two values to compare, and its number."""


class Observations:
    """The trials of one study that finished or are running; failed ones are left out."""

    def __init__(self) -> None:
        self.running: list[FrozenTrial] = []
        self.groups = _SearchSpaceGroup()
        """The parameters that occur together in finished trials."""
        self._seen = 0
        self._standings: list[_Standing] = []  # sorted
        self._complete: list[FrozenTrial] = []  # the feasible ones, by number; kept for several objectives
        self._known_groups: set[frozenset[str]] = set()
        self._row_of: dict[int, int] = {}
        self._column_of: dict[str, int] = {}
        self._table = np.empty((0, 0))
        self._provisional: dict[int, _Standing] = {}
        """Trials that may be told of once more, with how they stand."""

    @property
    def finished(self) -> int:
        """How many trials have finished."""
        return len(self._standings)

    def update(self, study: Study) -> None:
        """Take note of what has begun and ended since the last call, and of what was told of once more."""
        trials = study.get_trials(deepcopy=False)
        for number, standing in list(self._provisional.items()):
            trial = trials[number]
            if _standing_of(study, trial) != standing:
                self._withdraw(number, standing)
                if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                    self._finish(study, trial)
            elif PROVISIONAL not in trial.user_attrs:
                del self._provisional[number]
        known = [trials[trial.number] for trial in self.running] + trials[self._seen :]
        self._seen = len(trials)
        self.running = [trial for trial in known if trial.state == TrialState.RUNNING]
        for trial in known:
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
                self._finish(study, trial)

    def split(self, study: Study, good: int) -> tuple[list[int], list[int]]:
        """Return the numbers of so many good finished trials, and of the others, each in rising order."""
        if study._is_multi_objective():
            front, _ = _split_complete_trials_multi_objective(
                self._complete, study, min(good, len(self._complete))
            )
            below = [trial.number for trial in front]
            others = self._standings[len(self._complete) :]
            below += [number for *_, number in others[: good - len(below)]]
        else:
            below = [number for *_, number in self._standings[:good]]
        is_good = set(below)
        return sorted(below), sorted(number for *_, number in self._standings if number not in is_good)

    def note(self, number: int, params: dict[str, Any], distributions: dict[str, BaseDistribution]) -> None:
        """Write down the parameters of a trial, in place of what was noted of it before."""
        row = self._row_of.setdefault(number, len(self._row_of))
        for name in params:
            self._column_of.setdefault(name, len(self._column_of))
        rows, width = self._table.shape
        if row >= rows or len(self._column_of) > width:
            grown = np.full((2 * max(row, 32) if row >= rows else rows, len(self._column_of)), np.nan)
            grown[:rows, :width] = self._table
            self._table = grown
        self._table[row] = np.nan
        for name, value in params.items():
            if name in distributions:
                self._table[row, self._column_of[name]] = distributions[name].to_internal_repr(value)

    def columns(self, numbers: Sequence[int], names: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """Return the values of those of the trials that have all of these parameters, one column for each."""
        if not all(name in self._column_of for name in names):
            return {name: np.empty(0) for name in names}
        rows = np.fromiter((self._row_of[number] for number in numbers), int, len(numbers))
        values = self._table[rows][:, [self._column_of[name] for name in names]]
        values = values[~np.isnan(values).any(axis=1)]
        return dict(zip(names, np.ascontiguousarray(values.T), strict=True))

    def _finish(self, study: Study, trial: FrozenTrial) -> None:
        self.note(trial.number, trial.params, trial.distributions)
        names = frozenset(trial.distributions)
        if names not in self._known_groups:
            self._known_groups.add(names)
            self.groups.add_distributions(trial.distributions)
        standing = _standing_of(study, trial)
        if PROVISIONAL in trial.user_attrs:
            self._provisional[trial.number] = standing
        insort(self._standings, standing)
        if standing[0] == _COMPLETE and study._is_multi_objective():
            insort(self._complete, trial, key=lambda other: other.number)

    def _withdraw(self, number: int, standing: _Standing) -> None:
        del self._provisional[number]
        self._standings.remove(standing)
        self._complete = [trial for trial in self._complete if trial.number != number]


def _standing_of(study: Study, trial: FrozenTrial) -> _Standing:
    violation = _get_infeasible_trial_score(trial)
    if violation > 0:
        return _INFEASIBLE, violation, 0.0, trial.number
    if trial.state == TrialState.PRUNED:
        return _PRUNED, *_get_pruned_trial_score(trial, study), trial.number
    if study._is_multi_objective():
        return _COMPLETE, 0.0, 0.0, trial.number
    value = float(trial.values[0])
    return _COMPLETE, value if study.direction == StudyDirection.MINIMIZE else -value, 0.0, trial.number
