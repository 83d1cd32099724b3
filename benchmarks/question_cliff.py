"""The question of the cliff on known truths: trials it takes, beside an even grid, and intervals that hold.

    python benchmarks/question_cliff.py --searches 200

First, sizes alone: trials are placed one after the other until the size at which half of the seeds learn is
known to ±10 %, by the product's own model, once where they tell most and once evenly in the logarithm of the
size. Both stop by the same rule and answer with the same posterior, so only the placing differs.

Second, whole spaces: the strategy runs on a shipped space file with simulated outcomes, two at a time, and
chooses recipe and shapes itself. Its answer is compared with the true cliff of the family that it fixed, and
that with the cliff of the best recipe.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from analysis.files.layout import TrialEnding
from analysis.questions.cliff import FEWEST
from analysis.questions.edge import EdgeModel, EdgePosterior, Seen, best_place
from analysis.statistics.logistic import shares
from paretune.api.checking import check
from paretune.plan.binding import BoundPlan, bind
from paretune.sampling.history import TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.sampling.strategies.cliff import CliffStrategy
from search_spaces.parts.question import CliffQuestion, Question
from search_spaces.plan import Plan, Values

Array = NDArray[np.float64]

LOW, HIGH = math.log(300), math.log(3000)
PLACES = 60
MOST = 600
"""Trials after which a simulated search is given up."""


@dataclass(frozen=True)
class Shape:
    """How the share of seeds that solve rises with log size; ``u`` is what a configuration has beside it."""

    name: str
    chance: Callable[[Array, Array], Array]
    """Of log size beyond the edge, and u."""
    spread: float

    def edge(self) -> float:
        """Where half of the seeds solve on average over configurations, from where ``chance`` counts."""
        u = np.random.default_rng(0).standard_normal(4000) * self.spread
        return float(brentq(lambda x: float(self.chance(np.array(x), u).mean()) - 0.5, -4, 4))


def _logistic(x: Array, u: Array, slope: float, top: float = 1.0) -> Array:
    return np.asarray(top * shares(slope * x + math.log(0.5 / (top - 0.5)) + u if top < 1 else slope * x + u))


def _gompertz(x: Array, u: Array) -> Array:
    return np.asarray(1 - np.exp(-math.log(2) * np.exp(5 * x + u)))


SHAPES = (
    Shape("logistic, slope 5", partial(_logistic, slope=5.0), 0.5),
    Shape("logistic, slope 8, configurations differ by 2", partial(_logistic, slope=8.0), 2.0),
    Shape("steep, slope 25", partial(_logistic, slope=25.0), 0.3),
    Shape("asymmetric (complementary log-log)", _gompertz, 0.5),
    Shape("at most 90 % solve, slope 10", partial(_logistic, slope=10.0, top=0.9), 0.5),
)


def _even(count: int) -> float:
    """Return number ``count`` of a sequence that fills 0 to 1 evenly (van der Corput's)."""
    place, scale = 0.0, 0.5
    while count:
        place, count, scale = place + scale * (count % 2), count // 2, scale / 2
    return place


def sizes_alone(shape: Shape, within: float, *, is_even: bool, seed: int) -> tuple[int, bool, float]:
    """Return the trials until it is sharp, whether the interval holds the truth, and the error, in log
    size."""
    rng = np.random.default_rng(seed)
    half = rng.uniform(math.log(500), math.log(1800))
    true = half + shape.edge()
    model = EdgeModel(LOW, HIGH, within=within)
    places = np.linspace(LOW, HIGH, PLACES)
    means = [model.mean_chance(x) for x in places]
    nothing = [Seen(x, 0, 0) for x in places]
    posterior = EdgePosterior(model)
    trials = 0
    while trials < MOST and (trials < FEWEST or posterior.precision > within):
        if is_even:
            x = LOW + (HIGH - LOW) * _even(trials + 1)
        else:
            x = places[best_place(posterior, nothing, means)] + rng.uniform(-0.01, 0.01)
        u = shape.spread * rng.standard_normal()
        solved = float(rng.random() < float(shape.chance(np.array(x - half), np.array(u))))
        posterior = posterior.with_one_more(Seen(x, solved, 1))
        trials += 1
    size = posterior.size
    return trials, size.low <= math.exp(true) <= size.high, math.log(size.value) - true


@dataclass(frozen=True)
class Space:
    """A space file with a made-up truth."""

    file: str
    half: float
    slope: float
    spread: float
    terms: Callable[[Values], float]
    """What a recipe adds to the log odds; 0 for the best."""

    def log_odds(self, values: Values, params: int) -> float:
        """Return the log odds of a configuration, without what it has for itself."""
        return self.slope * (math.log(params) - math.log(self.half)) + self.terms(values)


def _rate(values: Values, best: float) -> float:
    return -24 * math.log10(float(values["lr"]) / best) ** 2  # type: ignore[arg-type]


def _cliff_terms(values: Values) -> float:
    heads = 0.5 if values.get("n_heads") == 2 else 0.0
    return _rate(values, 0.015) - heads - (0.0 if values.get("final_norm") else 0.4)


def _quick_terms(values: Values) -> float:
    return _rate(values, 0.012) - 0.3 * math.log2(int(values["n_heads"]))  # type: ignore[arg-type]


SPACES = (
    Space("parameter_cliff.yaml", 750, 7, 0.6, _cliff_terms),
    Space("parameter_cliff.yaml", 900, 15, 0.3, _cliff_terms),
    Space("quickstart.yaml", 1200, 6, 0.8, _quick_terms),
)


def plan_of(space: Space, within: float, seed: int) -> BoundPlan:
    """Return the plan of a space file with the question, and a seed."""
    stated = check(Path(__file__).parents[1] / "search_spaces" / space.file).stated()
    stated.pop("early_stopping", None)
    stated |= {
        "search": {"trials": 300, "seed": seed},
        "question": Question(cliff=CliffQuestion(within=within)).model_dump(exclude_none=True),
    }
    return bind(Plan.model_validate(stated))


def whole_space(space: Space, within: float, seed: int) -> tuple[int, bool, float, float]:
    """Return the trials of a search, whether its interval holds the cliff of its family, by how much that
    cliff is above the best recipe's in log size, and the error in log size."""
    bound = plan_of(space, within, seed)
    queue, rng = TrialQueue(bound), np.random.default_rng(seed)
    own: dict[int, float] = {}
    running: list[TrialSpec] = []
    trials = 0
    while True:
        while len(running) < 2 and not queue.exhausted and (spec := queue.next()) is not None:
            running.append(spec)
        if not running:
            break
        spec = running.pop(0)
        trials += 1
        own.setdefault(spec.configuration, space.spread * rng.standard_normal())
        chance = float(shares(np.array(space.log_odds(spec.values, spec.params) + own[spec.configuration])))
        ending = TrialEnding.SOLVED if rng.random() < chance else TrialEnding.FINISHED
        queue.ended(spec.label, SeedOutcome(ending=ending, step=1))
    strategy = queue.strategy
    assert isinstance(strategy, CliffStrategy)
    assert strategy.family is not None
    members = [(member.x, space.log_odds(member.values, member.params)) for member in strategy.family]
    true = _crossing(members)
    size = strategy.answer(queue.history).size
    best = math.log(space.half)
    return trials, size.low <= math.exp(true) <= size.high, true - best, math.log(size.value) - true


def _crossing(members: Sequence[tuple[float, float]]) -> float:
    """Return the log size at which a line through the family's log odds near 0 crosses 0."""
    near = np.array([each for each in members if abs(each[1]) < 4])
    slope, constant = np.polyfit(near[:, 0], near[:, 1], 1)
    return float(-constant / slope)


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    """Simulate and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--searches", type=int, default=200, help="simulated searches of each kind")
    parser.add_argument("--within", type=float, default=0.1, help="precision that is asked for")
    parser.add_argument("--part", choices=("sizes", "spaces"), help="only this part")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(options.searches)
    with get_context("fork").Pool(options.processes) as pool:
        if options.part != "spaces":
            _tell_sizes(pool, options.within, seeds)
        if options.part != "sizes":
            _tell_spaces(pool, options.within, seeds)


def _tell_sizes(pool: Pool, within: float, seeds: Sequence[int]) -> None:
    print(_row(["truth", "trials placed, median", "evenly", "ratio", "holds", "evenly holds", "error"]))
    print(_row(["---"] * 7))
    for shape in SHAPES:
        placed, even = (
            pool.map(partial(_sizes, shape, within, is_even), seeds, chunksize=4) for is_even in (False, True)
        )
        counts = [float(np.median([found[0] for found in kind])) for kind in (placed, even)]
        holds = [f"{100 * np.mean([found[1] for found in kind]):.1f} %" for kind in (placed, even)]
        error = f"{100 * math.sqrt(np.mean([found[2] ** 2 for found in placed])):.1f} %"
        ratio = f"{counts[0] / counts[1]:.2f}"
        print(_row([shape.name, f"{counts[0]:.0f}", f"{counts[1]:.0f}", ratio, *holds, error]), flush=True)


def _tell_spaces(pool: Pool, within: float, seeds: Sequence[int]) -> None:
    print(_row(["space", "trials, median", "holds", "family's cliff above the best recipe's", "error"]))
    print(_row(["---"] * 5))
    for space in SPACES:
        runs = pool.map(partial(whole_space, space, within), seeds, chunksize=2)
        name = f"{space.file}, half at {space.half:g}, slope {space.slope:g}"
        count = f"{np.median([run[0] for run in runs]):.0f}"
        holds = f"{100 * np.mean([run[1] for run in runs]):.1f} %"
        above = f"{100 * np.median([run[2] for run in runs]):.1f} %"
        error = f"{100 * math.sqrt(np.mean([run[3] ** 2 for run in runs])):.1f} %"
        print(_row([name, count, holds, above, error]), flush=True)


def _sizes(shape: Shape, within: float, is_even: bool, seed: int) -> tuple[int, bool, float]:
    return sizes_alone(shape, within, is_even=is_even, seed=seed)


if __name__ == "__main__":
    main()
