"""A first look at many rules: every trial compared with all others at once, as if they came side by side.

That is what a rule that pauses comes to in the end. One that stops decides by those that came before, which
only :mod:`paretune.stopping.replay.running` knows; but it costs a thousand times as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paretune.stopping.bands import band_of
from paretune.stopping.replay.curves import Population
from paretune.stopping.replay.rules import Rule

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What became of each trial under a rule, over orders; both arrays have the shape (n,)."""

    lost: Numbers
    """Share of the orders in which it was a winner and did not run on."""
    steps: Numbers
    """Steps that it took, in the mean."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The curves of one search, with what trials were worth at each rung looked up once for all rules."""

    population: Population
    _at_rungs: dict[tuple[str, float], tuple[Numbers, Numbers]] = field(default_factory=dict)
    _bands: dict[bool, NDArray[np.int64]] = field(default_factory=dict)

    def look(self, rule: Rule) -> Spent:
        """Return what a rule would do to each trial, if all were compared at once."""
        people = self.population
        if rule.is_banded not in self._bands:
            edges = rule.edges(people)
            self._bands[rule.is_banded] = np.array([band_of(size, edges) for size in people.params])
        bands = self._bands[rule.is_banded]
        alive = np.ones(len(people), dtype=bool)
        steps = people.steps.astype(float)
        for rung in rule.rungs:
            worth, at = self._looked_up(rule, rung)
            is_there = alive & np.isfinite(worth)
            for band in range(bands.max() + 1):
                here = np.flatnonzero(is_there & (bands == band))
                cut = _quantile(np.sort(worth[here]), 1 - 1 / rule.factor)
                # A trial that had solved the task is compared with, and goes on.
                below = here[(worth[here] < cut) & np.isfinite(at[here])]
                alive[below] = False
                steps[below] = at[below]
        return Spent(lost=(people.solved & ~alive).astype(float), steps=steps)

    def _looked_up(self, rule: Rule, rung: float) -> tuple[Numbers, Numbers]:
        """Return what each trial is worth at a rung, the larger the better, and at which step it says so.

        A trial that had ended is worth nothing there (NaN). One that had solved the task keeps its last
        value; its step is then NaN.
        """
        key = rule.metric, rung
        if key not in self._at_rungs:
            sign = 1.0 if rule.direction == "max" else -1.0
            worth, steps = np.full((2, len(self.population)), np.nan)
            one = Rule(metric=rule.metric, direction=rule.direction, rungs=(rung,), factor=rule.factor)
            for number, curve in enumerate(self.population.curves):
                values = curve.values.get(rule.metric)
                if values is None:
                    continue
                (at,) = one.report_at(curve)
                later = np.flatnonzero((curve.at[:-1] >= at) & np.isfinite(values[:-1]))
                if len(later):
                    place = later[0]
                    worth[number] = sign * values[place]
                    steps[number] = np.nan if curve.held[place] else curve.at[place]
                elif curve.is_solved:
                    worth[number] = sign * values[-1]
            self._at_rungs[key] = worth, steps
        return self._at_rungs[key]


def _quantile(ordered: NDArray[Any], share: float) -> float:
    if len(ordered) < 2:
        return -math.inf
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def screened(populations: Sequence[Population], rules: Sequence[Rule]) -> Mapping[Rule, Sequence[Spent]]:
    """Return what each rule does to the curves of each search, by a first look."""
    screens = [Screen(population=population) for population in populations]
    return {rule: [screen.look(rule) for screen in screens] for rule in rules}
