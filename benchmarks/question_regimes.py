"""How many trials the question of the regimes takes, beside an even grid, and how often its intervals hold.

Searches are simulated whose edges are known: a trial works with the chance ``top * sigma(k (x - a) + u) *
sigma(k (b - x) + u)`` at the decimal logarithm x of the rate, where u is a configuration's own. The true
edges are where that crosses one half on average over configurations. This is not the model that the answer
fits: there one side knows nothing of the other.

    python benchmarks/question_regimes.py                # 200 searches of each kind, some minutes
    python benchmarks/question_regimes.py --searches 20  # for a first look
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from analysis.intervals import wilson
from analysis.layout import TrialEnding
from analysis.questions.band import BandModel
from analysis.questions.band_posterior import BandTables, posteriors
from analysis.questions.edge import Seen
from analysis.questions.regimes import RegimesAnswer, SizeAnswer
from paretune.plan.binding import BoundPlan, bind
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from search_spaces.parts.question import RegimesQuestion
from search_spaces.plan import Plan

SIZES = (6, 10, 16)
LOW, HIGH = 3e-4, 0.3
CONCURRENCY = 2
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Searches of one kind: the band at each size."""

    name: str
    width: float
    """Decades from a tenth to nine tenths of the most, at either edge."""
    lowers: Sequence[float]
    """Decimal logarithms of a, by size."""
    uppers: Sequence[float]
    spread: float = 0.0
    """Standard deviation of configurations, in log odds."""
    tops: Sequence[float] = (1.0,) * len(SIZES)

    def chance(self, size: int, x: float, own: float | NDArray[np.float64] = 0.0) -> NDArray[np.float64]:
        """Return the chance that a trial works at a log rate."""
        slope = 2 * math.log(9) / self.width
        lower, upper = (
            1 / (1 + np.exp(-(slope * away + np.asarray(own) * self.spread)))
            for away in (x - self.lowers[size], self.uppers[size] - x)
        )
        return np.asarray(self.tops[size] * lower * upper)

    def edges(self, size: int) -> tuple[float, float] | None:
        """Return the true edges, decimal logarithms; None if no rate works."""

        def over(x: float) -> float:
            return float(self.chance(size, x, _NODES) @ _WEIGHTS) - 0.5

        grid = np.linspace(math.log10(LOW) - 1, math.log10(HIGH) + 1, 2001)
        working = [x for x in grid if over(x) > 0]
        if not working:
            return None
        first, last = working[0], working[-1]
        step = float(grid[1] - grid[0])
        return brentq(over, first - step, first), brentq(over, last, last + step)


TRUTHS = (
    Bands(name="gentle edges", width=0.4, lowers=(-2.4, -2.6, -2.8), uppers=(-1.1, -1.3, -1.5), spread=0.5),
    Bands(name="steep edges", width=0.12, lowers=(-2.4, -2.6, -2.8), uppers=(-1.1, -1.3, -1.5)),
    Bands(
        name="narrowing, configurations differ",
        width=0.3,
        lowers=(-2.9, -2.7, -2.4),
        uppers=(-1.1, -1.4, -1.7),
        spread=1.0,
        tops=(0.95,) * len(SIZES),
    ),
    Bands(
        name="nothing works at the smallest",
        width=0.3,
        lowers=(-2.4, -2.6, -2.8),
        uppers=(-1.4, -1.3, -1.5),
        spread=0.5,
        tops=(0.2, 1.0, 1.0),
    ),
)


def plan_of(seed: int, trials: int = 400, within: float = 0.15) -> BoundPlan:
    """Return the plan of a simulated search."""
    content = {
        "name": "simulated",
        "task": "addition",
        "objectives": [{"metric": "exact_match", "direction": "max"}],
        "target": {"exact_match": 0.99},
        "fixed": {"digits": 3, "d_ff": 16, "n_heads": 1},
        "space": {
            "d_model": {"type": "choice", "values": list(SIZES)},
            "lr": {"type": "float", "low": LOW, "high": HIGH, "log": True},
        },
        "search": {"trials": trials, "seed": seed},
        "question": {"regimes": {"rate": "lr", "by": "d_model", "within": within}},
    }
    return bind(Plan.model_validate(content))


class World:
    """A simulated machine: configurations have effects of their own, and outcomes are drawn."""

    def __init__(self, bands: Bands, seed: int) -> None:
        self._bands = bands
        self._rng = np.random.default_rng([seed, 7])
        self._own: dict[tuple[int, float], float] = {}

    def works(self, size: int, rate: float) -> bool:
        """Draw the outcome of a trial."""
        own = self._own.setdefault((size, rate), float(self._rng.standard_normal()))
        return bool(self._rng.random() < self._bands.chance(size, math.log10(rate), own))


