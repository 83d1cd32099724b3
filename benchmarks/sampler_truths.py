"""Which sampler finds the smallest configuration that learns: simulated searches whose truth is known.

    python benchmarks/sampler_truths.py                        # all tables, 200 searches of each
    python benchmarks/sampler_truths.py --searches 20 --tables samplers --samplers random default gp
    python benchmarks/sampler_truths.py --tables stopped

A truth says with what chance a seed of a configuration learns: by its size or width, with a band of rates
that work, choices that help, and an effect of its own for every architecture, which no dimension explains.
Each search has 40 configurations of 2 or 3 seeds, one at a time, and asks for the smallest that reaches the
target; the sampler is asked and told by the same code as in a real search. It is measured by the smallest
configuration that it tried of which half of the seeds or more learn, in truth, as a multiple of the smallest
there is: the median, and in how many searches it is at most 1.1. And by the share of hopeless configurations,
of which less than 5 % of the seeds learn.

``stopped`` has an early-stopping rule, and compares what the sampler can be told of what it ended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from untrained import bound_of

from paretune.plan.binding import BoundPlan
from paretune.sampling import proposals
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer
from paretune.sampling.told import Told
from paretune.stopping.making import stopper_of
from paretune.stopping.stopper import Entrant, Verdict
from search_spaces.plan import Values
from search_spaces.sampling import listing

CONFIGURATIONS = 40
STEPS = 2000
HOPELESS = 0.05
AT = 0.4
"""The rung of the early-stopping rule, as a share of the steps."""
FRONTIER = {"aim": "frontier"}


@dataclass(frozen=True, kw_only=True)
class Truth:
    """With what chance a configuration learns."""

    space: dict[str, Any]
    most: int
    """Parameters of the largest that may be trained."""
    seeds: int
    ability: Callable[[dict[str, Any], int], float]
    """The log odds that a seed learns, by the values and the parameter count."""
    spread: float
    """The standard deviation of what architectures differ by beside that, in log odds."""


def _rate(value: Any, best: float, width: float) -> float:
    """Return the log odds that a rate costs which is so many decades from the best one."""
    return 2 * (math.log10(float(value) / best) / width) ** 2


def _by_size(values: dict[str, Any], params: int) -> float:
    better = 0.5 * (values["final_norm"] is True) - 1.0 * (values["n_heads"] == 2)
    best = 0.018 * math.sqrt(7 / values["d_model"])
    return 6 * math.log(params / 720) + better - _rate(values["lr"], best, 0.22)


def _by_width(values: dict[str, Any], params: int) -> float:
    """Width decides, and beyond a width nothing more is gained: most of the parameters are for nothing."""
    better = {"gelu": 0.0, "squared_relu": 0.7, "relu": -0.7}[values["activation"]]
    better -= 0.5 * (values["norm"] == "rmsnorm")
    widths = 2.2 * min(values["d_model"] - 10, 4) + 0.6 * math.log(values["d_ff"] / 16)
    return widths + better - _rate(values["lr"], 0.02, 0.25)


def _gently(values: dict[str, Any], params: int) -> float:
    best = 0.015 * (16 / values["d_model"]) ** 0.3
    better = {1: 0.3, 2: 0.0, 4: -0.3}[values["n_heads"]]
    return 2.5 * math.log(params / 1500) + better - _rate(values["lr"], best, 0.32)


def _int(low: int, high: int, step: int = 1) -> dict[str, Any]:
    return {"type": "int", "low": low, "high": high, "step": step}


def _rates(low: float, high: float) -> dict[str, Any]:
    return {"type": "float", "low": low, "high": high, "log": True}


def _one_of(*values: Any) -> dict[str, Any]:
    return {"type": "choice", "values": list(values)}


TRUTHS = {
    "cliff": Truth(
        space={"d_model": _int(4, 12), "n_heads": _one_of(1, 2), "d_ff": _int(8, 32, 2)}
        | {"final_norm": _one_of(True, False), "lr": _rates(0.005, 0.03)},
        most=1500,
        seeds=3,
        ability=_by_size,
        spread=0.5,
    ),
    "width": Truth(
        space={"d_model": _int(4, 24, 2), "d_ff": _int(8, 64, 4), "norm": _one_of("layernorm", "rmsnorm")}
        | {"activation": _one_of("gelu", "squared_relu", "relu"), "lr": _rates(0.003, 0.1)},
        most=6000,
        seeds=2,
        ability=_by_width,
        spread=0.5,
    ),
    "ramp": Truth(
        space={"d_model": _int(4, 24, 4), "n_heads": _one_of(1, 2, 4), "d_ff": _int(8, 64, 8)}
        | {"lr": _rates(0.005, 0.03)},
        most=6500,
        seeds=2,
        ability=_gently,
        spread=0.25,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A way to search."""

    search: dict[str, Any] = field(default_factory=dict)
    knows_costs: bool = True
    """Whether TPE may pass over what is larger than what is known to reach the target."""
    stopped: str = ""
    """What is told of what early stopping ended: as it is done, or ``left out``, ``pruned``, ``a result``."""


