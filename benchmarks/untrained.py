"""Searches without training: a plan's own queue places the trials, and known rates decide how they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import optuna
import pandas as pd

from analysis.rows import SearchRows
from paretune.plan.binding import BoundPlan, bind
from paretune.sampling.history import TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from search_spaces.plan import Plan

Ends = Callable[[TrialSpec], tuple[bool, float]]
"""Whether a trial solves, and the processor time that it takes to its end, in seconds."""

STEPS = 1000

optuna.logging.set_verbosity(optuna.logging.WARNING)


def bound_of(**changes: Any) -> BoundPlan:
    """Return a plan of adders with 300 to 3,000 parameters, with other values for some keys."""
    plan = {
        "name": "untrained",
        "task": "addition",
        "objectives": [
            {"metric": "exact_match", "direction": "max"},
            {"metric": "params", "direction": "min"},
        ],
        "target": {"exact_match": 0.99},
        "fixed": {"digits": 3, "steps": STEPS},
        "space": {
            "d_model": {"type": "int", "low": 4, "high": 24},
            "d_ff": {"type": "int", "low": 4, "high": 64, "log": True},
            "lr": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True},
        },
        "constraints": {"params": {"min": 300, "max": 3000}},
        **changes,
    }
    return bind(Plan.model_validate(plan))


def run(bound: BoundPlan, ends: Ends, *, at_a_time: int = 2) -> SearchRows:
    """Run a plan's trials, and return what a search would have written.

    Args:
        bound: the plan.
        ends: how a trial ends; called once for each, in the order in which they are handed out.
        at_a_time: trials that run at a time; the one that was begun first ends first.
    """
    queue = TrialQueue(bound)
    running: list[tuple[TrialSpec, SeedOutcome]] = []
    rows = []
    while True:
        while len(running) < at_a_time and not queue.exhausted and (spec := queue.next()) is not None:
            solved, seconds = ends(spec)
            metrics = {"exact_match": 1.0 if solved else 0.1, "cpu_seconds": seconds}
            if solved:
                metrics |= {"cpu_seconds_to_target": seconds, "steps_to_target": float(STEPS)}
            ending = "solved" if solved else "finished"
            running.append((spec, SeedOutcome(ending=ending, step=STEPS, metrics=metrics)))  # type: ignore[arg-type]
        if not running:
            break
        spec, outcome = running.pop(0)
        queue.ended(spec.label, outcome)
        rows.append(
            {
                "trial": spec.label,
                "configuration": spec.configuration,
                "seed_index": spec.seed_index,
                "seed": spec.seed,
                "params": spec.params,
                "values": spec.values,
                "role": spec.role,
                "ending": str(outcome.ending),
                "step": STEPS,
                **outcome.metrics,
            }
        )
    frame = pd.DataFrame(rows).sort_values(["configuration", "seed_index"], ignore_index=True)
    metrics = [asdict(metric) for metric in bound.metrics.values()]
    return SearchRows.of_frames(bound.plan, metrics, frame)


class Shape:
    """A truth: the log odds of success against the logarithm of the size, and how configurations differ.

    Args:
        slope: of the log odds.
        spread: standard deviation of what configurations differ by, in log odds.
        half: the size at which half of the seeds solve.
        rng: random numbers.
    """

    def __init__(self, slope: float, spread: float, half: float, rng: np.random.Generator) -> None:
        self._slope, self._spread, self._half, self._rng = slope, spread, half, rng
        self._rates: dict[int, float] = {}

    def rate(self, spec: TrialSpec) -> float:
        """Return the true rate of a trial's configuration."""
        if spec.configuration not in self._rates:
            odds = self._slope * np.log(spec.params / self._half) + self._rng.normal(0, self._spread)
            self._rates[spec.configuration] = float(1 / (1 + np.exp(-odds)))
        return self._rates[spec.configuration]

    def of(self, configuration: int) -> float:
        """Return the true rate of a configuration that was tried."""
        return self._rates[configuration]

    def ends(self, spec: TrialSpec) -> tuple[bool, float]:
        """Return how a trial ends."""
        return bool(self._rng.random() < self.rate(spec)), spec.params / 100
