"""Rules of early stopping, judged on the whole curves of searches: a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from analysis.comparison.plans import names_of
from analysis.finding import Drawn, Table
from analysis.pictures.marks import Picture
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from paretune.errors import InputError
from paretune.stopping.replay.choosing import (
    LeftOut,
    Losses,
    Trials,
    candidates,
    chosen,
    is_within,
    left_out,
    nearest,
    together,
)
from paretune.stopping.replay.cliffs import CliffUnder, cliff_under
from paretune.stopping.replay.curves import CurvesError, NoWinnersError, Population, population_of
from paretune.stopping.replay.measuring import Measured, measured
from paretune.stopping.replay.rules import FACTORS, SHARES, Rule, grid
from paretune.stopping.replay.screening import screened
from search_spaces.wording import accepted

USUAL_METRICS = ("train_loss", "val_loss", "token_accuracy")
"""Metrics that are compared unless others are asked for, where reports have them; and the target's."""

REPLAYED = 100_000
"""Trials that are replayed in all, about: some 15 microseconds each."""

ORDERS = (6, 40)
"""The fewest and the most orders in which a rule is replayed."""

FITS = 100
"""Cliffs that are fitted in all, about: some six milliseconds each."""


MOST_CLIFFS = 4
"""So many rules, on one search, each have their cliff; of more only the best and the cheapest."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What is to be tried, and what is asked of a rule."""

    metrics: Sequence[str] = ()
    """Metrics compared at the rungs; those of :data:`USUAL_METRICS` and the target's if empty."""
    shares: Sequence[float] = SHARES
    """Where rungs are tried, alone and in pairs, as shares of each trial's own steps."""
    factors: Sequence[float] = FACTORS
    """Reduction factors."""
    steps: Sequence[int] = ()
    """Rungs at the same step for all trials, in place of the shares."""
    bands: int = 3
    """Bands of sizes in which lost winners are counted."""
    most_lost: float = 0.05
    """The largest share of the winners of a band that a recommended rule may lose."""
    slots: int = 1
    """How many trials run side by side."""

    def check(self) -> None:
        """Check that it can be tried.

        Raises:
            InputError: a value is out of its range; the message says which.
        """
        limits: list[tuple[Sequence[float], Callable[[float], bool], str]] = [
            (self.shares, lambda share: 0 < share < 1, "a rung lies at a share between 0 and 1"),
            (self.factors, lambda factor: factor > 1, "a reduction factor is above 1"),
            (self.steps, lambda step: step >= 1, "a rung lies at step 1 or later"),
            ([self.bands], lambda bands: bands >= 1, "there is at least 1 band"),
            ([self.most_lost], lambda share: 0 <= share < 1, "the most winners lost are a share below 1"),
            ([self.slots], lambda slots: slots >= 1, "at least 1 trial runs at a time"),
        ]
        for values, is_valid, said in limits:
            for value in values:
                if not is_valid(value):
                    raise InputError(f"{said}, but got {value:g}")
        if not self.factors or not (self.shares or self.steps):
            raise InputError("at least one factor and one rung have to be tried")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A rule that was replayed, with what it did to all trials."""

    rule: Rule
    losses: Losses
    ratio: Estimate
    """Steps per success over those without a rule: over all orders, and the middle 90 % of them."""


@dataclass(frozen=True, kw_only=True)
class Stopping(Drawn):
    """Rules of early stopping on whole curves: what they save, whom they lose, and which to take."""

    kind: ClassVar[str] = "stopping"
    title: ClassVar[str] = "Early stopping, replayed"

    tried: Tried
    populations: Sequence[Population]
    without_winners: Sequence[str]
    """Searches that were left out, since none of their trials solved the task."""
    looked_at: int
    """Rules that there was a first look at."""
    orders: int
    """Random orders of the trials in which the best of them were replayed."""
    replayed: int
    """Trials that were replayed for that, in all."""
    judged: Sequence[Judged]
    """Those, the ones that lose few winners first, by what they cost."""
    recommended: Judged | None
    """The rule to take; None where none loses few enough and saves steps."""
    nearest: Judged | None
    """The one that comes nearest to what was asked, where none is recommended."""
    parts: Sequence[LeftOut]
    """For each part of the curves the rule that was chosen without it, and what it did there."""
    elsewhere: Losses
    """What these did over all parts: what is to be expected of a rule so chosen."""
    cliffs: Sequence[CliffUnder]
    """The 50 % size of each search under the best rule and the cheapest; of few rules, under each."""

    @property
    def best(self) -> Judged | None:
        """The recommended rule, or the nearest to it."""
        return self.recommended or self.nearest

    @property
    def early_stopping(self) -> str | None:
        """The lines of a space file that state the recommended rule, or else the nearest; None if all rules
        cost more than none."""
        return None if self.best is None else self.best.rule.yaml()

    @property
    def sentences(self) -> Sequence[str]:
        """What was found."""
        from paretune.stopping.replay.words import sentences

        return sentences(self)

    @property
    def tables(self) -> Sequence[Table]:
        """The rules; those chosen on other curves; the searches; the cliffs."""
        from paretune.stopping.replay.tables import tables

        return tables(self)

    @property
    def pictures(self) -> Sequence[Picture]:
        """What the rules cost against the winners that they lose."""
        from paretune.stopping.replay.picture import picture

        return [picture(self)] if self.judged else []

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values, without NaN."""
        from paretune.stopping.replay.tables import as_json

        return as_json(self)