def _tpe(**options: Any) -> dict[str, Any]:
    return {"sampler": {"tpe": options}}


ARMS = {
    "random": Arm(search={"sampler": "random"}),
    "qmc": Arm(search={"sampler": "qmc"}),
    "two objectives": Arm(search=_tpe(n_startup_trials=10) | FRONTIER),
    "constrained": Arm(search=_tpe(n_startup_trials=10), knows_costs=False),
    "default": Arm(),
    "gp": Arm(search={"sampler": "gp"}),
    "nsga2": Arm(search={"sampler": "nsga2"}),
    "start 10": Arm(search=_tpe(n_startup_trials=10)),
    "start 6": Arm(search=_tpe(n_startup_trials=6)),
    "start 16": Arm(search=_tpe(n_startup_trials=16)),
}
STOPPED_ARMS = {
    f"{name}, {how}": Arm(search=search, stopped=how)
    for name, search in (("one objective", {}), ("two objectives", FRONTIER))
    for how in ("infeasible", "left out", "a result", "pruned")
    if (name, how) not in (("two objectives", "pruned"), ("one objective", "a result"))
}


class Blind(Proposer):
    """The sampler does not know what a configuration costs before it is told."""

    @property
    def _is_about_size(self) -> bool:
        return False


def plan_of(truth: Truth, arm: Arm, seed: int, configurations: int, *, stops: bool = False) -> BoundPlan:
    """Return the plan of a search."""
    rule = {"metric": "token_accuracy", "direction": "max", "at": [AT], "reduction_factor": 2, "reserve": 0}
    return bound_of(
        fixed={"digits": 3, "steps": STEPS},
        space=truth.space,
        constraints={"params": {"max": truth.most}},
        search={"trials": configurations * truth.seeds, "seeds": truth.seeds, "seed": seed, **arm.search},
        **({"early_stopping": rule} if stops else {}),
    )


def log_odds(truth: Truth, values: Values, params: int, world: int) -> float:
    """Return the log odds that a seed learns, in one of the worlds with this truth."""
    shape = sorted((name, str(values[name])) for name in truth.space if name != "lr")
    digest = hashlib.blake2b(repr((world, shape)).encode(), digest_size=8).digest()
    drawn = (int.from_bytes(digest, "big") + 0.5) / 2**64
    return truth.ability(values, params) + truth.spread * NormalDist().inv_cdf(drawn)


@cache
def smallest(name: str, world: int) -> int:
    """Return the parameters of the smallest configuration of which half of the seeds learn at some rate."""
    truth = TRUTHS[name]
    bound = plan_of(truth, Arm(), 0, CONFIGURATIONS)
    rates = np.geomspace(truth.space["lr"]["low"], truth.space["lr"]["high"], 25).tolist()
    least = 10**9
    for shape in listing(bound.plan, [name for name in truth.space if name != "lr"], 10**6) or []:
        params = bound.trained_params({**shape, "lr": rates[0]})
        if params is None or params >= least:
            continue
        if any(log_odds(truth, {**shape, "lr": rate}, params, world) >= 0 for rate in rates):
            least = params
    return least


def train(odds: float, rng: random.Random) -> tuple[bool, float, float]:
    """Return whether a seed learns, its token accuracy at the rung, and its exact match at the end."""
    learns = rng.random() < 1 / (1 + math.exp(-odds))
    latent = odds + (1.0 if learns else -1.0) + rng.gauss(0, 1.5)
    token = 1 / (1 + math.exp(-latent / 2))
    match = 0.995 if learns else 0.95 / (1 + math.exp(-(odds + rng.gauss(0, 1)) / 1.5))
    return learns, token, match


