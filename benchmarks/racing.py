"""How often does the sequential test of racing seeds err, and how good is the winner that retrain takes?

    python benchmarks/racing.py --searches 200

Searches without training: their outcomes are drawn from known success rates. First the test alone, at several
true rates. Then whole searches of 120 trials on three shapes of truth, with fixed seeds and with seeds that
race, and the true success rate of the configuration that is taken for the smallest that reaches the target,
by three rules.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from untrained import Shape, bound_of, run

from analysis.configurations import configurations
from analysis.questions.sequential import Verdict, chances, verdict
from analysis.ranking import smallest
from analysis.rows import SearchRows
from search_spaces.parts.search import RacingSeeds

SHAPES = {"gentle": (3.0, 0.0), "steep": (8.0, 0.5), "configurations differ": (5.0, 1.5)}
"""Slopes of the log odds against the logarithm of the size, and spreads of configurations."""

HALF = 1000.0
TRIALS = 120
SEEDS: Mapping[str, object] = {"2 seeds": 2, "3 seeds": 3, "2 to 16, racing": {"from": 2, "to": 16}}

BY_SEEDS, BY_EXPECTED, BY_RULE = "own seeds", "expected above 50 %", "the rule"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=200, help="searches of each kind")
    parser.add_argument("--tests", type=int, default=20_000, help="configurations tested at each rate")
    parser.add_argument("--trials", type=int, default=TRIALS, help="trials of a search")
    parser.add_argument("--sampler", default="tpe", help="the sampler of the searches")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print_test(options.tests)
    print()
    print_winners(options.searches, options.trials, options.sampler)


def print_test(tests: int) -> None:
    """Print what the test decides at several rates, simulated and by its formula."""
    rng = np.random.default_rng(0)
    rule = RacingSeeds.model_validate({})
    print(f"The test with error {rule.error:g}, at most {rule.to} seeds, {tests:,} configurations each")
    print("| true rate | more than half | less than half | not decided | mean seeds | by formula |")
    print("|---|---|---|---|---|---|")
    for rate in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        found = [verdict((rng.random(rule.to) < rate).tolist(), rule.lead) for _ in range(tests)]
        shares = [found.count(one) / tests for one in (Verdict.MORE, Verdict.LESS, Verdict.OPEN)]
        more, less, seeds = chances(rate, rule.lead, rule.to)
        told = " | ".join(f"{100 * share:.1f} %" for share in shares)
        print(f"| {rate:g} | {told} | {seeds:.1f} | {100 * more:.1f} % and {100 * less:.1f} % |")


def print_winners(searches: int, trials: int, sampler: str) -> None:
    """Print the true rates of what three rules take for the smallest that reaches the target."""
    print(f"Winners of {searches} searches of {trials} trials, sampler {sampler}: mean true rate")
    print(
        "| truth | seeds | configurations | own seeds | expected above 50 % | the rule | tenth percentile "
        "| size | searches with one |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (slope, spread) in SHAPES.items():
        for seeds, stated in SEEDS.items():
            found = [winners(number, slope, spread, stated, trials, sampler) for number in range(searches)]
            table = pd.DataFrame(found)
            rates = table[BY_RULE].dropna()
            print(
                f"| {name} | {seeds} | {table['configurations'].mean():.0f} | {table[BY_SEEDS].mean():.2f} "
                f"| {table[BY_EXPECTED].mean():.2f} | {rates.mean():.2f} | {rates.quantile(0.1):.2f} "
                f"| {table['size'].median():,.0f} | {len(rates)} |",
                flush=True,
            )


def winners(
    number: int, slope: float, spread: float, seeds: object, trials: int, sampler: str
) -> dict[str, float]:
    """Run one search and return the true rates of what the rules take, NaN where one takes nothing."""
    shape = Shape(slope, spread, HALF, np.random.default_rng([number, 7]))
    search = {"trials": trials, "seeds": seeds, "seed": number, "sampler": sampler}
    rows = run(bound_of(search=search), shape.ends)
    row = smallest(rows)
    found = {BY_RULE: np.nan, "size": np.nan}
    if row is not None:
        found = {BY_RULE: shape.of(int(row["configuration"])), "size": float(row["params"])}
    return {**found, "configurations": float(rows.trials["configuration"].nunique()), **others(rows, shape)}


def others(rows: SearchRows, shape: Shape) -> dict[str, float]:
    """Return the true rates of what simpler rules take."""
    table = configurations(rows).sort_values("params")
    found = {}
    for rule, column in ((BY_SEEDS, "success_rate"), (BY_EXPECTED, "expected_rate")):
        kept = table[(table[column] > 0.5) & (table["solved"] > 0)]
        found[rule] = shape.of(int(kept["configuration"].iloc[0])) if len(kept) else np.nan
    return found


if __name__ == "__main__":
    main()
