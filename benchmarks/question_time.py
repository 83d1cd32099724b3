"""The question of the time to the target on a known truth: trials, coverage, and how good its frontier is.

    python benchmarks/question_time.py --searches 100

Success rises with size, and so does the time of a trial; a rate that is off makes it slow. Both are known,
and so is what a success truly costs with every configuration. Searches without training: outcomes are drawn.
Told are the trials; how often the frontier was found and sharp; how often the intervals of its costs hold the
true ones, on the seeds that estimate and, for comparison, on all seeds; and by how much the cheapest
configuration of the frontier is dearer than the cheapest of 500 random ones.
"""

from __future__ import annotations

import argparse
import math
import random
import warnings
from itertools import islice

import numpy as np
import pandas as pd
from untrained import bound_of, run

from analysis.costs import cost_of_success
from analysis.questions.time_to_target import time_answer
from paretune.plan.binding import BoundPlan
from paretune.sampling.history import TrialSpec
from search_spaces.plan import Values
from search_spaces.sampling import draws

HALF, SLOPE, BEST, SCATTER = 900.0, 6.0, 0.02, 0.3


def main() -> None:
    """Print a line for each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=100, help="searches of each kind")
    parser.add_argument("--trials", type=int, nargs="+", default=[200, 400], help="most trials of a search")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| most trials | trials | sharp | points | coverage | coverage, all seeds | dearer than the best |")
    print("|---|---|---|---|---|---|---|")
    for trials in options.trials:
        found = pd.DataFrame([search(number, trials) for number in range(options.searches)])
        held, held_all = (found[name].sum() / found["points"].sum() for name in ("held", "held by all"))
        print(
            f"| {trials} | {found['trials'].mean():.0f} | {100 * found['sharp'].mean():.0f} % "
            f"| {found['points'].mean():.1f} | {100 * held:.1f} % | {100 * held_all:.1f} % "
            f"| {100 * found['dearer'].median():.0f} % |",
            flush=True,
        )


def truth_of(bound: BoundPlan, values: Values) -> tuple[float, float]:
    """Return the success rate of a configuration, and the mean time of a trial in seconds."""
    params = bound.params(values)
    off = math.log10(float(values["lr"]) / BEST)  # type: ignore[arg-type]
    rate = 1 / (1 + math.exp(-(SLOPE * math.log(params / HALF) - 4 * off**2)))
    return rate, params / 100 * (1 + 2 * off**2)


def search(number: int, trials: int) -> dict[str, float]:
    """Run one search and compare its frontier with the truth."""
    rng = np.random.default_rng([number, 5])
    bound = bound_of(
        objectives=[
            {"metric": "exact_match", "direction": "max"},
            {"metric": "params", "direction": "min"},
            {"metric": "cpu_seconds_to_target", "direction": "min"},
        ],
        question={"time_to_target": {}},
        search={"trials": trials, "seed": number},
    )

    def ends(spec: TrialSpec) -> tuple[bool, float]:
        rate, seconds = truth_of(bound, spec.values)
        return bool(rng.random() < rate), seconds * math.exp(rng.normal(-(SCATTER**2) / 2, SCATTER))

    rows = run(bound, ends)
    assert bound.plan.question is not None
    assert bound.plan.question.time_to_target is not None
    answer = time_answer(rows, bound.plan.question.time_to_target)
    held = held_by_all = 0
    cheapest = math.inf
    for point in answer.points:
        seeds = rows.trials[rows.trials["configuration"] == point.contender.number]
        rate, seconds = truth_of(bound, seeds["values"].iloc[0])
        whole = cost_of_success(seeds["cpu_seconds"], seeds["ending"] == "solved")
        # Without any further seed there is no interval that could fail.
        held += not point.cost.is_known or point.cost.low <= seconds / rate <= point.cost.high
        held_by_all += whole.low <= seconds / rate <= whole.high
        cheapest = min(cheapest, seconds / rate)
    drawn = [truth_of(bound, values) for values in islice(_allowed(bound), 500)]
    best = min(seconds / rate for rate, seconds in drawn if rate > 0.5)
    return {
        "trials": len(rows.trials),
        "sharp": float(answer.is_sharp),
        "points": len(answer.points),
        "held": held,
        "held by all": held_by_all,
        "dearer": cheapest / best - 1,
    }


def _allowed(bound: BoundPlan):  # type: ignore[no-untyped-def]
    return (one for one in draws(bound.plan, random.Random(0)) if bound.refusal(one) is None)


if __name__ == "__main__":
    main()