def search(name: str, arm: Arm, world: int, configurations: int, *, stops: bool) -> list[tuple[int, float]]:
    """Simulate a search; return the parameters and the true chance of each configuration that it tried."""
    truth, rng = TRUTHS[name], random.Random(f"{name}/{world}")
    bound = plan_of(truth, arm, world, configurations, stops=stops)
    proposer = (Proposer if arm.knows_costs else Blind)(bound)
    stopper = stopper_of(bound)
    tried = []
    while len(tried) < configurations and (proposal := proposer.propose()) is not None:
        params = bound.params(proposal.values)
        odds = log_odds(truth, proposal.values, params, world)
        tried.append((params, 1 / (1 + math.exp(-odds))))
        outcomes = []
        for seed in range(truth.seeds):
            learns, token, match = train(odds, rng)
            label, step = f"{proposal.number}-{seed}", int(AT * STEPS)
            row = {"step": step, "token_accuracy": token}
            if stopper is not None:
                stopper.enter(Entrant(label=label, params=params, report_at=[step]))
            if stopper is not None and stopper.reported(label, row) is Verdict.STOP:
                metrics = {"exact_match": 0.3 * token, "token_accuracy": token}
                outcomes.append(SeedOutcome(ending="stopped early", step=step, metrics=metrics))  # type: ignore[arg-type]
                continue
            ending = "solved" if learns else "finished"
            metrics = {"exact_match": match, "token_accuracy": token}
            if stopper is not None:
                stopper.ended(label, {**metrics, "step": STEPS, "ending": ending})
            outcomes.append(SeedOutcome(ending=ending, step=STEPS, metrics=metrics))  # type: ignore[arg-type]
        with _told_as(arm.stopped):
            proposer.tell(proposal.number, outcomes)
    return tried


@contextmanager
def _told_as(how: str) -> Iterator[None]:
    """Tell the sampler something else of what early stopping ended."""
    told_of = proposals.told_of

    def changed(*given: Any) -> Told:
        told = told_of(*given)
        if not told.reason.startswith("early stopping"):
            return told
        if how == "left out":
            return Told(state=TrialState.FAIL, reason=told.reason)
        if how == "a result":
            return replace(told, violation=0.0)
        if how == "pruned":
            values = [float(given[3])]
            return Told(state=TrialState.PRUNED, values=values, came_to=int(1000 * AT), reason=told.reason)
        return told

    proposals.told_of = changed if how else told_of
    try:
        yield
    finally:
        proposals.told_of = told_of


def table(arms: dict[str, Arm], options: argparse.Namespace, *, stops: bool) -> None:
    """Simulate, and print one row for each way to search."""
    print(
        "| search | " + " | ".join(f"{name}: smallest, hopeless" for name in options.truths) + " | searches |"
    )
    print("|---" * (len(options.truths) + 2) + "|", flush=True)
    for label, arm in arms.items():
        count = options.slow_searches if "gp" in label else options.searches
        cells = []
        for name in options.truths:
            run = partial(search, name, arm, configurations=options.configurations, stops=stops)
            began = time.process_time()
            searches = [run(world=world) for world in range(count)]
            ratios, hopeless = [], []
            for world, tried in enumerate(searches):
                able = [params for params, chance in tried if chance >= 0.5]
                ratios.append(min(able, default=math.inf) / smallest(name, world))
                hopeless.append(statistics.fmean(chance < HOPELESS for _, chance in tried))
            near, lost = (100 * statistics.fmean(found) for found in ([r <= 1.1 for r in ratios], hopeless))
            cells.append(f"{statistics.median(ratios):.3f} ({near:.0f} %), {lost:.0f} %")
            seconds = (time.process_time() - began) / count
            if options.write is not None:
                found = {"search": label, "truth": name, "stops": stops, "seconds": seconds, "ratios": ratios}
                with options.write.open("a") as file:
                    file.write(json.dumps(found) + "\n")
        print(f"| {label} | " + " | ".join(cells) + f" | {count} |", flush=True)


def main() -> None:
    """Simulate, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--slow-searches", type=int, default=20, help="where a proposal takes long: gp")
    parser.add_argument("--configurations", type=int, default=CONFIGURATIONS)
    parser.add_argument("--truths", nargs="*", choices=list(TRUTHS), default=list(TRUTHS))
    parser.add_argument(
        "--tables", nargs="*", choices=["samplers", "stopped"], default=["samplers", "stopped"]
    )
    parser.add_argument("--samplers", nargs="*", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--write", type=Path, help="append what each search found to this file")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    if "samplers" in options.tables:
        table({name: ARMS[name] for name in options.samplers}, options, stops=False)
    if "stopped" in options.tables:
        print()
        table(STOPPED_ARMS, options, stops=True)


if __name__ == "__main__":
    main()
