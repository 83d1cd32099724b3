"""Which rule loses few winners and saves most: chosen on a part of the curves, judged on the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.estimate import UNKNOWN, Estimate
from analysis.statistics.intervals import wilson_of_rates
from paretune.stopping.replay.curves import Population
from paretune.stopping.replay.measuring import Measured
from paretune.stopping.replay.rules import Rule
from paretune.stopping.replay.screening import Spent

FOLDS = 5
"""Parts of the configurations of a single search; of several searches, each is a part."""

_Some = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Losses:
    """What a rule did to some trials."""

    winners: int
    lost: Estimate
    """Share of the winners that it ended."""
    by_band: Sequence[Estimate]
    """The same in each band of sizes, the smallest first; unknown in one without winners."""
    ratio: float
    """Steps per success, over those without a rule; infinite if no winner is left."""
    ratio_by_band: Sequence[float]
    """The same of the trials of each band; NaN in one without winners."""

    @property
    def worst(self) -> float:
        """The largest share of the winners of a band that it ended."""
        return max((band.value for band in self.by_band if band.is_known), default=0.0)


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What a rule did to some trials, in short."""

    worst: float
    """The largest share of the winners of a band that it ended."""
    ratio: float
    """Steps per success, over those without a rule."""


class Trials:
    """The trials of several searches in one row, with the part that each belongs to.

    A trial's cost is its steps over what a success costs in its search without a rule, so that searches with
    short and long trials count by their winners.

    Args:
        populations: the searches.
        bands: into how many bands of sizes winners are counted; sizes compare within a search.
    """

    def __init__(self, populations: Sequence[Population], bands: int) -> None:
        self.bands = bands
        self.solved = np.concatenate([people.solved for people in populations])
        self.band = np.concatenate([people.bands(bands) for people in populations])
        self.search = np.repeat(np.arange(len(populations)), [len(people) for people in populations])
        numbers = np.concatenate([people.configurations for people in populations])
        self.unit = np.unique(np.stack([self.search, numbers]), axis=1, return_inverse=True)[1].ravel()
        """The configuration of each trial, counted over all searches."""
        self._costs = [1 / people.steps_per_success for people in populations]
        self.without_rule = self.cost([people.steps.astype(float) for people in populations])
        self.part = self.search if len(populations) > 1 else self._folds()
        """The part of each trial: what is chosen on the others is judged on it."""

    @property
    def parts(self) -> Sequence[int]:
        """The parts."""
        return [int(part) for part in np.unique(self.part)]

    @property
    def all(self) -> _Some:
        """Every trial."""
        return np.ones(len(self.solved), dtype=bool)

    def cost(self, steps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return the cost of each trial, of its steps by search."""
        return np.concatenate([unit * some for unit, some in zip(self._costs, steps, strict=True)])

    def ratios(self, measured: Sequence[Measured]) -> NDArray[np.float64]:
        """Return the steps per success over those without a rule, in each order, shape (orders,)."""
        cost = np.sum([unit * one.steps for unit, one in zip(self._costs, measured, strict=True)], axis=0)
        kept = np.sum([one.kept for one in measured], axis=0)
        ratios: NDArray[np.float64] = np.divide(cost, kept, out=np.full(len(cost), math.inf), where=kept > 0)
        return ratios

    def glances(self, looked: Mapping[Rule, Sequence[Spent]]) -> Sequence[Mapping[Rule, Glance]]:
        """Return what rules did to the trials that are not of each part, and last to all of them."""
        groups = self.part * self.bands + self.band
        shape = len(self.parts) + 1, self.bands

        def summed(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
            by_group = np.bincount(groups, amounts, minlength=len(self.parts) * self.bands)
            found = np.zeros(shape)
            found[:-1] = by_group.reshape(-1, self.bands)
            # All but each part, and last all of them.
            rest: NDArray[np.float64] = found.sum(axis=0) - found
            return rest

        won, before = summed(self.solved.astype(float)), summed(self.without_rule).sum(axis=1)
        found: list[dict[Rule, Glance]] = [{} for _ in range(shape[0])]
        for rule, spent in looked.items():
            lost = summed(np.concatenate([one.lost for one in spent]))
            cost = summed(self.cost([one.steps for one in spent])).sum(axis=1)
            worst = (lost / np.maximum(won, 1.0)).max(axis=1)
            kept = (won - lost).sum(axis=1)
            for place in range(shape[0]):
                ratio = math.inf
                if kept[place] > 0:
                    ratio = cost[place] / kept[place] / (before[place] / won[place].sum())
                found[place][rule] = Glance(worst=float(worst[place]), ratio=float(ratio))
        return found

    def losses(self, spent: Sequence[Spent], some: _Some) -> Losses:
        """Return what a rule did to some of the trials."""
        lost = np.concatenate([one.lost for one in spent])
        return self.of(lost, self.cost([one.steps for one in spent]), some)

    def of(self, lost: NDArray[np.float64], cost: NDArray[np.float64], some: _Some) -> Losses:
        """Return the same from what became of each trial, two arrays of shape (n,)."""
        won = some & self.solved
        bands = [some & (self.band == band) for band in range(self.bands)]
        return Losses(
            winners=int(won.sum()),
            lost=self._share(lost, won),
            by_band=[self._share(lost, won & here) for here in bands],
            ratio=self._ratio(lost, cost, some),
            ratio_by_band=[self._ratio(lost, cost, here) for here in bands],
        )

    def _ratio(self, lost: NDArray[np.float64], cost: NDArray[np.float64], some: _Some) -> float:
        """Return the steps per success of some trials over those without a rule."""
        won = some & self.solved
        kept = float(won.sum() - lost[won].sum())
        if not won.any():
            return math.nan
        if kept < 1e-9:
            return math.inf
        return float(cost[some].sum()) / kept / (float(self.without_rule[some].sum()) / int(won.sum()))

    def _share(self, lost: NDArray[np.float64], won: _Some) -> Estimate:
        """Return the share of some winners that were lost.

        Its interval counts seeds as far as they differ more than configurations do: their number is that of
        winners at most, and that of configurations at least.
        """
        count = int(won.sum())
        if not count:
            return UNKNOWN
        share = float(lost[won].mean())
        units = np.unique(self.unit[won], return_inverse=True)[1]
        most = units.max() + 1
        beyond = np.bincount(units, lost[won] - share)
        variance = float((beyond**2).sum()) / count**2 * most / max(most - 1, 1)
        # Where all are lost, or none, nothing says how alike seeds are.
        alike = 0.0 if share in (0, 1) else share * (1 - share) / variance if variance > 0 else count
        low, high = wilson_of_rates(np.array([share]), np.array([min(max(alike, most), count)]))
        return Estimate(value=share, low=float(low[0]), high=float(high[0]), unit="share")

    def _folds(self) -> NDArray[np.int64]:
        """Deal the configurations of one search into parts, those with winners first, at random else."""
        count = self.unit.max() + 1
        won = np.bincount(self.unit, self.solved, minlength=count)
        shuffled = np.random.default_rng(0).permutation(count)
        dealt = shuffled[np.argsort(-won[shuffled], kind="stable")]
        part = np.empty(count, dtype=np.int64)
        part[dealt] = np.arange(count) % min(FOLDS, count)
        return part[self.unit]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A part of the curves, with the rule that was chosen without it."""

    part: int
    rule: Rule | None
    """None: no rule keeps its loss within what was asked on the other parts, and saves steps."""
    losses: Losses


def is_within(share: float, most_lost: float) -> bool:
    """Tell whether a share of lost winners is no more than was asked for, but for rounding."""
    return share <= most_lost + 1e-9


def chosen(losses: Mapping[Rule, Losses | Glance], most_lost: float) -> Rule | None:
    """Return the rule with the fewest steps per success among those that lose few winners in each band.

    Args:
        losses: what each rule did.
        most_lost: largest share of the winners of a band that may be lost.

    Returns:
        the rule; None where none of those costs less than no rule.
    """
    good = [rule for rule, one in losses.items() if is_within(one.worst, most_lost) and one.ratio < 1]
    return min(good, key=lambda rule: losses[rule].ratio, default=None)


def nearest(losses: Mapping[Rule, Losses | Glance]) -> Rule | None:
    """Return the rule that loses the smallest share of the winners of a band among those that save steps."""
    saving = [rule for rule, one in losses.items() if one.ratio < 1]
    return min(saving, key=lambda rule: (losses[rule].worst, losses[rule].ratio), default=None)


def candidates(seen: Mapping[Rule, Glance], most_lost: float, count: int) -> Sequence[Rule]:
    """Return the rules of a first look that are worth measuring.

    Half of them lose as few winners as is asked for. The others lose half as many again, or twice as many,
    since a first look is not exact. Where too few are so good, the nearest are there.

    Args:
        seen: what each rule did at the first look.
        most_lost: largest share of the winners of a band that may be lost.
        count: how many.
    """
    # Rules that do the same, as at rungs where a metric is still 0 for all, are measured once.
    alike = {(round(one.worst, 9), round(one.ratio, 9)): rule for rule, one in reversed(list(seen.items()))}
    saving = [rule for (_, ratio), rule in reversed(alike.items()) if ratio < 1]
    by_ratio = sorted(saving, key=lambda rule: seen[rule].ratio)
    by_worst = sorted(saving, key=lambda rule: (seen[rule].worst, seen[rule].ratio))
    found: dict[Rule, None] = {}
    for limit, many in ((most_lost, count / 2), (1.5 * most_lost, 3 * count / 4), (2 * most_lost, count)):
        fair = [rule for rule in by_ratio if is_within(seen[rule].worst, limit) and rule not in found]
        found |= dict.fromkeys(fair[: math.ceil(many) - len(found)])
    return list(dict.fromkeys([*found, *by_worst]))[:count]


def left_out(
    trials: Trials,
    measured: Mapping[Rule, Sequence[Measured]],
    allowed: Sequence[Sequence[Rule]],
    most_lost: float,
) -> Sequence[LeftOut]:
    """Choose a rule without each part in turn, and return what it did to that part.

    Args:
        trials: the trials.
        measured: what each rule did to all of them.
        allowed: for each part the rules that may be chosen without it: those found without looking at it.
        most_lost: largest share of the winners of a band that may be lost.
    """
    found = []
    for part, rules in zip(trials.parts, allowed, strict=True):
        out = trials.part == part
        others = {rule: trials.losses([one.spent for one in measured[rule]], ~out) for rule in rules}
        rule = chosen(others, most_lost)
        if rule is None:
            losses = trials.of(np.zeros(len(out)), trials.without_rule, out)
        else:
            losses = trials.losses([one.spent for one in measured[rule]], out)
        found.append(LeftOut(part=part, rule=rule, losses=losses))
    return found


def together(trials: Trials, measured: Mapping[Rule, Sequence[Measured]], parts: Sequence[LeftOut]) -> Losses:
    """Return what the rules did to the parts that they were chosen without, over all parts."""
    lost, cost = np.zeros(len(trials.solved)), trials.without_rule.copy()
    for one in parts:
        if one.rule is not None:
            out = trials.part == one.part
            spent = [each.spent for each in measured[one.rule]]
            lost[out] = np.concatenate([each.lost for each in spent])[out]
            cost[out] = trials.cost([each.steps for each in spent])[out]
    return trials.of(lost, cost, trials.all)
