"""How long trials take: measured steps, made into whole trials, and corrected by trials that ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paretune.timing.costs import Costly, varied_traits
from paretune.timing.measuring import NOTHING, Measurement
from paretune.timing.regression import Array, Regression

_HANDOVER = 0.1
"""Seconds of handing a trial to a worker that is up, and of taking it back."""

_START = 0.2
"""Seconds of building a model and its first batches, where that was not measured."""

_COMPILING = 3.0
"""Seconds of compiling, where that was not measured."""


_LATEST = 20
"""So many times of compiling count, the latest: how long it takes goes by how busy the machine is."""


@dataclass(frozen=True, kw_only=True)
class TrialTime:
    """What a trial that uses its whole budget takes."""

    seconds: float
    """Without compiling."""
    deviation: float
    """Standard deviation of the logarithm, of this trial alone."""
    compiles: str | None
    """Name of what it has to compile, if no earlier trial of the search has."""
    compiling: float


class TrialTimes:
    """Predicts what trials take.

    Args:
        stands: configurations that stand for the space.
        measurement: steps of some; nothing if none could be measured.
    """

    def __init__(self, stands: Sequence[Costly], measurement: Measurement = NOTHING) -> None:
        varied = varied_traits(stands)
        self._steps = Regression(varied)
        self._evaluations = Regression([], is_of_batches=False)
        starts: list[float] = []
        compiled: list[float] = []
        for one in measurement.found:
            self._steps.add(one.costly, one.step)
            self._evaluations.add(one.costly, one.evaluation)
            starts.append(one.start)
            compiled += [one.compiling] if one.compiling is not None else []
        self.start = sorted(starts)[len(starts) // 2] if starts else _START
        """Seconds from a trial's start to its first step, in a process that is up; compiling left out."""
        self._compiled = compiled
        self._ended: dict[str, tuple[float, float]] = {}

    @property
    def is_known(self) -> bool:
        """Whether anything was measured."""
        return self._steps.count > 0

    @property
    def error(self) -> float | None:
        """Error of a configuration's step predicted from the others, root mean square of the logarithms."""
        return self._steps.left_out()

    @property
    def compiling(self) -> float:
        """Seconds of compiling, as far as a trial has to."""
        return sum(self._compiled) / len(self._compiled) if self._compiled else _COMPILING

    def of(self, several: Sequence[Costly]) -> list[TrialTime]:
        """Return what trials of configurations take; something has to be known."""
        steps, deviations = self._steps.predict(several)
        beside = self._beside(several)
        return [
            TrialTime(
                seconds=float(costly.steps * step + more),
                deviation=float(deviation),
                compiles=costly.compiles,
                compiling=self.compiling,
            )
            for costly, step, deviation, more in zip(several, steps, deviations, beside, strict=True)
        ]

    def observed(self, label: str, costly: Costly, *, step: float, beside: float | None = None) -> None:
        """Take note of what a trial took.

        Args:
            label: its name; what is said of it later replaces what was said before.
            costly: its configuration.
            step: seconds of a step.
            beside: of a trial that used its budget, all seconds that were no steps, compiling left out.
        """
        self._steps.add(costly, step, is_whole=True)
        if beside is not None:
            self._ended[label] = (beside, float(self._expected_beside([costly])[0]))

    def waited(self, seconds: float) -> None:
        """Take note of how long a trial waited for a compiler."""
        self._compiled = [*self._compiled, seconds][-_LATEST:]

    def _beside(self, several: Sequence[Costly]) -> Array:
        """Return the seconds that are no steps, as the trials that ended had more or fewer than expected."""
        expected = self._expected_beside(several)
        mean = float(expected.mean())
        seen = sum(beside for beside, _ in self._ended.values()) + mean
        believed = sum(expectation for _, expectation in self._ended.values()) + mean
        return expected * (seen / believed)

    def _expected_beside(self, several: Sequence[Costly]) -> Array:
        counts = np.array([float(costly.evaluations) for costly in several])
        if not self._evaluations.count:
            return self.start + _HANDOVER + 0.0 * counts
        evaluations, _ = self._evaluations.predict(several)
        return self.start + _HANDOVER + counts * evaluations
