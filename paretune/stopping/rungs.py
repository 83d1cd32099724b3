"""What trials were worth where they are compared, and who is below the cut there."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from search_spaces.parts.early_stopping import EarlyStopping, RungMetric

Worths = tuple[float, ...]
"""What a trial was worth at a rung: its value of each metric, the larger the better."""


class Rung(ABC):
    """One rung of one band of sizes: trials by label, with what they were worth there.

    Args:
        reduction_factor: one in so many goes on.
    """

    def __init__(self, reduction_factor: float) -> None:
        # By way of per cent, as Ray does: else it would differ in the last digit, and so on ties.
        self._quantile = (1 - 1 / reduction_factor) * 100 / 100
        self.worths: dict[str, Worths] = {}
        """What trials were worth, by label, in the order in which they came."""

    def __contains__(self, label: object) -> bool:
        return label in self.worths

    def __len__(self) -> int:
        return len(self.worths)

    def add(self, label: str, worths: Worths) -> None:
        """Take note of a trial that was not here."""
        self.worths[label] = worths

    @abstractmethod
    def is_below(self, worths: Worths, label: str | None = None) -> bool:
        """Tell whether a trial of such worth is below the cut.

        That is the quantile ``1 - 1 / reduction_factor`` of the others. A trial alone is never below it.

        Args:
            worths: what it is worth.
            label: its label, if it is among those here; it is not compared with itself.
        """

    def not_below(self, labels: Iterable[str]) -> list[str]:
        """Return those of some trials here that are not below the cut."""
        return [label for label in labels if not self.is_below(self.worths[label], label)]

    @abstractmethod
    def share_beaten(self, label: str) -> float:
        """Return the share of the others here that a trial is better than, ties counting half."""


def rung_for(rule: EarlyStopping) -> Rung:
    """Return an empty rung of a rule."""
    if rule.metrics is None:
        return _OneMetric(rule.reduction_factor)
    weights = [metric.weight for metric in rule.metrics]
    is_weighted = weights[0] is not None
    return _SeveralMetrics(
        rule.reduction_factor, [weight or 0.0 for weight in weights] if is_weighted else None
    )


class _OneMetric(Rung):
    """Values of one metric, kept sorted: replays ask for a million cuts."""

    def __init__(self, reduction_factor: float) -> None:
        super().__init__(reduction_factor)
        self._sorted: list[float] = []

    def add(self, label: str, worths: Worths) -> None:
        super().add(label, worths)
        insort(self._sorted, worths[0])

    def is_below(self, worths: Worths, label: str | None = None) -> bool:
        if label is None:
            return bool(self._sorted) and worths[0] < quantile(self._sorted, self._quantile)
        if len(self._sorted) < 2:
            return False
        place = bisect_left(self._sorted, self.worths[label][0])
        return worths[0] < quantile(self._sorted, self._quantile, without=place)

    def not_below(self, labels: Iterable[str]) -> list[str]:
        # Whoever is worth less than this one is below the cut, for it is left out of the others itself.
        place = math.floor(max(len(self._sorted) - 2, 0) * self._quantile) + 1
        least = self._sorted[place] if place < len(self._sorted) else -math.inf
        return super().not_below(label for label in labels if self.worths[label][0] >= least)

    def share_beaten(self, label: str) -> float:
        (own,) = self.worths[label]
        first = bisect_left(self._sorted, own)
        ties = self._sorted.count(own) - 1
        return (first + ties / 2) / max(len(self) - 1, 1)


class _SeveralMetrics(Rung):
    """Values of several metrics, made one number for each trial: the mean of its ranks by the weights, or
    without these how many layers of trials dominate it (Schmucker et al., https://arxiv.org/abs/2106.12639).

    Either is a matter of who is compared, so it is computed anew for each comparison.
    """

    def __init__(self, reduction_factor: float, weights: Sequence[float] | None) -> None:
        super().__init__(reduction_factor)
        self._weights = weights

    def is_below(self, worths: Worths, label: str | None = None) -> bool:
        others = [there for other, there in self.worths.items() if other != label]
        if not others:
            return False
        *made, own = self._as_one(np.array([*others, worths]))
        return bool(own < quantile(sorted(made), self._quantile))

    def share_beaten(self, label: str) -> float:
        made = self._as_one(np.array(list(self.worths.values())))
        own = made[list(self.worths).index(label)]
        ties = int((made == own).sum()) - 1
        return float((int((made < own).sum()) + ties / 2) / max(len(self) - 1, 1))

    def _as_one(self, worths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return one number for each trial, the larger the better; ``worths`` has the shape (n, metrics)."""
        if self._weights is not None:
            # How many others each is better than, ties counting half.
            better = (worths[:, None, :] > worths[None, :, :]).sum(axis=1)
            same = (worths[:, None, :] == worths[None, :, :]).sum(axis=1) - 1
            mean: np.ndarray[Any, Any] = np.average(better + same / 2, axis=1, weights=self._weights)
            return mean
        return -layers(worths)


def layers(worths: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the layer of each trial by non-dominated sorting: 0 for those that no other dominates, 1 for
    those that only these do, and so on.

    Args:
        worths: array of shape (n, metrics), the larger the better.
    """
    at_least = (worths[:, None, :] >= worths[None, :, :]).all(axis=2)
    dominates = at_least & ~at_least.T
    found = np.zeros(len(worths))
    left = np.ones(len(worths), dtype=bool)
    layer = 0
    while left.any():
        front = left & ~(dominates & left[:, None]).any(axis=0)
        found[front] = layer
        left &= ~front
        layer += 1
    return found


def worths_of(compared: Sequence[RungMetric], row: Mapping[str, Any]) -> Worths | None:
    """Return what a report says a trial is worth; None if one of the metrics is not known."""
    worths = []
    for one in compared:
        value = row.get(one.metric)
        if value is None or math.isnan(value):
            return None
        worths.append(float(value) if one.direction == "max" else -float(value))
    return tuple(worths)


def quantile(ordered: Sequence[float], share: float, without: int | None = None) -> float:
    """Return a quantile of sorted numbers as NumPy computes it, by linear interpolation; without its cost,
    which is that of making an array.

    Args:
        ordered: the numbers, the smallest first.
        share: which quantile.
        without: the place of a number that is left out, of two or more.
    """
    count = len(ordered) if without is None else len(ordered) - 1
    at = (count - 1) * share
    low = math.floor(at)
    high = min(low + 1, count - 1)
    rest = at - low
    if without is not None:
        low, high = low + (low >= without), high + (high >= without)
    gap = ordered[high] - ordered[low]
    # From the nearer end, so that it never lies beyond it.
    return ordered[high] - gap * (1 - rest) if rest >= 0.5 else ordered[low] + gap * rest