def stopping(searches: Sequence[SearchRows], tried: Tried | None = None) -> Stopping:
    """Judge rules of early stopping on the whole curves of one search or several.

    A first look at many rules estimates how likely each trial is below their cuts. The best, and those that
    are best without a part of the curves, are replayed trial after trial in random orders.

    Args:
        searches: the searches, which ran without early stopping.
        tried: what is to be tried.

    Raises:
        CurvesError: a search ran with early stopping or has no target, or none has a winner.
        InputError: what is to be tried cannot be.
    """
    tried = tried or Tried()
    tried.check()
    populations, without_winners = _populations(searches)
    rules = list(grid(_directions(populations, tried), tried.shares, tried.factors, tried.steps))
    trials = Trials(populations, tried.bands)
    *by_part, of_all = trials.glances(screened(populations, rules))
    shown = candidates(of_all, tried.most_lost, 16)
    allowed = [candidates(seen, tried.most_lost, 4) for seen in by_part]
    union = list(dict.fromkeys([*shown, *(rule for part in allowed for rule in part)]))
    orders = _orders(len(union) * len(trials.solved))
    results = measured(populations, union, orders, tried.slots)
    judged = [_judged(trials, rule, results[rule]) for rule in union]
    losses = {one.rule: one.losses for one in judged}
    by_rule = {one.rule: one for one in judged}
    take, near = chosen(losses, tried.most_lost), nearest(losses)
    parts = left_out(trials, results, allowed, tried.most_lost)
    ordered = sorted(
        (one for one in judged if one.rule in shown or one.rule in (take, near)),
        key=lambda one: (not is_within(one.losses.worst, tried.most_lost), one.losses.ratio),
    )
    return Stopping(
        tried=tried,
        populations=populations,
        without_winners=without_winners,
        looked_at=len(rules),
        orders=orders,
        replayed=orders * len(union) * len(trials.solved),
        judged=ordered,
        recommended=None if take is None else by_rule[take],
        nearest=None if take is not None or near is None else by_rule[near],
        parts=parts,
        elsewhere=together(trials, results, parts),
        cliffs=_cliffs(populations, take or near, ordered, tried.slots),
    )


def _populations(searches: Sequence[SearchRows]) -> tuple[list[Population], list[str]]:
    found, without = [], []
    for name, rows in zip(names_of(searches), searches, strict=True):
        try:
            found.append(population_of(rows, name))
        except NoWinnersError:
            if len(searches) == 1:
                raise
            without.append(name)
    if not found:
        raise CurvesError(
            f"none of the {len(searches)} searches has a trial that solved the task: there are no winners "
            "that a rule could lose"
        )
    return found, without


def _directions(populations: Sequence[Population], tried: Tried) -> dict[str, Literal["max", "min"]]:
    """Return the metrics to compare, which all searches report.

    Raises:
        InputError: one that was asked for is not among them, or there is none.
    """
    first, *others = populations
    common = {
        name: direction
        for name, direction in first.directions.items()
        if all(other.directions.get(name) == direction for other in others)
    }
    for name in tried.metrics:
        if name not in common:
            raise InputError(f"--metric got {name!r}, which not all reports have{accepted(name, common)}")
    usual = (*USUAL_METRICS, *(population.target for population in populations))
    wanted = [name for name in tried.metrics or usual if name in common]
    if not wanted:
        raise InputError(f"no metric is in all reports; state one with --metric{accepted('', common)}")
    return {name: common[name] for name in wanted}


def _orders(trials: int) -> int:
    fewest, most = ORDERS
    return max(fewest, min(most, REPLAYED // max(trials, 1)))


def _judged(trials: Trials, rule: Rule, results: Sequence[Measured]) -> Judged:
    losses = trials.losses([one.spent for one in results], trials.all)
    low, high = np.quantile(trials.ratios(results), [0.05, 0.95])
    return Judged(
        rule=rule, losses=losses, ratio=Estimate(value=losses.ratio, low=float(low), high=float(high))
    )


def _cliffs(
    populations: Sequence[Population], best: Rule | None, judged: Sequence[Judged], slots: int
) -> list[CliffUnder]:
    if best is None:
        return []
    cheapest = min(judged, key=lambda one: one.losses.ratio).rule
    rules = list(dict.fromkeys([best, cheapest]))
    if len(judged) <= MOST_CLIFFS and len(populations) == 1:
        rules = list(dict.fromkeys([*rules, *(one.rule for one in judged)]))
    orders = max(5, min(25, FITS // (2 * len(rules) * len(populations))))
    return [
        cliff_under(population, rule, orders, slots)
        for rule in rules
        for population in populations
        if len(np.unique(population.params)) > 1
    ]
