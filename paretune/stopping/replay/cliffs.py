"""What a rule does to the answer: the size at which half of the trials solve, read from what it leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cliff.counts import count
from analysis.cliff.fit import fit_sizes
from analysis.outcomes import outcomes_of
from analysis.statistics.estimate import UNKNOWN, Estimate
from paretune.stopping.replay.curves import Population
from paretune.stopping.replay.measuring import Measured, summed
from paretune.stopping.replay.rules import Rule
from paretune.stopping.replay.running import Fates, Replay
from search_spaces.parts.early_stopping import DEFAULT_RESERVE


@dataclass(frozen=True, kw_only=True)
class CliffUnder:
    """The 50 % size of one search without a rule, and as it would be read under a rule."""

    search: str
    rule: Rule
    whole: Estimate
    """From all trials, with its interval."""
    left_out: Estimate
    """From those that ran on, the stopped ones left out: the median over orders, and the middle 90 %."""
    reserve: Estimate
    """The same with a share of trials kept by lot, each of which stands for several that were stopped."""
    with_reserve: Measured
    """What the rule cost with this share."""

    @property
    def bias(self) -> float:
        """The size with stopped trials left out over the true one; NaN where either is not known."""
        return self.left_out.value / self.whole.value

    @property
    def bias_with_reserve(self) -> float:
        """The size with a reserve over the true one; NaN where either is not known."""
        return self.reserve.value / self.whole.value


def cliff_under(population: Population, rule: Rule, orders: int, slots: int = 1) -> CliffUnder:
    """Return what would be read of a search's cliff under a rule, over some orders of its trials."""
    replays = {share: Replay(population, rule, share) for share in (0.0, DEFAULT_RESERVE)}
    drawn = [np.random.default_rng((1, k)).permutation(len(population)).tolist() for k in range(orders)]
    fates = {
        share: [replay.run(order, slots, seed) for seed, order in enumerate(drawn)]
        for share, replay in replays.items()
    }
    everyone = np.ones(len(population), dtype=bool)
    return CliffUnder(
        search=population.name,
        rule=rule,
        whole=_half_size(population, everyone, np.ones(len(population))),
        left_out=_middle([_read(population, fate) for fate in fates[0.0]]),
        reserve=_middle([_read(population, fate) for fate in fates[DEFAULT_RESERVE]]),
        with_reserve=summed(population, fates[DEFAULT_RESERVE]),
    )


def _read(population: Population, fate: Fates) -> float:
    chance = np.where(np.isnan(fate.kept_chance), 1.0, fate.kept_chance)
    return _half_size(population, fate.ran_on, 1.0 / chance).value


def _half_size(population: Population, is_known: NDArray[np.bool_], weights: NDArray[np.float64]) -> Estimate:
    """Return the size at which half of the trials solve, by the fit that answers are made with."""
    endings = pd.Series([curve.ending for curve in population.curves])
    trials = pd.DataFrame(
        {
            "configuration": population.configurations,
            "params": population.params,
            "outcome": outcomes_of(endings.where(is_known)),
            "weight": np.where(is_known, weights, 0.0),
        }
    )
    fit = fit_sizes(count(trials)) if is_known.any() else None
    return UNKNOWN if fit is None else fit.size()


def _middle(sizes: Sequence[float]) -> Estimate:
    """Return the median of sizes with their middle 90 %; unknown where half of them are."""
    known = [size for size in sizes if not math.isnan(size)]
    if 2 * len(known) <= len(sizes):
        return UNKNOWN
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return Estimate(value=float(middle), low=float(low), high=float(high), unit="parameters")
