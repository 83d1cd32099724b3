"""The time of something, such as a step, against size, batch and other fields, from few measurements.

A Bayesian linear regression of the logarithm: with one measurement it is the usual dependence on size and
batch, and each further one corrects that where it says so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretune.timing.costs import Costly

Array = NDArray[np.float64]

_BY_PARAMS, _BY_BATCH = (0.6, 0.4), (0.8, 0.3)
"""Exponents of time against parameters and batch, with their standard deviations: from little, where what is
done per step counts, to proportional. Those of all tasks measured so far lie within two deviations."""

_BY_NUMBER, _BY_WORD = 0.2, 0.2
"""Standard deviations of the exponent of another number, and of the effect of a word."""

_LEVEL = 3.0
"""Standard deviation of the level, of which nothing is known."""

_SCATTER, _SCATTER_OF_MOMENTS = 0.08, 0.16
"""Standard deviations of what is left of one trial, and of one that was measured for a moment only."""

_MOST = 40
"""The latest measurements count: how long a step takes goes by how busy the machine is."""


class Regression:
    """Predicts seconds of configurations, known up to a factor.

    Args:
        varied: names of the fields that differ between configurations.
        is_of_batches: whether the time depends on the batch, as that of a step.
    """

    def __init__(self, varied: Sequence[str], *, is_of_batches: bool = True) -> None:
        self._varied = list(varied)
        self._by_batch = _BY_BATCH if is_of_batches else (0.0, 0.05)
        self._seen: list[tuple[Costly, float]] = []
        self._noise: list[float] = []

    @property
    def count(self) -> int:
        """How many measurements there are."""
        return len(self._seen)

    def add(self, costly: Costly, seconds: float, *, is_whole: bool = False) -> None:
        """Add a measurement, of a moment or of a whole trial."""
        self._seen = [*self._seen, (costly, math.log(max(seconds, 1e-9)))][-_MOST:]
        self._noise = [*self._noise, _SCATTER if is_whole else _SCATTER_OF_MOMENTS][-_MOST:]

    def predict(self, several: Sequence[Costly]) -> tuple[Array, Array]:
        """Return the seconds of configurations, and the standard deviations of their logarithms.

        There has to be a measurement.
        """
        seen, rest, level = self._rest()
        features = self._features([*seen, *several], len(seen))
        theirs, asked = features[: len(seen)], features[len(seen) :]
        between = asked @ theirs.T
        weights = between @ np.linalg.inv(theirs @ theirs.T + np.diag(np.square(self._noise)))
        left = np.einsum("ij,ij->i", asked, asked) - np.einsum("ij,ij->i", weights, between)
        logs = level + self._usual(several) + weights @ rest
        return np.exp(logs), np.sqrt(np.maximum(left, 0.0) + _SCATTER**2)

    def left_out(self) -> float | None:
        """Return the error of a configuration predicted from the others, root mean square of the logarithms.

        None with fewer than four measurements.
        """
        if len(self._seen) < 4:
            return None
        seen, rest, _ = self._rest()
        features = self._features(seen, len(seen))
        inverse = np.linalg.inv(features @ features.T + np.diag(np.square(self._noise)))
        return float(np.sqrt(np.mean(((inverse @ rest) / np.diag(inverse)) ** 2)))

    def _rest(self) -> tuple[list[Costly], Array, float]:
        """Return what was measured, how its logarithms differ from their level, and that."""
        seen = [costly for costly, _ in self._seen]
        rest = np.array([log for _, log in self._seen]) - self._usual(seen)
        level = float(rest.mean())
        return seen, rest - level, level

    def _usual(self, several: Sequence[Costly]) -> Array:
        by_params, by_batch = _BY_PARAMS[0], self._by_batch[0]
        return np.array([by_params * math.log(c.params) + by_batch * math.log(c.batch) for c in several])

    def _features(self, several: Sequence[Costly], seen_count: int) -> Array:
        """Return what the logarithm is linear in, each in units of the deviation of its coefficient.

        The first ``seen_count`` were measured.
        """
        columns = [np.full(len(several), _LEVEL)]
        for deviation, size in ((_BY_PARAMS[1], "params"), (self._by_batch[1], "batch")):
            columns.append(deviation * _logs([getattr(c, size) for c in several], seen_count))
        for name in self._varied:
            values = [c.traits.get(name) for c in several]
            numbers = [value for value in values if _is_number(value)]
            if len(numbers) == len(values):
                columns.append(_BY_NUMBER * _logs(numbers, seen_count))
                continue
            words = [json.dumps(value, sort_keys=True) for value in values]
            columns += [_BY_WORD * np.array([float(w == word) for w in words]) for word in sorted({*words})]
        return np.column_stack(columns)


def _logs(values: Sequence[Any], count: int) -> Array:
    """Return logarithms, of which those of the first ``count``, which were measured, are 0 on average."""
    logs = np.log(np.array(values, dtype=np.float64))
    return np.asarray(logs - logs[:count].mean(), dtype=np.float64)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