def asked(bands: Bands, seed: int, trials: int = 400) -> tuple[RegimesAnswer, float]:
    """Run a search that asks, two trials at a time; return its answer, and the seconds of a decision."""
    bound = plan_of(seed, trials)
    queue, world, running = TrialQueue(bound), World(bands, seed), []
    tally: dict[tuple[int, float], list[int]] = {}
    spent, decisions = 0.0, 0
    while True:
        while len(running) < CONCURRENCY:
            begun = time.perf_counter()
            spec = queue.next()
            spent, decisions = spent + time.perf_counter() - begun, decisions + 1
            if spec is None:
                break
            running.append(spec)
        if not running:
            break
        spec = running.pop(0)
        size, rate = SIZES.index(int(spec.values["d_model"])), float(spec.values["lr"])  # type: ignore[arg-type]
        works = world.works(size, rate)
        counts = tally.setdefault((size, rate), [0, 0])
        counts[0] += works
        counts[1] += 1
        ending = TrialEnding.SOLVED if works else TrialEnding.FINISHED
        queue.ended(spec.label, SeedOutcome(ending=ending, step=1000, metrics={}))
    return _answer(bound, tally), spent / decisions


def even(bands: Bands, seed: int, each: int, seeds: int = 1) -> RegimesAnswer:
    """Try every size at evenly spaced rates, and return what the same model says of it."""
    bound, world = plan_of(seed), World(bands, seed)
    tally: dict[tuple[int, float], list[int]] = {}
    for size in range(len(SIZES)):
        for rate in np.geomspace(LOW, HIGH, each // seeds):
            works = [world.works(size, float(rate)) for _ in range(seeds)]
            tally[size, float(rate)] = [sum(works), seeds]
    return _answer(bound, tally)


def _answer(bound: BoundPlan, tally: Mapping[tuple[int, float], Sequence[int]]) -> RegimesAnswer:
    question = bound.plan.question
    assert question is not None
    asked_for = question.regimes
    assert isinstance(asked_for, RegimesQuestion)
    model, tables = _model(asked_for.within), []
    for size in range(len(SIZES)):
        seen = [Seen(math.log10(rate), *map(float, told)) for (at, rate), told in tally.items() if at == size]
        tables.append(BandTables(model, seen))
    sizes = [SizeAnswer(*each) for each in zip(SIZES, posteriors(tables), strict=True)]
    return RegimesAnswer(question=asked_for, sizes=sizes)


@lru_cache
def _model(within: float) -> BandModel:
    """Return the model of all searches: its tables are computed once."""
    return BandModel(math.log10(LOW), math.log10(HIGH), within=within)


def judged(bands: Bands, answers: Sequence[RegimesAnswer]) -> dict[str, float]:
    """Return how often intervals held, how often answers were sharp, and what they took."""
    held = total = known = nothing = 0
    away = []
    for answer in answers:
        for place, size in enumerate(answer.sizes):
            edges = bands.edges(place)
            known += size.works is (edges is not None)
            nothing += size.works is (edges is None)
            if edges is None or size.works is False:
                continue
            for edge, true in zip(size.edges, edges, strict=True):
                low = edge.rate.low if math.isfinite(edge.rate.low) else 0.0
                total, held = total + 1, held + (low <= 10**true <= edge.rate.high)
                away.append(edge.precision)
    trials = [answer.trials for answer in answers]
    low, high = wilson(held, total)
    return {
        "coverage": held / total,
        "from": low,
        "to": high,
        "right about working": known / (len(SIZES) * len(answers)),
        "wrong": nothing / (len(SIZES) * len(answers)),
        "sharp": float(np.mean([answer.is_sharp for answer in answers])),
        "precision": float(np.median(away)),
        "trials": float(np.median(trials)),
        "trials_90": float(np.quantile(trials, 0.9)),
    }


def main() -> None:
    """Print a table for each kind of truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=200, help="simulated searches of each kind")
    parser.add_argument("--only", default="", help="the kinds whose names contain this")
    parser.add_argument(
        "--even", default="24,32,48,64,96,128,192", help="trials of each size of the even grids"
    )
    given = parser.parse_args()
    for bands in TRUTHS:
        if given.only not in bands.name:
            continue
        found = [asked(bands, seed) for seed in range(given.searches)]
        told = judged(bands, [answer for answer, _ in found])
        print(f"\n{bands.name}: {1e3 * np.mean([spent for _, spent in found]):.0f} ms a decision", flush=True)
        _print("asked", told)
        for each in map(int, given.even.split(",")):
            few = [even(bands, seed, each) for seed in range(given.searches)]
            _print(f"even, {each} a size", judged(bands, few))


def _print(name: str, told: Mapping[str, float]) -> None:
    print(
        f"{name:20} {told['trials']:5.0f} trials (nine of ten: {told['trials_90']:.0f}), "
        f"coverage {100 * told['coverage']:.1f} % ({100 * told['from']:.1f} to {100 * told['to']:.1f}), "
        f"sharp {100 * told['sharp']:.0f} %, median precision {told['precision']:.3f}, "
        f"right about working {100 * told['right about working']:.1f} %, wrong {100 * told['wrong']:.1f} %",
        flush=True,
    )


if __name__ == "__main__":
    main()
