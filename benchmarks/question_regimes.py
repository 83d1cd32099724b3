"""The question of the regimes on known truths: trials it takes, beside an even grid, and intervals that hold.

    python benchmarks/question_regimes.py --searches 200    # an hour of processor time
    python benchmarks/question_regimes.py --searches 20     # for a first look

Both edges are asked for at three sizes, to ±0.15 decades, in a space of three decades. A trial works with the
chance ``top * sigma(k (x - a) + u) * sigma(k (b - x) + u)`` at the decimal logarithm x of the rate, where u
is a configuration's own. The true edges are where that crosses one half on average over configurations. This
is not the model that the answer fits: there one side knows nothing of the other.

The strategy runs on the product's own queue, two trials at a time. The even grid spreads its trials over
sizes and rates, and stops by the same rule: when every edge is known. Its answer is of the same model. Beside
it stands a grid that stops at each size by itself.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from analysis.files.layout import TrialEnding
from analysis.questions.band import BandModel
from analysis.questions.band_posterior import BandTables, posteriors
from analysis.questions.edge import Seen
from analysis.questions.regimes import RegimesAnswer, SizeAnswer
from analysis.statistics.intervals import wilson
from paretune.plan.binding import BoundPlan, bind
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.sampling.strategies.regimes import rates_of
from search_spaces.parts.question import RegimesQuestion
from search_spaces.plan import Plan

SIZES = (6, 10, 16)
WITHIN = 0.15
MOST = 400
"""Trials after which a search is given up; of the even grid, at each size."""
EVERY = 4
"""Trials of each size between looks at the even grid."""
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

    @lru_cache  # noqa: B019
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


def plan_of(seed: int, trials: int = MOST) -> BoundPlan:
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
        "question": {"regimes": {"rate": "lr", "by": "d_model", "within": WITHIN}},
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


def asked(bands: Bands, seed: int, trials: int = MOST) -> tuple[RegimesAnswer, float]:
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


def even(bands: Bands, seed: int, trials: int = MOST) -> tuple[RegimesAnswer, int]:
    """Spread trials evenly over sizes and rates until all edges are as sharp as was asked.

    Returns:
        The answer, and how many trials it would take to stop at each size by itself.
    """
    bound, world = plan_of(seed), World(bands, seed)
    rates = rates_of(bound.plan.space["lr"], WITHIN)
    tally: dict[tuple[int, float], list[int]] = {}
    answer = _answer(bound, tally)
    took: dict[int, int] = {}
    for trial in range(1, trials + 1):
        # As even after any number of trials as it can be.
        rate = rates[int(len(rates) * (trial * (math.sqrt(5) - 1) / 2 % 1))]
        for size in range(len(SIZES)):
            counts = tally.setdefault((size, rate), [0, 0])
            counts[0] += world.works(size, rate)
            counts[1] += 1
        if trial % EVERY == 0:
            answer = _answer(bound, tally)
            for size, one in enumerate(answer.sizes):
                if one.is_sharp:
                    took.setdefault(size, trial)
            if answer.is_sharp:
                break
    return answer, sum(took.get(size, trials) for size in range(len(SIZES)))


def _answer(bound: BoundPlan, tally: Mapping[tuple[int, float], Sequence[int]]) -> RegimesAnswer:
    question = bound.plan.question
    assert question is not None
    asked_for = question.regimes
    assert isinstance(asked_for, RegimesQuestion)
    model, tables = _model(), []
    for size in range(len(SIZES)):
        seen = [Seen(math.log10(rate), *map(float, told)) for (at, rate), told in tally.items() if at == size]
        tables.append(BandTables(model, seen))
    sizes = [SizeAnswer(*each) for each in zip(SIZES, posteriors(tables), strict=True)]
    return RegimesAnswer(question=asked_for, sizes=sizes)


@lru_cache
def _model() -> BandModel:
    """Return the model of all searches: its tables are computed once."""
    return BandModel(math.log10(LOW), math.log10(HIGH), within=WITHIN)


@dataclass(frozen=True)
class Judged:
    """What searches of one kind came to."""

    bands: Bands
    answers: Sequence[RegimesAnswer]

    def holds(self) -> tuple[int, int]:
        """Return how many edges lie within their intervals, and of how many."""
        held = total = 0
        for answer in self.answers:
            for place, size in enumerate(answer.sizes):
                edges = self.bands.edges(place)
                if edges is None or size.works is False:
                    continue
                for edge, true in zip(size.edges, edges, strict=True):
                    low = edge.rate.low if math.isfinite(edge.rate.low) else 0.0
                    total, held = total + 1, held + (low <= 10**true <= edge.rate.high)
        return held, total

    def wrong(self) -> int:
        """Return at how many sizes it is said that a rate works where none does, or the other way round."""
        return sum(
            size.works is (self.bands.edges(place) is None)
            for answer in self.answers
            for place, size in enumerate(answer.sizes)
        )

    def trials(self, quantile: float = 0.5) -> float:
        """Return a quantile of the trials that searches took."""
        return float(np.quantile([answer.trials for answer in self.answers], quantile))


Simulated = tuple[RegimesAnswer, float, RegimesAnswer, int]


def _search(bands: Bands, seed: int) -> Simulated:
    return (*asked(bands, seed), *even(bands, seed))


def main() -> None:
    """Simulate and print a table."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=200, help="simulated searches of each kind")
    parser.add_argument("--only", default="", help="the kinds whose names contain this")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    print(_row(_NAMES))
    print(_row(["---"] * len(_NAMES)))
    with get_context("fork").Pool(given.processes) as pool:
        for bands in TRUTHS:
            if given.only in bands.name:
                found = pool.map(partial(_search, bands), range(given.searches), chunksize=1)
                print(_row(_cells(bands, found)), flush=True)


_NAMES = (
    "truth",
    "trials placed, median",
    "nine of ten",
    "evenly",
    "ratio",
    "evenly, each size by itself",
    "holds",
    "evenly holds",
    "sharp",
    "wrong that a rate works",
    "ms a decision",
)


def _cells(bands: Bands, found: Sequence[Simulated]) -> list[str]:
    placed = Judged(bands, [answer for answer, _, _, _ in found])
    evenly = Judged(bands, [answer for _, _, answer, _ in found])
    holds = []
    for kind in (placed, evenly):
        held, total = kind.holds()
        low, high = wilson(held, total)
        holds.append(f"{100 * held / total:.1f} % ({100 * low:.1f} to {100 * high:.1f})")
    return [
        bands.name,
        f"{placed.trials():.0f}",
        f"{placed.trials(0.9):.0f}",
        f"{evenly.trials():.0f}",
        f"{placed.trials() / evenly.trials():.2f}",
        f"{np.median([by_itself for *_, by_itself in found]):.0f}",
        *holds,
        f"{100 * np.mean([answer.is_sharp for answer in placed.answers]):.0f} %",
        f"{placed.wrong()} of {len(found) * len(SIZES)}",
        f"{1e3 * np.mean([spent for _, spent, _, _ in found]):.0f}",
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
