"""Searches whose parameter cliff is known: of configurations that differ, stopped early, diverged."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from truths import METRICS, Answers, Truth, search_of

from analysis.cliff import cliff
from analysis.cliff.counts import count
from analysis.cliff.expected import shrunken_rates
from analysis.cliff.fit import SizeFit, fit_sizes
from analysis.outcomes import with_outcomes
from analysis.rows import SearchRows
from analysis.statistics.estimate import UNKNOWN, Estimate
from analysis.statistics.logistic import coefficients, shares

Array = NDArray[np.float64]

SMALLEST, LARGEST, HALF = 300.0, 3000.0, 1000.0
"""Sizes that are searched, and the size at which half of the seeds solve."""

KEPT = 0.3
"""The chance with which early stopping lets a trial below its cut run on."""


def draw(
    rng: np.random.Generator,
    *,
    configurations: int,
    seeds: int,
    slope: float,
    spread: float,
    half: float = HALF,
    stopping: str = "none",
    recipes: bool = False,
) -> SearchRows:
    """Draw a search.

    Args:
        rng: random numbers.
        configurations: how many; their log sizes are uniform.
        seeds: trials of each.
        slope: of the log odds of success, against the natural logarithm of the size.
        spread: the standard deviation of what configurations differ by in log odds, beside their size.
        half: the size at which half of the seeds solve.
        stopping: "none"; "all", which ends whatever is below the cut; "some", which keeps part of it by lot.
        recipes: whether half of the configurations need one and a half times the size, as with a bad rate.
    """
    logs = rng.uniform(np.log(SMALLEST), np.log(LARGEST), configurations)
    is_bad = rng.random(configurations) < (0.5 if recipes else 0.0)
    ability = (
        slope * (logs - np.log(half)) - slope * is_bad * np.log(1.5) + rng.normal(0, spread, configurations)
    )
    number = np.repeat(np.arange(configurations), seeds)
    able = ability[number]
    wins = rng.random(len(number)) < shares(able)
    failure = np.where(rng.random(len(number)) < 0.3, "diverged", "finished")
    ending = np.where(wins, "solved", failure).astype(object)
    kept_chance = np.full(len(number), np.nan)
    if stopping != "none":
        # What fails is mostly behind half-way; of what will solve late, some is too.
        is_behind = rng.random(len(number)) < np.where(wins, 0.25, 0.8)
        is_kept = is_behind & (rng.random(len(number)) < (KEPT if stopping == "some" else 0.0))
        kept_chance[is_kept] = KEPT
        ending[is_behind & ~is_kept] = "stopped early"
    trials = pd.DataFrame(
        {
            "configuration": number,
            "seed_index": np.tile(np.arange(seeds), configurations),
            "params": np.exp(logs).round().astype(int)[number],
            "values": [{"d_model": int(n) + 1} for n in number],
            "ending": ending,
            "exact_match": np.where(wins, 1.0, 0.9 * shares(able + rng.normal(size=len(number)))),
            "kept_chance": kept_chance,
        }
    )
    return SearchRows.of_frames(_model(seeds).plan, METRICS, trials)


@cache
def _model(seeds: int) -> SearchRows:
    """Return a search of that many seeds, for its plan."""
    trial = {"configuration": 0, "params": 1, "values": {"d_model": 1}, "ending": "solved"}
    return search_of([{**trial, "seed_index": seed} for seed in range(seeds)])


def true_curve(slope: float, spread: float, half: float = HALF) -> tuple[float, float]:
    """Return the slope, and the logarithm of the 50 % size, of the logistic curve that is nearest to the
    success rates of an endless search."""
    logs = np.linspace(np.log(SMALLEST), np.log(LARGEST), 400)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    ability = slope * (logs - np.log(half))
    rates = shares(ability[:, None] + spread * nodes) @ weights / weights.sum()
    many = np.full(len(logs), 1e6)
    constant, rise = coefficients(np.column_stack([np.ones(len(logs)), logs]), rates * many, many)
    return float(rise), float(-constant / rise)


def _size(fit: SizeFit | None, share: float = 0.5) -> Estimate:
    return UNKNOWN if fit is None else fit.size(share)


def configurations_differ(configurations: int, seeds: int, slope: float, spread: float) -> Truth:
    """Return searches in which seeds of a configuration are alike beyond their size."""
    rise, middle = true_curve(slope, spread)

    def simulate(rng: np.random.Generator) -> Answers:
        rows = draw(rng, configurations=configurations, seeds=seeds, slope=slope, spread=spread)
        found = cliff(rows)
        answers: dict[str, tuple[Estimate, float]] = {
            f"{share * 100:.0f} % size": (
                found.size(share),
                float(np.exp(middle + np.log(share / (1 - share)) / rise)),
            )
            for share in (0.1, 0.5, 0.9)
        }
        answers["odds per doubling"] = (found.sharpness, 2**rise)
        trials = with_outcomes(rows)
        if configurations >= 80:
            learned = fit_sizes(count(trials[trials["ending"] != "diverged"]))
            answers["naive: 50 % size, diverged trials left out"] = (_size(learned), float(np.exp(middle)))
        if spread >= 2:
            alone = fit_sizes(count(trials.assign(configuration=np.arange(len(trials)))))
            answers["naive: 50 % size, trials resampled"] = (_size(alone), float(np.exp(middle)))
        return answers

    return Truth(
        name=f"{configurations} configurations of {seeds} that differ by {spread:g}", simulate=simulate
    )


def stopped_early(stopping: str) -> Truth:
    """Return searches with early stopping, which ends what fails more often than what would solve."""
    middle = true_curve(5.0, 0.5)[1]

    def simulate(rng: np.random.Generator) -> Answers:
        rows = draw(rng, configurations=60, seeds=3, slope=5.0, spread=0.5, stopping=stopping)
        found, true = cliff(rows), float(np.exp(middle))
        trials = with_outcomes(rows)
        flat = count(trials.assign(weight=np.minimum(trials["weight"], 1.0)))
        failed, solved = (
            _size(fit_sizes(flat.unknown_as(solved=all_solved))) for all_solved in (False, True)
        )
        answers = {
            "naive: 50 % size, unknown as failed": (failed, true),
            "naive: 50 % size, unknown left out": (_size(fit_sizes(flat)), true),
        }
        if stopping == "some":
            answers["50 % size"] = (found.size(), true)
        bounds = Estimate(value=found.size().value, low=solved.low, high=failed.high)
        answers["50 % size, whatever came of the unknown"] = (bounds, true)
        return answers

    kept = "some kept by lot" if stopping == "some" else "none kept"
    return Truth(name=f"early stopping, {kept}", simulate=simulate)


def two_searches() -> Truth:
    """Return pairs of searches of which the second needs one and a half times the size."""
    ratio = 1.5

    def simulate(rng: np.random.Generator) -> Answers:
        first = cliff(draw(rng, configurations=40, seeds=3, slope=6.0, spread=0.7))
        second = cliff(draw(rng, configurations=40, seeds=3, slope=6.0, spread=0.7, half=HALF * ratio))
        sizes, sharpness, *_ = second.difference_from(first)
        return {
            "ratio of 50 % sizes": (sizes.change, ratio),
            "ratio of odds per doubling": (sharpness.change, 1.0),
        }

    return Truth(name="two searches", simulate=simulate)


def best_recipes() -> Truth:
    """Return searches in which every second configuration has a bad recipe."""

    def simulate(rng: np.random.Generator) -> Answers:
        rows = draw(rng, configurations=120, seeds=3, slope=6.0, spread=0.0, recipes=True)
        found = cliff(rows)
        assert found.best is not None
        trials = with_outcomes(rows)
        bins = np.floor(np.log(trials["params"]) / np.log(1.1))
        rate = (trials["outcome"] == "solved").groupby(trials["configuration"]).transform("mean")
        best = trials[rate == rate.groupby(bins).transform("max")]
        return {
            "50 % size of the best recipe": (_size(found.best.fit), HALF),
            "naive: 50 % size of all recipes": (found.size(), HALF),
            "naive: 50 % size, judged by the seeds that chose": (_size(fit_sizes(count(best))), HALF),
        }

    return Truth(name="a good and a bad recipe", simulate=simulate)


TRUTHS = (
    configurations_differ(12, 1, 4.0, 0.0),
    configurations_differ(26, 4, 5.0, 1.0),
    configurations_differ(30, 8, 8.0, 2.0),
    configurations_differ(100, 3, 5.0, 0.5),
    configurations_differ(24, 2, 40.0, 0.0),
    stopped_early("some"),
    stopped_early("all"),
    two_searches(),
    best_recipes(),
)


def true_rates_of_smallest(
    rng: np.random.Generator, *, configurations: int, seeds: int, slope: float, spread: float, searches: int
) -> tuple[list[float], list[float]]:
    """Return the true success rates of the smallest configuration that more than half of its own seeds
    solved, and of the smallest that is expected to solve with more than half: one of each for every search
    that has them."""
    own: list[float] = []
    expected: list[float] = []
    for _ in range(searches):
        logs = rng.uniform(np.log(SMALLEST), np.log(LARGEST), configurations)
        rates = shares(slope * (logs - np.log(HALF)) + rng.normal(0, spread, configurations))
        solved = rng.binomial(seeds, rates)
        seen = solved / seeds
        shrunken = shrunken_rates(np.exp(logs), solved, np.full(configurations, seeds))
        for found, by in ((own, seen), (expected, shrunken)):
            if (by > 0.5).any():
                found.append(float(rates[by > 0.5][logs[by > 0.5].argmin()]))
    return own, expected
