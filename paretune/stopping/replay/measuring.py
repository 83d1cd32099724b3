"""Rules on the curves of searches, in many random orders of the trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paretune.stopping.replay.curves import Population
from paretune.stopping.replay.rules import Rule
from paretune.stopping.replay.running import Fates, Replay
from paretune.stopping.replay.screening import Spent


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a rule did to the curves of one search, in each of some orders."""

    spent: Spent
    steps: NDArray[np.float64]
    """Steps of all trials, shape (orders,)."""
    kept: NDArray[np.float64]
    """Winners that ran on, shape (orders,)."""


def measured(
    populations: Sequence[Population], rules: Sequence[Rule], orders: int, slots: int = 1
) -> Mapping[Rule, Sequence[Measured]]:
    """Replay rules on searches; all of them in the same orders, so that they differ by the rules alone.

    Args:
        populations: the searches.
        rules: the rules.
        orders: how many random orders of the trials.
        slots: how many trials run side by side.
    """
    drawn = [
        [np.random.default_rng((number, k)).permutation(len(population)).tolist() for k in range(orders)]
        for number, population in enumerate(populations)
    ]
    return {
        rule: [
            summed(population, [replay.run(order, slots) for order in drawn[number]])
            for number, population in enumerate(populations)
            for replay in (Replay(population, rule),)
        ]
        for rule in rules
    }


def summed(population: Population, fates: Sequence[Fates]) -> Measured:
    """Return what became of the trials of one search over several orders."""
    ran_on = np.array([fate.ran_on for fate in fates])
    steps = np.array([fate.steps for fate in fates], dtype=float)
    return Measured(
        spent=Spent(lost=(~ran_on & population.solved).mean(axis=0), steps=steps.mean(axis=0)),
        steps=steps.sum(axis=1),
        kept=(ran_on & population.solved).sum(axis=1).astype(float),
    )
