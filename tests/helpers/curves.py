"""Whole learning curves of searches that are made up, so that it is known who wins and who looks like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.rows import SearchRows
from search_spaces.plan import Plan

METRICS = [
    {"name": "exact_match", "direction": "max", "unit": "share", "is_cost": False},
    {"name": "train_loss", "direction": "min", "unit": "nats/token", "is_cost": False},
    {"name": "params", "direction": "min", "unit": "parameters", "is_cost": True},
    {"name": "steps_to_target", "direction": "min", "unit": "steps", "is_cost": True, "spent": "step"},
]


def search_of(
    sizes: Sequence[int],
    wins: Sequence[bool],
    loss: Callable[[int, int, bool, np.random.Generator], float],
    *,
    name: str = "made-up",
    seeds: int = 2,
    steps: int = 1000,
    every: int = 50,
    seed: int = 0,
) -> SearchRows:
    """Return a search whose trials all ran to their own end; winners solve the task at nine tenths of it.

    Args:
        sizes: of the trials, in parameters; so many at a time are seeds of a configuration.
        wins: which of them solve the task.
        loss: what a trial of a number reports as its training loss at a step, winner or not.
        name: the search's.
        seeds: trials of a configuration.
        steps: what each trial is given.
        every: steps between reports.
        seed: of the random numbers that ``loss`` may draw.
    """
    rng = np.random.default_rng(seed)
    plan = Plan.model_validate(
        {
            "name": name,
            "task": "addition",
            "objectives": [{"metric": "exact_match", "direction": "max"}],
            "target": {"exact_match": 0.99},
            "fixed": {"steps": steps},
            "only": [{"d_model": 4}],
        }
    )
    trials: list[dict[str, Any]] = []
    reports: list[dict[str, Any]] = []
    for number, (size, is_won) in enumerate(zip(sizes, wins, strict=True)):
        configuration, index = divmod(number, seeds)
        label = f"c{configuration:03d}-s{index}"
        last = int(steps * 0.9) if is_won else steps
        for step in range(every, last + 1, every):
            is_end = is_won and step == last
            reports.append(
                {
                    "trial": label,
                    "configuration": configuration,
                    "step": step,
                    "exact_match": float(is_end),
                    "train_loss": loss(number, step, is_won, rng),
                    "steps_to_target": float(step) if is_end else np.nan,
                }
            )
        trials.append(
            {
                "trial": label,
                "configuration": configuration,
                "seed_index": index,
                "seed": index,
                "params": int(size),
                "values": {"steps": steps, "d_model": 4, "d_ff": configuration},
                "ending": "solved" if is_won else "finished",
                "step": last,
            }
        )
    frame = pd.DataFrame(reports).sort_values(["trial", "step"], ignore_index=True)
    return SearchRows.of_frames(plan, METRICS, pd.DataFrame(trials), frame)
