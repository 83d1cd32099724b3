"""A first look at many rules: how likely each trial is below the cut, without replaying any order.

A trial that comes to a rung is compared with those that came before, a random part of all that come there.
How many of these are worth no more than it is about binomial, so the chance that it is below the cut of some
of them has a formula. A rule that pauses ends only those that are below the cut of all of them too. It is an
approximation, good enough to tell which rules are worth replaying, and a thousand times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from paretune.stopping.bands import band_of
from paretune.stopping.replay.curves import Population
from paretune.stopping.replay.rules import Rule

Numbers = NDArray[np.float64]

_MOMENTS = 16
"""How many numbers of trials that came before a chance is averaged over."""

_SHARES = np.linspace(0.0, 1.0, 65)
"""Shares of the others that are worth no more, for which chances are computed."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What became of each trial under a rule, over orders; both arrays have the shape (n,)."""

    lost: Numbers
    """Share of the orders in which it was a winner and did not run on."""
    steps: Numbers
    """Steps that it took, in the mean."""


@dataclass(frozen=True, kw_only=True)
class _Course:
    """Where trials are after some rungs; both arrays have the shape (n,)."""

    alive: Numbers
    """The chance that it goes on."""
    spent: Numbers
    """Steps of those that ended, times the chance that they did."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """The curves of one search, with what rules have in common looked up once."""

    population: Population
    _at_rungs: dict[tuple[str, float], tuple[Numbers, Numbers]] = field(default_factory=dict)
    _bands: dict[bool, list[NDArray[np.int64]]] = field(default_factory=dict)
    _courses: dict[tuple[object, ...], _Course] = field(default_factory=dict)

    def look(self, rule: Rule) -> Spent:
        """Return what a rule would do to each trial."""
        course = self._after(rule, len(rule.rungs))
        lost = np.where(self.population.solved, 1 - course.alive, 0.0)
        return Spent(lost=lost, steps=course.spent + course.alive * self.population.steps)

    def _after(self, rule: Rule, rungs: int) -> _Course:
        """Return where trials are after so many of a rule's rungs."""
        count = len(self.population)
        if not rungs:
            return _Course(alive=np.ones(count), spent=np.zeros(count))
        key = (rule.metric, rule.rungs[:rungs], rule.factor, rule.below_cut, rule.is_banded)
        if key in self._courses:
            return self._courses[key]
        before = self._after(rule, rungs - 1)
        worth, at = self._looked_up(rule, rule.rungs[rungs - 1])
        ends = np.zeros(count)
        for band in self._in_bands(rule):
            here = band[np.isfinite(worth[band])]
            ends[here] = _chances(worth[here], before.alive[here], rule)
        # A trial that had solved the task is compared with, and goes on.
        ends[np.isnan(at)] = 0.0
        ended = before.alive * ends
        course = _Course(alive=before.alive - ended, spent=before.spent + ended * np.nan_to_num(at))
        self._courses[key] = course
        return course

    def _in_bands(self, rule: Rule) -> list[NDArray[np.int64]]:
        """Return the numbers of the trials of each of a rule's bands."""
        if rule.is_banded not in self._bands:
            edges = rule.edges(self.population)
            bands = np.array([band_of(size, edges) for size in self.population.params])
            self._bands[rule.is_banded] = [np.flatnonzero(bands == band) for band in np.unique(bands)]
        return self._bands[rule.is_banded]

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


def _chances(worth: Numbers, weights: Numbers, rule: Rule) -> Numbers:
    """Return the chance of each of some trials to end at a rung, shape (n,).

    Args:
        worth: what they are worth there, the larger the better.
        weights: the chance of each to come there.
        rule: the rule.
    """
    cut = 1 - 1 / rule.factor
    order = np.argsort(worth)
    upto = np.searchsorted(worth[order], worth, "right")
    others = weights.sum() - weights
    # The share of the others that are worth no more.
    share = (np.cumsum(weights[order])[upto - 1] - weights) / np.maximum(others, 1e-9)
    share = np.clip(share, 0.0, 1.0)
    # So many trials, to within a twentieth.
    most = round(1.05 ** round(math.log(max(float(weights.sum()) - 1, 1.0), 1.05)), 1)
    below = np.interp(share, _SHARES, _chances_below(cut, most))
    return np.where(share < cut, below, 0.0) if rule.below_cut == "pause" else below


@lru_cache(maxsize=4096)
def _chances_below(cut: float, most: float) -> Numbers:
    """Return the chance to be below a quantile of those that came before, at each of :data:`_SHARES`.

    Args:
        cut: which quantile.
        most: how many others come there in all; any number of them, none included, came before alike often.
    """
    from scipy.special import ndtr

    came = np.linspace(1.0, most, _MOMENTS)
    deviation = np.sqrt(np.maximum(came * (_SHARES * (1 - _SHARES))[:, None], 1e-9))
    below: Numbers = ndtr((cut * (came - 1) + 0.5 - came * _SHARES[:, None]) / deviation).mean(axis=1)
    return below * most / (most + 1)


def screened(populations: Sequence[Population], rules: Sequence[Rule]) -> Mapping[Rule, Sequence[Spent]]:
    """Return what each rule does to the curves of each search, by a first look."""
    screens = [Screen(population=population) for population in populations]
    return {rule: [screen.look(rule) for screen in screens] for rule in rules}
