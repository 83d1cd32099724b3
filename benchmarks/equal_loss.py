"""What one side of a comparison costs against another at equal loss, from runs of several horizons.

    python benchmarks/equal_loss.py results/muon-against-adamw --by optimizer --loss 2.6

A run that is longer than it has to be passes a loss before its cooldown, so the time to a loss is that of
the shortest run which ends at it. For each side and seed the ends of its runs of several horizons are a
curve of loss against cost; where it crosses the loss is interpolated, linearly in the logarithm of the
cost. Nothing is extrapolated: a seed whose runs do not cross the loss is left out, and the number of seeds
says so. Ratios are those of the two sides' costs with one seed; the mean of their logarithms has Student's
95 % interval over seeds. Differences at equal steps are paired by seed too.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

import paretune
from analysis.confirmation.changes import mean_estimate

COSTS = {"step": "steps", "tokens": "tokens", "cpu_seconds": "processor seconds"}


def cost_at(loss: float, costs: Sequence[float], losses: Sequence[float]) -> float:
    """Return the cost at which a curve first falls to a loss; NaN where it does not, or begins below it.

    Args:
        loss: the loss asked for.
        costs: of each run, in increasing order.
        losses: at the end of each run.
    """
    for index in range(1, len(costs)):
        before, after = losses[index - 1], losses[index]
        if before > loss >= after:
            share = (before - loss) / (before - after)
            return math.exp((1 - share) * math.log(costs[index - 1]) + share * math.log(costs[index]))
    return math.nan


def costs_by_seed(
    trials: pd.DataFrame, side: str, loss: float, metric: str, cost: str
) -> Mapping[int, float]:
    """Return what reaching the loss costs with each seed of a side; NaN where its runs do not tell."""
    found = {}
    for seed, runs in trials[trials["side"] == side].groupby("seed"):
        ordered = runs.sort_values("horizon")
        found[int(str(seed))] = cost_at(loss, ordered[cost].tolist(), ordered[metric].tolist())
    return found


def ratio(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[int, tuple[float, float, float]]:
    """Return how many seeds have both costs, and the ratio, second over first, with its interval."""
    both = [seed for seed in first if seed in second]
    logs = [math.log(second[seed] / first[seed]) for seed in both]
    logs = [value for value in logs if not math.isnan(value)]
    mean = mean_estimate(logs)
    return len(logs), (math.exp(mean.value), math.exp(mean.low), math.exp(mean.high))


def at_equal_steps(trials: pd.DataFrame, base: str, other: str, metric: str) -> list[str]:
    """Return a line for each horizon: the difference of the metric, other less base, paired by seed."""
    lines = []
    for horizon, runs in trials.groupby("horizon"):
        table = runs.pivot_table(index="seed", columns="side", values=metric)
        if base not in table or other not in table:
            continue
        differences = (table[other] - table[base]).dropna().tolist()
        mean = mean_estimate(differences)
        told = f"{mean.value:+.3f}"
        if mean.is_bounded:
            told += f" ({mean.low:+.3f} to {mean.high:+.3f})"
        means = f"{table[base].mean():.3f} | {table[other].mean():.3f}"
        lines.append(f"| {other} | {horizon} | {len(differences)} | {means} | {told} |")
    return lines


def main() -> None:
    """Print the differences at equal steps, and the ratios at equal loss."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="a search with several values of steps")
    parser.add_argument("--by", default="optimizer", help="the parameter whose values are compared")
    parser.add_argument("--base", default="", help="the value that others are compared with; the first")
    parser.add_argument("--where", nargs="+", default=[], help="conditions, as of paretune times --where")
    parser.add_argument("--metric", default="bits_per_byte", help="a loss that its trials report")
    parser.add_argument("--loss", type=float, nargs="+", required=True, help="at which costs are compared")
    given = parser.parse_args()
    trials = paretune.open(given.folder).where(*given.where).trials
    trials = trials[trials["ending"].isin(["finished", "solved"])].copy()
    trials["side"] = [str(values[given.by]) for values in trials["values"]]
    trials["horizon"] = [int(values["steps"]) for values in trials["values"]]
    if (several := trials[trials.duplicated(["side", "horizon", "seed"])]).size:
        first = several.iloc[0]
        parser.error(
            f"several configurations with {given.by}={first['side']} have {first['horizon']} steps, "
            "so they differ in more than that; choose among them with --where"
        )
    sides = list(dict.fromkeys(trials.sort_values("configuration")["side"]))
    base = given.base or sides[0]
    others = [side for side in sides if side != base]
    print(f"{given.metric} at equal steps, against {base}\n")
    print(f"| {given.by} | steps | seeds | {base} | it | difference |\n|---|---|---|---|---|---|")
    for other in others:
        print("\n".join(at_equal_steps(trials, base, other, given.metric)))
    print(f"\nCost at equal loss, as a multiple of {base}'s\n")
    print(
        f"| {given.metric} | {given.by} | cost | seeds | {base} | it | ratio |\n|---|---|---|---|---|---|---|"
    )
    for loss in given.loss:
        for other in others:
            for cost, called in COSTS.items():
                spent = {
                    side: costs_by_seed(trials, side, loss, given.metric, cost) for side in (base, other)
                }
                seeds, (value, low, high) = ratio(spent[base], spent[other])
                told = f"{value:.2f} ({low:.2f} to {high:.2f})" if seeds > 1 else "cannot be determined"
                means = [
                    np.nanmean([*costs.values(), math.nan]) if seeds else math.nan for costs in spent.values()
                ]
                shown = " | ".join(f"{mean:,.4g}" if mean == mean else "-" for mean in means)
                print(f"| {loss:g} | {other} | {called} | {seeds} | {shown} | {told} |")


if __name__ == "__main__":
    main()
