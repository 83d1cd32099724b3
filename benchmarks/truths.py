"""Simulated searches whose truth is known, and how often the intervals of an estimate hold it.

A module ``truths_<finding>.py`` beside this one has a tuple ``TRUTHS``. ``python benchmarks/coverage.py``
runs them all at full size; the tests run them at a size that costs seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from search_spaces.plan import Plan

METRICS: tuple[dict[str, Any], ...] = (
    {"name": "exact_match", "direction": "max", "unit": "share", "description": "answers right"},
    {"name": "val_loss", "direction": "min", "unit": "nats/token", "description": "loss"},
    {"name": "params", "direction": "min", "unit": "parameters", "description": "count", "is_cost": True},
    {
        "name": "cpu_seconds",
        "direction": "min",
        "unit": "s",
        "description": "processor time",
        "is_cost": True,
    },
    {
        "name": "steps_to_target",
        "direction": "min",
        "unit": "steps",
        "description": "steps to the target",
        "is_cost": True,
        "spent": "step",
    },
    {
        "name": "cpu_seconds_to_target",
        "direction": "min",
        "unit": "s",
        "description": "processor time to the target",
        "is_cost": True,
        "spent": "cpu_seconds",
    },
)

STEPS = 1000
"""Budget of a simulated trial."""

Answers = Mapping[str, tuple[Estimate, float]]
"""By quantity: what was estimated, and what is true."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """A kind of search whose truth is known.

    ``simulate`` draws one search and answers it. Quantities that begin with "naive" are what would be said
    without this project's estimators: their intervals are to fail.
    """

    name: str
    simulate: Callable[[np.random.Generator], Answers]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often intervals held the truth."""

    truth: str
    quantity: str
    simulations: int
    held: int
    bounded: int
    """Intervals that ended on both sides."""

    @property
    def share(self) -> float:
        """The share that held the truth."""
        return self.held / self.simulations


def coverage(truth: Truth, simulations: int, seed: int = 0) -> list[Coverage]:
    """Simulate searches and count, for each quantity, how many intervals hold the truth.

    A quantity that a simulation cannot tell, a NaN without bounds, has an interval that holds everything.
    """
    rng = np.random.default_rng(seed)
    held: dict[str, list[tuple[bool, bool]]] = {}
    for _ in range(simulations):
        for quantity, (estimate, true) in truth.simulate(rng).items():
            held.setdefault(quantity, []).append((estimate.low <= true <= estimate.high, estimate.is_bounded))
    return [
        Coverage(
            truth=truth.name,
            quantity=quantity,
            simulations=len(found),
            held=sum(holds for holds, _ in found),
            bounded=sum(is_bounded for _, is_bounded in found),
        )
        for quantity, found in held.items()
    ]


def search_of(
    trials: Sequence[Mapping[str, Any]], reports: Sequence[Mapping[str, Any]] = (), **changes: Any
) -> SearchRows:
    """Return simulated trials as a search.

    Args:
        trials: each with ``configuration``, ``seed_index``, ``params``, ``values``, ``ending`` and its
        metrics. reports: each with ``trial`` (as in ``c000-s0``), ``configuration``, ``seed``, ``step`` and
        its metrics. changes: parts of the plan; by default a target of 0.99 exact match and one searched
        parameter, ``d_model``.
    """
    rows = [
        {
            "trial": f"c{trial['configuration']:03d}-s{trial['seed_index']}",
            "seed": trial["seed_index"],
            "step": STEPS,
            **trial,
        }
        for trial in trials
    ]
    seeds = max(int(trial["seed_index"]) for trial in trials) + 1
    plan = {
        "name": "simulated",
        "task": "addition",
        "objectives": [
            {"metric": "exact_match", "direction": "max"},
            {"metric": "params", "direction": "min"},
        ],
        "target": {"exact_match": 0.99},
        "space": {"d_model": {"type": "int", "low": 1, "high": 10_000}},
        "search": {"trials": len(rows), "seeds": seeds},
        **changes,
    }
    return SearchRows.of_frames(
        Plan.model_validate(plan),
        METRICS,
        pd.DataFrame(rows),
        pd.DataFrame(list(reports)) if reports else None,
    )
