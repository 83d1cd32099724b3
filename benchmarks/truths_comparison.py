"""Two simulated searches of one question, whose success rates are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from truths import Answers, Truth, search_of

from analysis.comparison.differences import overall_differences
from analysis.comparison.overall import overall
from analysis.effects.exact import difference_of_rates
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.statistics.logistic import shares

Array = NDArray[np.float64]

CONFIGURATIONS, SEEDS = 24, 5
SPREAD = 1.0
_SMALL, _LARGE = math.log2(300), math.log2(3000)


def _log_odds(size: Array, half: float) -> Array:
    return 2.0 * (size - math.log2(half))


def _true_rate(half: float) -> float:
    size = np.linspace(_SMALL, _LARGE, 2001)
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    chance = shares(_log_odds(size, half)[:, None] + SPREAD * nodes[None, :])
    return float((chance @ weights / weights.sum()).mean())


def _search(rng: np.random.Generator, half: float) -> SearchRows:
    size = rng.uniform(_SMALL, _LARGE, CONFIGURATIONS)
    params = np.rint(2**size).astype(int)
    chance = shares(_log_odds(size, half) + SPREAD * rng.standard_normal(CONFIGURATIONS))
    trials: list[dict[str, Any]] = []
    for number in range(CONFIGURATIONS):
        for seed in range(SEEDS):
            ending = "solved" if rng.random() < chance[number] else "finished"
            trials.append(
                {
                    "configuration": number,
                    "seed_index": seed,
                    "params": int(params[number]),
                    "values": {"d_model": int(params[number])},
                    "ending": "interrupted" if rng.random() < 0.1 else ending,
                    "exact_match": float(ending == "solved"),
                }
            )
    return search_of(trials)


def _by_trials(rows: SearchRows) -> tuple[float, int]:
    known = rows.trials[rows.trials["ending"] != "interrupted"]
    return float((known["ending"] == "solved").mean()), len(known)


def two_searches(rng: np.random.Generator) -> Answers:
    """Draw two searches, of which the second has its cliff at two thirds of the size."""
    first = _search(rng, 900.0)
    second = _search(rng, 600.0)
    before = overall(first)
    difference, _ = overall_differences(before, overall(second), has_target=True)
    true = _true_rate(600.0) - _true_rate(900.0)
    naive = [_by_trials(rows) for rows in (first, second)]
    value, low, high = difference_of_rates(
        np.array([naive[0][0]]), np.array([naive[1][0]]), np.array([[naive[0][1], naive[1][1]]], dtype=float)
    )
    return {
        "success rate": (before.success_rate, _true_rate(900.0)),
        "difference of success rates": (difference.change, true),
        "naive: difference of success rates, trials as units": (
            Estimate(value=value, low=low, high=high),
            true,
        ),
    }


TRUTHS = (Truth(name="two searches", simulate=two_searches),)
