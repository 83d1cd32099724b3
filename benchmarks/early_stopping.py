"""Judge early-stopping rules by the winners that they end.

Takes a search that ran without early stopping, so that every trial's whole curve is known, and replays
rules of ASHA on the curves: trial after trial, in many random orders, since a rule's verdict depends on
who came before. For each rule: how many of the trials that solved the task it would have ended, and how
many steps it spends per solved trial.

    python benchmarks/early_stopping.py results/NAME --metric token_accuracy --grace 400 800 --factor 2 3
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
from pathlib import Path
from typing import Any

from analysis.layout import TrialEnding
from analysis.rows import SearchRows
from paretune.sampling.stopping import Rungs
from search_spaces.parts.early_stopping import EarlyStopping

Curve = list[dict[str, Any]]


def replay(
    curves: dict[str, Curve], solved: set[str], rule: EarlyStopping, rungs: list[int]
) -> tuple[int, int]:
    """Run the trials one after the other under a rule; return (solved trials ended, steps spent)."""
    asha = Rungs(rule, rungs)
    ended, steps = 0, 0
    for label, curve in curves.items():
        ending = TrialEnding.SOLVED if label in solved else TrialEnding.FINISHED
        *before, last = curve
        stopped = next((report for report in before if asha.reported(label, report, rungs)), None)
        if stopped is None:
            asha.ended(label, {**last, "ending": ending})
        else:
            ended += label in solved
        steps += (stopped or last)["step"]
    return ended, steps


def rungs_between(grace: int, factor: float, budget: int, *, single: bool) -> list[int]:
    """Return the rungs of a rule: the first only, or all below the budget."""
    rungs = [grace]
    while not single and rungs[-1] * factor < budget:
        rungs.append(round(rungs[-1] * factor))
    return rungs


def main() -> None:
    """Print one row per rule."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("search", type=Path, help="folder of a search that ran without early stopping")
    parser.add_argument("--metric", default="token_accuracy", help="compared at rungs, larger being better")
    parser.add_argument("--grace", type=int, nargs="+", required=True, help="first rungs, in steps")
    parser.add_argument("--factor", type=float, nargs="+", required=True, help="reduction factors")
    parser.add_argument("--orders", type=int, default=200, help="random orders of the trials")
    options = parser.parse_args()

    rows = SearchRows(options.search)
    if rows.plan.early_stopping is not None:
        parser.error(f"{options.search} ran with early stopping: its curves are cut off")
    done = rows.trials[rows.trials["ending"].isin(["solved", "finished"])]
    solved = set(done[done["ending"] == "solved"]["trial"])
    reports = rows.reports[["trial", "step", options.metric]]
    curves: dict[str, Curve] = {
        label: reports[reports["trial"] == label].drop(columns="trial").to_dict("records")
        for label in done["trial"]
    }
    budget = max(curve[-1]["step"] for curve in curves.values())
    spent = sum(curve[-1]["step"] for curve in curves.values())
    print(f"{len(curves)} trials, {len(solved)} solved, {options.orders} orders; means, and ranges of 90 %")
    print(f"{'rule':34} {'solved trials ended':>24} {'steps per solved trial':>26}")
    print(f"{'none':34} {0:>24} {spent / max(len(solved), 1):>26,.0f}")
    for grace, factor, single in itertools.product(options.grace, options.factor, (True, False)):
        rungs = rungs_between(grace, factor, budget, single=single)
        if not single and len(rungs) == 1:
            continue
        rule = EarlyStopping(
            metric=options.metric, direction="max", grace_period=grace, reduction_factor=factor
        )
        rng = random.Random(0)
        ended, cost = [], []
        for _ in range(options.orders):
            order = rng.sample(list(curves), len(curves))
            lost, steps = replay({label: curves[label] for label in order}, solved, rule, rungs)
            ended.append(lost)
            cost.append(steps / (len(solved) - lost) if lost < len(solved) else float("inf"))
        name = f"factor {factor:g}, rungs {', '.join(map(str, rungs))}"
        print(f"{name:34} {_spread(ended):>24} {_spread(cost):>26}")


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    return f"{statistics.fmean(values):,.1f} ({low:,.0f} to {high:,.0f})"


if __name__ == "__main__":
    main()
