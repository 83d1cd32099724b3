"""A search as a study of Optuna's: a storage that is read from the rows, and that nobody can write to.

There is no second file that could disagree with the rows, be torn by a crash, or fill the disk, and the
search does nothing for it. Of a search that runs, new rows are read when somebody looks. So the study is
there for every search, also for older and published ones.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Sequence
from copy import deepcopy as copied
from dataclasses import dataclass, field
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from analysis.files.layout import TRIALS_FILE
from paretune.errors import InputError
from paretune.plan.binding import BoundPlan
from paretune.record.run_folder import RunFolder
from paretune.record.study.following import Followed
from paretune.record.study.trials import KEYS, Row, attributes_of, learned_study_trials, note_of, study_trial
from paretune.sampling.samplers.study import names_of, space_of
from paretune.sampling.told import directions_of

STUDY_ID = 1
"""Of the search's own study."""
LEARNED_ID = 2
"""Of the study of what it learned from earlier searches, if it did."""

METRIC_NAMES = "study:metric_names"
"""Where Optuna keeps the names of a study's values."""


class ReadOnlyError(InputError):
    """Something that a study made from rows does not do."""


@dataclass
class _Study:
    name: str
    trials: list[FrozenTrial] = field(default_factory=list)
    user: dict[str, Any] = field(default_factory=dict)
    system: dict[str, Any] = field(default_factory=dict)


class RowsStorage(BaseStorage):
    """The study of one search, which has the search's name.

    One trial is one configuration, with the configuration's number.

    Args:
        folder: the search's folder.
        bound: its plan.

    Raises:
        DamagedError: a row cannot be read.
    """

    def __init__(self, folder: RunFolder, bound: BoundPlan) -> None:
        self._bound = bound
        self._space = space_of(bound.plan)
        self._directions = [StudyDirection[way.upper()] for way in directions_of(bound)]
        self._lock = threading.RLock()
        self._rows = Followed(folder.path / TRIALS_FILE, KEYS)
        self._seeds: dict[int, dict[int, Row]] = {}
        user, system = attributes_of(bound, folder.shown)
        system[METRIC_NAMES] = names_of(bound)
        self._studies = {STUDY_ID: _Study(name=folder.name, user=user, system=system)}
        if bound.learned is not None:
            self._studies[LEARNED_ID] = self._learned(folder.name)
        self._read_on()

    def _read_on(self) -> None:
        """Take note of the rows that are new."""
        with self._lock:
            is_other, rows = self._rows.read_on()
            own = self._studies[STUDY_ID]
            if is_other:
                self._seeds.clear()
                own.trials = []
            touched = set()
            for row in rows:
                number = int(row["configuration"])
                self._seeds.setdefault(number, {})[int(row["seed_index"])] = row
                touched.add(number)
            if not touched:
                return
            known = {trial.number: trial for trial in own.trials}
            for number in touched:
                known[number] = study_trial(self._bound, self._space, number, self._seeds[number])
            # Readers of the list before keep theirs.
            own.trials = [known[number] for number in sorted(known)]

    def _learned(self, name: str) -> _Study:
        """Return the study of what the search learned from earlier ones."""
        assert self._bound.learned is not None
        sources = self._bound.learned.sources
        said = "\n\n".join(f"- {source.sentence}" for source in sources)
        return _Study(
            name=f"what {name} learned from {', '.join(source.name for source in sources)}",
            trials=learned_study_trials(self._bound),
            user={"learned from": ", ".join(source.folder for source in sources)},
            system={**note_of(said), METRIC_NAMES: names_of(self._bound)},
        )

    def _of(self, study_id: int) -> _Study:
        if study_id not in self._studies:
            raise KeyError(f"there is no study {study_id}")
        return self._studies[study_id]

    # Studies

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the number of the study of this name."""
        for number, study in self._studies.items():
            if study.name == study_name:
                return number
        raise KeyError(f"there is no study {study_name!r}")

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the name of the study."""
        return self._of(study_id).name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return which way each value is better."""
        self._of(study_id)
        return list(self._directions)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return what is told of the search."""
        return dict(self._of(study_id).user)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the names of the values, and the page's note."""
        return dict(self._of(study_id).system)

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return the search's study, and that of what it learned from, if there is one."""
        return [
            FrozenStudy(
                study_name=study.name,
                direction=None,
                directions=list(self._directions),
                user_attrs=dict(study.user),
                system_attrs=dict(study.system),
                study_id=number,
            )
            for number, study in self._studies.items()
        ]

    # Trials

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return the trial with this number of its own."""
        self._read_on()
        for study in self._studies.values():
            for trial in study.trials:
                if trial._trial_id == trial_id:
                    return trial
        raise KeyError(f"there is no trial {trial_id}")

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials that the rows hold now."""
        self._of(study_id)
        self._read_on()
        trials = self._of(study_id).trials
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copied(trials) if deepcopy else list(trials)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best feasible trial; where none is feasible, the one that is nearest to it.

        Optuna's own would take the smallest infeasible one for the best.
        """
        complete = self.get_all_trials(study_id, deepcopy=False, states=(TrialState.COMPLETE,))
        if not complete:
            raise ValueError("No trials are completed yet.")
        sign = -1.0 if self._directions[0] == StudyDirection.MAXIMIZE else 1.0
        return min(complete, key=lambda trial: (violation_of(trial), sign * float(trial.values[0])))

    # Nothing can be written

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Refuse."""
        self._refuse()

    def delete_study(self, study_id: int) -> None:
        """Refuse."""
        self._refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refuse."""
        self._refuse()

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refuse."""
        self._refuse()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Refuse."""
        self._refuse()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Refuse."""
        self._refuse()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Refuse."""
        self._refuse()

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Refuse."""
        self._refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refuse."""
        self._refuse()

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ReadOnlyError(
            "this study is made from the rows of a search, and can only be read; to go on from it, add its "
            "trials to a study of your own: optuna.create_study(...).add_trials(study.trials)"
        )


def violation_of(trial: FrozenTrial) -> float:
    """Return how far a trial is from being feasible; 0 if it is."""
    return sum(max(0.0, value) for value in trial.constraints.values())
