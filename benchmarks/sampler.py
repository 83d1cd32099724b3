"""What a proposal costs when thousands of trials have been told, and whether faster ones are as good.

    python benchmarks/sampler.py                       # both tables
    python benchmarks/sampler.py --searches 0          # only the time
    python benchmarks/sampler.py --searches 5 --trials 300 --most-others 50

Time: processor time of one proposal and its result after so many, of Optuna's TPE sampler and of ours, which
take turns; medians. Quality: simulated searches of a landscape whose best value is known, with noise, by our
sampler with its limit on the trials it looks at, and without one, where it proposes as Optuna's does. Both
have the same seeds; regret is the distance of the best configuration, and of the mean of the last fifth, from
the best there is. Prints the mean of each, and of the difference within pairs with its 95 % interval.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from scipy.stats import t as student

from paretune.sampling.samplers.tpe import MOST_OTHERS, KeptTPESampler

DISTRIBUTIONS = optuna.distributions
SPACE: dict[str, optuna.distributions.BaseDistribution] = {
    "lr": DISTRIBUTIONS.FloatDistribution(1e-4, 1.0, log=True),
    "d_model": DISTRIBUTIONS.IntDistribution(4, 64, step=4),
    "d_ff": DISTRIBUTIONS.IntDistribution(4, 256, log=True),
    "weight_decay": DISTRIBUTIONS.FloatDistribution(0.0, 0.3),
    "norm": DISTRIBUTIONS.CategoricalDistribution(["layernorm", "rmsnorm", "none"]),
    "schedule": DISTRIBUTIONS.CategoricalDistribution(["constant", "cosine"]),
}
WARMUP = DISTRIBUTIONS.FloatDistribution(0.0, 0.5)
"""Of cosine schedules only."""
NOISE = 0.05


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--told", type=int, nargs="*", default=[400, 1000, 2000, 5000, 10_000])
    parser.add_argument("--proposals", type=int, default=15, help="measured after each number of results")
    parser.add_argument("--searches", type=int, default=24, help="simulated, each with and without the limit")
    parser.add_argument("--trials", type=int, default=2500, help="of each simulated search")
    parser.add_argument("--most-others", type=int, default=MOST_OTHERS, help="the limit")
    options = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if options.told:
        print("| told | parameters | objectives | Optuna | ours |\n|---|---|---|---|---|")
    for told in options.told:
        for objectives, parameters in ((1, 7), (2, 7), (1, 30)):
            stock, ours = _times(told, parameters, objectives, options.proposals)
            print(f"| {told:,} | {parameters} | {objectives} | {stock:.1f} ms | {ours:.1f} ms |", flush=True)
    if options.searches:
        _compare(options.searches, options.trials, options.most_others)


def value_of(params: dict[str, object]) -> float:
    """Return a configuration's value without noise; 0 is the best there is."""
    lr, width, hidden = float(params["lr"]), float(params["d_model"]), float(params["d_ff"])  # type: ignore[arg-type]
    best_lr = 0.02 * (32 / width) ** 0.5
    value = -0.3 * math.log10(lr / best_lr) ** 2
    value -= 0.05 * math.log2(width / 40) ** 2 + 0.02 * math.log2(hidden / 100) ** 2
    value -= 2.0 * (float(params["weight_decay"]) - 0.1) ** 2  # type: ignore[arg-type]
    value -= {"layernorm": 0.1, "rmsnorm": 0.0, "none": 0.4}[str(params["norm"])]
    if params["schedule"] == "constant":
        value -= 0.15
    else:
        value -= (float(params["warmup"]) - 0.1) ** 2  # type: ignore[arg-type]
    return value - (0.8 if lr > 5 * best_lr else 0.0)  # diverged


def _times(told: int, parameters: int, objectives: int, proposals: int) -> tuple[float, float]:
    """Return the median milliseconds of a proposal by Optuna's sampler and by ours, which take turns."""
    samplers = [
        optuna.samplers.TPESampler(seed=0, multivariate=True, group=True, constant_liar=True),
        KeptTPESampler(0),
    ]
    studies = [_filled(sampler, told, parameters, objectives) for sampler in samplers]
    taken: list[list[float]] = [[], []]
    for turn in range(proposals + 1):
        for study, times in zip(studies, taken, strict=True):
            began = time.process_time()
            _ask_and_tell(study, parameters, objectives, random.Random(turn))
            times.append(time.process_time() - began)
    # At its first proposal ours takes note of all that it was told.
    stock, ours = (1000 * statistics.median(times[1:]) for times in taken)
    return stock, ours


