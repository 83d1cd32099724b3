"""Searches of learning rates whose band is known.

A trial works with the chance sigma(k (x - lower(N))) · sigma(k (upper(N) - x)), where x is the logarithm of
the rate and both edges are power laws of the size N. Each configuration is better or worse than that by an
amount of its own, on both sides. The true edges are where that chance crosses one half, the true best rate is
in the middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from truths import Answers, Truth, search_of

from analysis.regimes import regimes
from analysis.regimes.points import points_of
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.statistics.logistic import fit

Array = NDArray[np.float64]

SIZES = (876, 1106, 1360, 2616, 4256)
"""Those of ``search_spaces/learning_rate_regimes.yaml``."""
RATES = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
"""About even in the logarithm, over the range of the same file."""

MIDDLE, EXPONENT = 1500.0, -0.4


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Searches of one kind."""

    design: Literal["map", "one size", "random"]
    steepness: float
    """k, per unit of the natural logarithm of the rate: 10 to 90 % work within a factor of exp(4.4 / k)."""
    spread: float = 0.5
    """Standard deviation of configurations, in log odds."""
    seeds: int = 3
    middle_rate: float = 0.016
    width: float = 2.6
    """Natural logarithm of the upper over the lower edge."""
    stopped: float = 0.0
    """The share of trials that are ended early, whatever would have come of them."""

    def simulate(self, rng: np.random.Generator) -> SearchRows:
        """Draw a search."""
        if self.design == "map":
            rates, sizes = (grid.ravel() for grid in np.meshgrid(RATES, SIZES))
        elif self.design == "one size":
            rates = np.geomspace(0.0005, 0.3, 14)
            sizes = np.full(14, 1360)
        else:
            rates = np.exp(rng.uniform(math.log(0.0005), math.log(0.3), 60))
            sizes = np.rint(np.exp(rng.uniform(math.log(500), math.log(5000), 60)))
        own = rng.normal(0, self.spread, len(rates))
        trials = []
        for number, (rate, size, effect) in enumerate(zip(rates, sizes, own, strict=True)):
            chance = self.chance(math.log(rate), float(size), float(effect))
            for seed in range(self.seeds):
                works, is_stopped = rng.random() < chance, rng.random() < self.stopped
                trials.append(
                    {
                        "configuration": number,
                        "seed_index": seed,
                        "params": int(size),
                        "values": {"lr": float(rate), "d_model": number + 1},
                        "ending": "stopped early" if is_stopped else "solved" if works else "finished",
                    }
                )
        return search_of(trials)

    def chance(self, rate: float, size: float, effect: float = 0.0) -> float:
        """Return the chance that a trial works at a log rate."""
        shift = math.log(self.middle_rate) + EXPONENT * math.log(size / MIDDLE)
        away = abs(rate - shift)
        near, far = self.width / 2 - away, self.width / 2 + away
        return _sigma(self.steepness * near + effect) * _sigma(self.steepness * far + effect)

    def edges(self, size: float) -> tuple[float, float, float]:
        """Return the true lower edge, best rate and upper edge at a size."""
        best = math.log(self.middle_rate) + EXPONENT * math.log(size / MIDDLE)
        away = brentq(lambda x: self.chance(best + x, size) - 0.5, 0.0, 5.0)
        return math.exp(best - away), math.exp(best), math.exp(best + away)

    def answers(self, rng: np.random.Generator) -> Answers:
        """Draw a search and answer it."""
        rows = self.simulate(rng)
        found = regimes(rows)
        size = float(SIZES[2])
        lower, best, upper = self.edges(size)
        answers = {
            "lower edge": (found.edge("lower", size), lower),
            "upper edge": (found.edge("upper", size), upper),
            "best rate": (found.rate_for(size), best),
            "naive lower edge": (_naive_edge(rows, size), lower),
        }
        if self.design != "one size":
            large = float(SIZES[-1])
            answers |= {
                "lower edge, largest size": (found.edge("lower", large), self.edges(large)[0]),
                "best rate, twice the largest size": (found.rate_for(2 * large), self.edges(2 * large)[1]),
                "exponent": (found.exponent, EXPONENT),
            }
        return answers


def _sigma(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def _naive_edge(rows: SearchRows, size: float) -> Estimate:
    """Return the edge of one logistic regression on all rates, with every trial for itself."""
    points = points_of(rows, "lr", "params")
    known = points.known
    columns = [np.ones(len(known)), np.log(known["rate"].to_numpy(float))]
    works = (known["regime"] == "works").to_numpy(float)
    fitted = fit(np.column_stack(columns), works, np.ones(len(known)))
    value, low, high = fitted.crossing(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    return Estimate(value=math.exp(value), low=math.exp(max(low, -50)), high=math.exp(min(high, 50)))


TRUTHS = (
    Truth(name="map, gentle edges", simulate=Bands(design="map", steepness=3.0).answers),
    Truth(name="map, sharp edges", simulate=Bands(design="map", steepness=6.0).answers),
    Truth(name="map, unlike configurations", simulate=Bands(design="map", steepness=6.0, spread=1.5).answers),
    Truth(
        name="map, a third stopped",
        simulate=Bands(design="map", steepness=4.0, seeds=4, stopped=0.33).answers,
    ),
    Truth(name="one size", simulate=Bands(design="one size", steepness=4.0, seeds=4).answers),
    Truth(
        name="random, one seed", simulate=Bands(design="random", steepness=4.0, seeds=1, spread=1.0).answers
    ),
    Truth(name="random, two seeds", simulate=Bands(design="random", steepness=6.0, seeds=2).answers),
)
