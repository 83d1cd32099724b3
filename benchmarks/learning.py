"""What a sampler gains from an earlier search, where the truth is known.

    python benchmarks/learning.py
    python benchmarks/learning.py --searches 20 --configurations 12

Simulated searches for the smallest model that reaches the target with at least half of its seeds: two widths,
a learning rate whose band narrows for small models, and a choice. Each search runs without an earlier one;
with one of so many configurations on the same truth; with one of half the steps, where models have to be a
third larger; and with one that misleads, whose best rate is a decade lower. The earlier searches are written
to disk and given by the code of ``--learn-from``. Prints, after so many configurations of its own, how much
larger than the smallest there is the smallest that was tried and that truly does it, as medians, with how
many configurations it took until it was at most half as large again.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from untrained import bound_of

from paretune.plan.binding import BoundPlan
from paretune.record.endings import TrialEnding
from paretune.record.recorder import Recorder
from paretune.record.run_folder import RunFolder
from paretune.record.study.earlier import with_learned
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from paretune.sampling.samplers.study import quiet
from search_spaces.sampling import listing

STEPS = 2000
SEEDS = 2
SPACE: dict[str, Any] = {
    "d_model": {"type": "int", "low": 4, "high": 24},
    "d_ff": {"type": "int", "low": 4, "high": 64, "step": 4},
    "activation": {"type": "choice", "values": ["gelu", "relu", "squared_relu"]},
    "lr": {"type": "float", "low": 1e-3, "high": 0.3, "log": True},
}


@dataclass(frozen=True)
class Truth:
    """How likely a seed of a configuration learns."""

    cliff: float = 700.0
    """Parameters at which half of the seeds learn, with the best rate and activation."""
    best_rate: float = 0.02

    def logit(self, values: Mapping[str, Any], params: int) -> float:
        """Return the log odds that a seed of a configuration solves."""
        off = abs(math.log10(values["lr"] / self.best_rate))
        width = 0.25 * math.log2(max(params, 2) / 100)
        rate = 3.0 * max(0.0, off - max(width, 0.1)) ** 2 + 0.3 * off
        choice = {"squared_relu": 0.0, "gelu": 0.6, "relu": 0.9}[values["activation"]]
        narrow = max(0.0, 6 - values["d_model"])
        return 4.0 * math.log(params / self.cliff) - 4.0 * rate - choice - narrow


def main() -> None:
    """Simulate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--searches", type=int, default=100, help="of each kind")
    parser.add_argument("--configurations", type=int, default=40, help="of each search")
    parser.add_argument("--learned", type=int, default=20, help="configurations of each earlier search")
    options = parser.parse_args()
    quiet()
    truth = Truth()
    smallest = smallest_of(truth, plan_of("here", STEPS, options.configurations, 0))
    kinds: dict[str, Callable[[int, Path], list[str]]] = {
        "nothing": lambda seed, results: [],
        "the same": lambda seed, results: [earlier(truth, STEPS, options.learned, seed, results)],
        "half the steps": lambda seed, results: [
            earlier(replace(truth, cliff=1.33 * truth.cliff), STEPS // 2, options.learned, seed, results)
        ],
        "one that misleads": lambda seed, results: [
            earlier(replace(truth, best_rate=0.002), STEPS, options.learned, seed, results)
        ],
    }
    marks = [n for n in (5, 10, 20, 40) if n < options.configurations] + [options.configurations]
    print(f"The smallest that truly does it has {smallest:,} parameters.\n")
    print("| learns from | " + " | ".join(f"after {n}" for n in marks) + " | within a half after |")
    print("|---" * (len(marks) + 2) + "|")
    for kind, learn in kinds.items():
        found = [one_search(truth, options.configurations, seed, learn) for seed in range(options.searches)]
        sizes = [statistics.median(best[n - 1] for best in found) / smallest - 1 for n in marks]
        within = statistics.median(first_within(best, 1.5 * smallest) for best in found)
        last = f"{within:.0f}" if within < math.inf else f"more than {options.configurations}"
        shown = " | ".join(f"+{100 * size:.0f} %" if size < math.inf else "none" for size in sizes)
        print(f"| {kind} | {shown} | {last} |", flush=True)


def plan_of(name: str, steps: int, configurations: int, seed: int) -> BoundPlan:
    """Return the plan of a search for the smallest that reaches the target."""
    return bound_of(
        name=name,
        fixed={"digits": 3, "steps": steps},
        space=SPACE,
        constraints={},
        search={"trials": configurations * SEEDS, "seeds": SEEDS, "seed": seed},
    )


def smallest_of(truth: Truth, bound: BoundPlan) -> int:
    """Return the size of the smallest configuration that truly solves with at least half of its seeds."""
    listed = listing(bound.plan, bound.task.size_fields, 100_000)
    assert listed is not None
    sizes = []
    for values in listed:
        values = {**values, "lr": truth.best_rate}
        params = bound.trained_params(values)
        if params is not None and truth.logit(values, params) >= 0:
            sizes.append(params)
    return min(sizes)


def one_search(
    truth: Truth, configurations: int, seed: int, learn: Callable[[int, Path], list[str]]
) -> list[float]:
    """Return, after each configuration, the size of the smallest that was tried and truly does it."""
    with tempfile.TemporaryDirectory() as folder:
        names = learn(seed, Path(folder))
        bound = plan_of("here", STEPS, configurations, seed)
        plan = bound.plan.model_copy(update={"learn_from": names})
        bound = with_learned(replace(bound, plan=plan), Path(folder))
    best, smallest = [], math.inf
    for spec, _ in simulated(truth, bound, random.Random(seed)):
        if spec.seed_index == 0:
            if truth.logit(spec.values, spec.params) >= 0:
                smallest = min(smallest, spec.params)
            best.append(smallest)
    return best


def earlier(truth: Truth, steps: int, configurations: int, seed: int, results: Path) -> str:
    """Write the rows of an earlier search, with other seeds, and return its name."""
    bound = plan_of("there", steps, configurations, 10_000 + seed)
    folder = RunFolder.create(results, bound, "")
    recorder = Recorder(folder.store, 1)
    for spec, outcome in simulated(truth, bound, random.Random(-1 - seed)):
        recorder.announced(spec)
        recorder.ended(spec, outcome.ending, {"step": outcome.step, **outcome.metrics}, None)
    return folder.name


def simulated(truth: Truth, bound: BoundPlan, rng: random.Random) -> Any:
    """Yield every trial of a search with its outcome, one at a time."""
    queue = TrialQueue(bound)
    while (spec := queue.next()) is not None:
        logit = truth.logit(spec.values, spec.params)
        steps = int(bound.plan.fixed["steps"])  # type: ignore[arg-type]
        if rng.random() < _probability(logit):
            reached = int(steps * rng.uniform(0.4, 0.95))
            metrics = {"exact_match": 0.995, "steps_to_target": float(reached)}
            outcome = SeedOutcome(ending=TrialEnding.SOLVED, step=reached, metrics=metrics)
        else:
            shown = 0.95 * _probability(logit / 2 + rng.gauss(0, 1))
            outcome = SeedOutcome(ending=TrialEnding.FINISHED, step=steps, metrics={"exact_match": shown})
        queue.ended(spec.label, outcome)
        yield spec, outcome


def _probability(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def first_within(best: list[float], size: float) -> float:
    """Return after how many configurations the smallest that truly does it is at most so large."""
    return next((float(n) for n, found in enumerate(best, start=1) if found <= size), math.inf)


if __name__ == "__main__":
    main()
