"""Searches with a known time to target and a known cost of a success: configurations differ in how often and
how soon they learn, trials diverge, and some are stopped early by lot.

Stopping by lot is what Kaplan and Meier's curve assumes. A rule that stops the worse ones flatters it, by how
much no data tell; the finding says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from truths import STEPS, Answers, Truth, search_of

from analysis.statistics.estimate import Estimate
from analysis.times import times
from analysis.times.survival import kaplan_meier

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of search. ``ease`` and ``spread`` are mean and standard deviation, over configurations, of the
    log odds that a trial learns."""

    configurations: int
    seeds: int
    ease: float
    spread: float
    diverges: float = 0.1
    stopped: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Trials, shape (configurations, seeds) each."""

    target: Array
    """When a trial would reach the target if nothing stopped it; infinite if it never would."""
    end: Array
    """When it ends without it."""
    diverged: NDArray[np.bool_]
    stopped: NDArray[np.bool_]

    @property
    def solved(self) -> NDArray[np.bool_]:
        """Which trials reach the target before they end."""
        return self.target <= self.end

    @property
    def spent(self) -> Array:
        """What each trial spends."""
        return np.minimum(self.target, self.end)


def draw(rng: np.random.Generator, kind: Kind) -> Drawn:
    """Draw the trials of one search."""
    shape = kind.configurations, kind.seeds
    ease = kind.spread * rng.normal(size=(kind.configurations, 1))
    learns = rng.random(shape) < 1 / (1 + np.exp(-kind.ease - ease))
    diverged = rng.random(shape) < kind.diverges
    # What learns more often also learns sooner.
    target = np.where(learns & ~diverged, 450 * np.exp(0.5 * rng.normal(size=shape) - 0.35 * ease), math.inf)
    at = np.where(diverged, STEPS * rng.random(shape), STEPS)
    stop = np.where(rng.random(shape) < kind.stopped, rng.uniform(100, STEPS, shape), math.inf)
    return Drawn(target=target, end=np.minimum(at, stop), diverged=diverged & (at <= stop), stopped=stop < at)


@cache
def true_times(kind: Kind) -> tuple[Array, float]:
    """Return when trials of very many configurations reach the target, sorted, and what a success costs."""
    many = draw(np.random.default_rng(1), _with(kind, configurations=600_000 // kind.seeds))
    return np.sort(many.target.reshape(-1)), float(many.spent.sum() / many.solved.sum())


def simulate(rng: np.random.Generator, kind: Kind) -> Answers:
    """Draw a search and answer it."""
    drawn = draw(rng, kind)
    true, cost = true_times(kind)
    measured = times(search_of(_trials(drawn)), cost="steps_to_target").measured
    assert measured is not None
    until = measured.curve.until
    observed = measured.observed
    as_failed = kaplan_meier(
        observed.times, observed.reached, observed.configurations, never=~observed.reached
    )
    return {
        "median": (measured.median, float(np.median(true))),
        "reached": (measured.reached, float((true <= until).mean())),
        "restricted mean": (measured.restricted_mean, float(np.minimum(true, until).mean())),
        "cost of a success": (measured.cost_of_success, cost),
        "naive mean of those that made it": (_mean(drawn.spent[drawn.solved]), cost),
        "naive reached, stopped as never": (as_failed.at_end, float((true <= until).mean())),
    }


def simulate_one(rng: np.random.Generator, kind: Kind) -> Answers:
    """Draw the seeds of one configuration and answer for them."""
    drawn = draw(rng, kind)
    _, cost = true_times(kind)
    measured = times(search_of(_trials(drawn)), cost="steps_to_target").measured
    assert measured is not None
    return {
        "cost of a success": (measured.cost_of_success, cost),
        "naive mean of those that made it": (_mean(drawn.spent[drawn.solved]), cost),
    }


def _trials(drawn: Drawn) -> list[Mapping[str, Any]]:
    solved, spent = drawn.solved, drawn.spent
    trials: list[Mapping[str, Any]] = []
    for configuration, seed in np.ndindex(*solved.shape):
        here = configuration, seed
        ending = "stopped early" if drawn.stopped[here] else "finished"
        ending = "diverged" if drawn.diverged[here] else ending
        trial = {
            "configuration": configuration,
            "seed_index": seed,
            "params": 100 + configuration,
            "values": {"d_model": configuration + 1},
            "ending": "solved" if solved[here] else ending,
            "step": spent[here],
        }
        trials.append(trial | ({"steps_to_target": spent[here]} if solved[here] else {}))
    return trials


def _mean(values: Array) -> Estimate:
    if len(values) < 2:
        return Estimate(value=math.nan)
    reach = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return Estimate(value=float(values.mean()), low=values.mean() - reach, high=values.mean() + reach)


def _with(kind: Kind, *, configurations: int) -> Kind:
    return Kind(**{**vars(kind), "configurations": configurations})


_KINDS = {
    "8 configurations of 3 seeds": Kind(configurations=8, seeds=3, ease=3.0, spread=1.0),
    "24 configurations of 2 seeds": Kind(configurations=24, seeds=2, ease=3.0, spread=1.5),
    "100 configurations of 1 seed": Kind(configurations=100, seeds=1, ease=3.0, spread=1.5),
}
_ALONE = {
    "one configuration, 4 seeds": Kind(configurations=1, seeds=4, ease=0.5, spread=0.0, stopped=0.0),
    "one configuration, 10 seeds": Kind(configurations=1, seeds=10, ease=0.5, spread=0.0, stopped=0.0),
}

TRUTHS = (
    *(Truth(name=name, simulate=partial(simulate, kind=kind)) for name, kind in _KINDS.items()),
    *(Truth(name=name, simulate=partial(simulate_one, kind=kind)) for name, kind in _ALONE.items()),
)