def _filled(
    sampler: optuna.samplers.BaseSampler, told: int, parameters: int, objectives: int
) -> optuna.Study:
    study = optuna.create_study(directions=["maximize", "minimize"][:objectives], sampler=sampler)
    rng = random.Random(0)
    for _ in range(told):
        study.enqueue_trial(_drawn(parameters, rng))
        _ask_and_tell(study, parameters, objectives, rng)
    return study


def _drawn(parameters: int, rng: random.Random) -> dict[str, object]:
    def one(space: optuna.distributions.BaseDistribution) -> object:
        if isinstance(space, DISTRIBUTIONS.CategoricalDistribution):
            return rng.choice(space.choices)
        assert isinstance(space, DISTRIBUTIONS.FloatDistribution | DISTRIBUTIONS.IntDistribution)
        low, high = (math.log(space.low), math.log(space.high)) if space.log else (space.low, space.high)
        drawn = rng.uniform(low, high)
        drawn = min(max(math.exp(drawn) if space.log else drawn, space.low), space.high)
        if isinstance(space, DISTRIBUTIONS.IntDistribution):
            return space.low + round((drawn - space.low) / space.step) * space.step
        return drawn

    return {name: one(space) for name, space in [*SPACE.items(), ("warmup", WARMUP), *_further(parameters)]}


def _further(parameters: int) -> list[tuple[str, optuna.distributions.BaseDistribution]]:
    """Return as many parameters without effect as are missing to the number."""
    kinds = [SPACE["weight_decay"], SPACE["lr"], DISTRIBUTIONS.IntDistribution(1, 64), SPACE["norm"]]
    return [(f"further_{index}", kinds[index % len(kinds)]) for index in range(parameters - len(SPACE) - 1)]


def _ask_and_tell(study: optuna.Study, parameters: int, objectives: int, rng: random.Random) -> float:
    """Let a study propose a configuration, tell its value with noise, and return the value without."""
    trial = study.ask()
    params = {name: trial._suggest(name, space) for name, space in [*SPACE.items(), *_further(parameters)]}
    if params["schedule"] == "cosine":
        params["warmup"] = trial._suggest("warmup", WARMUP)
    value = value_of(params)
    study.tell(trial, [value + rng.gauss(0, NOISE), float(params["d_model"])][:objectives])
    return value


def _compare(searches: int, trials: int, most_others: int) -> None:
    """Simulate searches with the limit and without, and print their regrets."""
    regrets: dict[int | None, list[tuple[float, float]]] = {most_others: [], None: []}
    for seed in range(searches):
        for limit, found in regrets.items():
            found.append(_search(KeptTPESampler(seed, limit), trials, seed))
    print(f"\n{searches} searches of {trials:,} trials; regret, lower is better\n")
    print(f"| regret of | limit {most_others:,} | no limit | difference, 95 % interval |\n|---|---|---|---|")
    for index, what in enumerate(("the best configuration", "the last fifth, mean")):
        limited, free = ([pair[index] for pair in found] for found in regrets.values())
        low, mean, high = _mean_interval(np.subtract(limited, free).tolist())
        difference = f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"
        print(f"| {what} | {np.mean(limited):.4f} | {np.mean(free):.4f} | {difference} |")


def _search(sampler: KeptTPESampler, trials: int, seed: int) -> tuple[float, float]:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    rng = random.Random(seed)
    values = [_ask_and_tell(study, len(SPACE) + 1, 1, rng) for _ in range(trials)]
    return -max(values), -statistics.fmean(values[-max(1, trials // 5) :])


def _mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    mean = statistics.fmean(values)
    if len(values) < 2:
        return math.nan, mean, math.nan
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return mean - half, mean, mean + half


if __name__ == "__main__":
    main()
