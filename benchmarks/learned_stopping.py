"""Does a stopping rule that was learned on earlier searches beat the plain rules of paretune stopping?

A learned rule gives each trial at each rung a chance to solve the task, from its curve so far, and stops it
where that is below a threshold. Chances are fitted on whole curves; rungs and threshold are chosen so that at
most 5 % of the winners of each band of sizes are lost. All of that is done without the part that it is judged
on: another search, or another fold of the configurations of the same search.

    python benchmarks/learned_stopping.py                              # the committed library
    python benchmarks/learned_stopping.py --without quickstart         # but not this one
    python benchmarks/learned_stopping.py --folders results/A results/B

Gradient-boosted trees are tried where scikit-learn is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from learned_rules import (
    ACCURACY,
    LEVELS,
    LOSS,
    RANKS,
    Linear,
    Method,
    Option,
    Pool,
    at_once,
    in_order,
    level,
    ridge,
    trees,
)
from numpy.typing import NDArray

from analysis.rows import SearchRows
from paretune.stopping.library import COMMITTED, read_library
from paretune.stopping.replay.choosing import Losses, chosen
from paretune.stopping.replay.curves import NoWinnersError, Population, population_of
from paretune.stopping.replay.finding import Tried, stopping
from paretune.stopping.replay.measuring import measured
from paretune.stopping.replay.rules import FACTORS, SHARES, Rule, grid
from paretune.stopping.replay.screening import screened

Array = NDArray[np.float64]

FINER = (1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.6, 1.75, 2.0, 2.5, 3.0)
"""Reduction factors, as many as learned rules have thresholds."""

DRAWS = 4000
"""Draws of the bootstrap over configurations."""

METHODS = [
    Method(name="learned: rank of loss", fit=ridge([0])),
    Method(name="learned: rank of loss, size", fit=ridge([0, 5])),
    Method(name="learned: ranks, slope, size, rate", fit=ridge(RANKS)),
    Method(name="learned: loss, accuracy, slope, size, rate", fit=ridge(LEVELS)),
    Method(name="learned: trees on all of these", fit=trees),
    Method(name="a level of the loss", fit=level(LOSS), is_chance=False),
    Method(name="a level of the accuracy", fit=level(ACCURACY), is_chance=False),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of rules, and how they are replayed."""

    most_lost: float
    """The largest share of the winners of a band that may be lost where a rule is chosen."""
    orders: int
    """Random orders of the trials."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What a kind of rule did to all trials, each judged by what was chosen without it."""

    name: str
    lost: Array
    """In which share of the orders each was a winner and stopped, shape (n,)."""
    steps: Array
    """Steps that it took in the mean, shape (n,)."""
    hindsight: Losses | None = None
    """What the same would do with the rungs and the threshold that are best on all searches."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    library = Path(__file__).parent.parent / "results" / COMMITTED
    parser.add_argument("--library", type=Path, default=library, help="the library's folder")
    parser.add_argument("--folders", type=Path, nargs="+", help="folders of searches, in place of it")
    parser.add_argument("--without", nargs="+", default=[], help="names of searches that are left out")
    parser.add_argument("--most-lost", type=float, default=0.05, help="share of winners that may be lost")
    parser.add_argument("--orders", type=int, default=20, help="random orders of the trials")
    options = parser.parse_args()
    folders = options.folders or []
    searches = [SearchRows(folder.absolute()) for folder in folders] or read_library(options.library)
    pairs = []
    for rows in searches:
        try:
            if rows.plan.name not in options.without:
                pairs.append((rows, population_of(rows, rows.plan.name)))
        except NoWinnersError:
            print(f"{rows.plan.name} is left out: none of its trials solved the task")
    if len(pairs) < 2:
        parser.error("at least two searches with winners are needed")
    asked = Asked(most_lost=options.most_lost, orders=options.orders)
    print_all(Pool(*zip(*pairs, strict=True)), asked)


def print_all(pool: Pool, asked: Asked) -> None:
    """Judge every kind of rule, and print what it did by search and in all."""
    searches = pool.trials.search
    fates = [*plain(pool, asked)]
    for method in METHODS:
        if method.fit is trees and importlib.util.find_spec("sklearn") is None:
            print(f"{method.name}: left out, since scikit-learn is not installed")
            continue
        fates.append(elsewhere(pool, method, searches, asked))
    fates.append(inside(pool, METHODS[1], asked))
    rested = fates[2]
    counts = f"{len(searches)} whole curves of {len(pool.populations)} searches"
    print(f"{counts}, {asked.orders} orders, at most {_percent(asked.most_lost)} of a band lost\n")
    print_by_search(pool, fates)
    print()
    print("| rule | winners lost | small | middle | large | ratio | over the third | in hindsight |")
    print("|---|---|---|---|---|---|---|---|")
    for fate in fates:
        losses = pool.judged(fate.lost, fate.steps, pool.trials.all)
        bands = " | ".join(_percent(band.value) for band in losses.by_band)
        after = fate.hindsight
        hindsight = f"{after.ratio:.2f}, {_percent(after.worst)}" if after else "-"
        over = "1" if fate is rested else quotient(pool, fate, rested)
        print(f"| {fate.name} | {_lost(losses)} | {bands} | {losses.ratio:.2f} | {over} | {hindsight} |")


def print_by_search(pool: Pool, fates: Sequence[Fate]) -> None:
    """Print for each search the ratio of steps per success to no rule, and the winners lost."""
    people = pool.populations
    print("| rule | " + " | ".join(f"{one.name}, {one.solved.sum()} of {len(one)}" for one in people) + " |")
    print("|---" * (1 + len(people)) + "|")
    for fate in fates:
        cells = []
        for number in range(len(people)):
            losses = pool.judged(fate.lost, fate.steps, pool.trials.search == number)
            cells.append(f"{losses.ratio:.2f}; {_lost(losses)}")
        print(f"| {fate.name} | {' | '.join(cells)} |")


def _lost(losses: Losses) -> str:
    return f"{_percent(losses.lost.value)} ({100 * losses.lost.low:.0f} to {_percent(losses.lost.high)})"


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.0f} %"


def quotient(pool: Pool, fate: Fate, other: Fate) -> str:
    """Return the steps per success under one rule over those under another, with its 95 % interval.

    The bootstrap draws configurations of each search. What was chosen stays as it is.
    """
    trials, rng = pool.trials, np.random.default_rng(0)
    count = trials.unit.max() + 1
    sums = []
    for one in (fate, other):
        kept = np.bincount(trials.unit, trials.solved - one.lost, minlength=count)
        sums.append((np.bincount(trials.unit, pool.cost(one.steps), minlength=count), kept))
    search = np.zeros(count, dtype=int)
    search[trials.unit] = trials.search
    times = np.zeros((DRAWS, count))
    for number in range(len(pool.populations)):
        units = np.flatnonzero(search == number)
        times[:, units] = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), DRAWS)
    (cost, kept), (cost_other, kept_other) = sums
    value = cost.sum() / kept.sum() / (cost_other.sum() / kept_other.sum())
    # Draws of few searches may have no winner left, and so no cost of one.
    drawn = times[(times @ kept > 0) & (times @ kept_other > 0)]
    quotients = (drawn @ cost) / (drawn @ kept) / ((drawn @ cost_other) / (drawn @ kept_other))
    low, high = np.quantile(quotients, [0.025, 0.975])
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def plain(pool: Pool, asked: Asked) -> list[Fate]:
    """Return what plain rules do to each search, chosen on the others, and inside it by folds.

    First as paretune stopping recommends them: a few that are best at a first look are replayed, each
    stopping and pausing. Then as the learned ones are chosen: by the first look alone; they pause. Last of
    more rules, with factors as fine as the thresholds of the learned ones.
    """
    people = pool.populations
    finding = stopping(pool.searches, Tried(most_lost=asked.most_lost))
    after = finding.recommended.losses if finding.recommended else None
    recommended = [part.rule for part in finding.parts]
    folds = [_folds(rows, one, asked) for rows, one in zip(pool.searches, people, strict=True)]
    return [
        _joined("plain, as recommended on the others", _each(pool, recommended, asked), after),
        _at_first_look(pool, "plain, by a first look at the others", FACTORS, asked),
        _at_first_look(pool, "the same, more factors", FINER, asked),
        _joined("plain, by folds inside", folds),
    ]


def _at_first_look(pool: Pool, name: str, factors: Sequence[float], asked: Asked) -> Fate:
    rules = list(grid({"train_loss": "min", "token_accuracy": "max"}, SHARES, factors))
    looked = screened(pool.populations, rules)
    *without, of_all = pool.trials.glances(looked)
    first = [chosen(seen, asked.most_lost) for seen in without]
    best = chosen(of_all, asked.most_lost)
    after = None if best is None else pool.trials.losses(looked[best], pool.trials.all)
    paused = [rule and replace(rule, below_cut="pause") for rule in first]
    return _joined(name, _each(pool, paused, asked), after)


def _each(pool: Pool, rules: Sequence[Rule | None], asked: Asked) -> list[tuple[Array, Array]]:
    """Return what a rule for each search does to it."""
    pairs = zip(pool.populations, rules, strict=True)
    return [_replayed(one, rule, asked.orders) for one, rule in pairs]


def _folds(rows: SearchRows, people: Population, asked: Asked) -> tuple[Array, Array]:
    """Return what plain rules do to each fold of one search, recommended on the others."""
    label = Pool([rows], [people]).trials.part
    lost, steps = np.zeros(len(people)), people.steps.astype(float)
    for part in stopping([rows], Tried(most_lost=asked.most_lost)).parts:
        out = label == part.part
        done = _replayed(people, part.rule, asked.orders)
        lost[out], steps[out] = done[0][out], done[1][out]
    return lost, steps


def _joined(name: str, done: Sequence[tuple[Array, Array]], hindsight: Losses | None = None) -> Fate:
    lost, steps = (np.concatenate(parts) for parts in zip(*done, strict=True))
    return Fate(name=name, lost=lost, steps=steps, hindsight=hindsight)


def _replayed(people: Population, rule: Rule | None, orders: int) -> tuple[Array, Array]:
    if rule is None:
        return np.zeros(len(people)), people.steps.astype(float)
    spent = measured([people], [rule], orders)[rule][0].spent
    return spent.lost, spent.steps


def elsewhere(pool: Pool, method: Method, label: NDArray[np.int64], asked: Asked) -> Fate:
    """Fit and choose without each part of the trials in turn, and return what that does there."""
    lost, steps, scores = np.zeros(len(label)), pool.steps.copy(), np.full(pool.at.shape, np.nan)
    for part in np.unique(label):
        out, inner = label == part, np.full(pool.at.shape, np.nan)
        # The threshold is chosen on chances that a fit gave to what it had not seen.
        for other in np.unique(label[~out]):
            there = label == other
            inner[there] = method.fit(pool, ~out & ~there)(pool)[there]
        option, model = best_option(pool, method, inner, ~out, asked.most_lost), method.fit(pool, ~out)
        scores[out] = model(pool)[out]
        if option is None:
            continue
        if isinstance(model, Linear):
            runs = [in_order(pool, model, option, order) for order in _orders(pool, out, asked.orders)]
        else:
            runs = [at_once(pool, model(pool), option)]
        lost[out] = np.mean([run[0] for run in runs], axis=0)[out]
        steps[out] = np.mean([run[1] for run in runs], axis=0)[out]
    every = pool.trials.all
    best = best_option(pool, method, scores, every, asked.most_lost)
    after = None if best is None else pool.judged(*at_once(pool, scores, best), every)
    return Fate(name=method.name, lost=lost, steps=steps, hindsight=after)


def inside(pool: Pool, method: Method, asked: Asked) -> Fate:
    """Return the same of each search by folds of its configurations."""
    pools = [Pool([rows], [one]) for rows, one in zip(pool.searches, pool.populations, strict=True)]
    fates = [elsewhere(one, method, one.trials.part, asked) for one in pools]
    return _joined(f"{method.name}, by folds inside", [(fate.lost, fate.steps) for fate in fates])


def best_option(
    pool: Pool, method: Method, score: Array, some: NDArray[np.bool_], most_lost: float
) -> Option | None:
    """Return the option with the fewest steps per success of those that lose few winners of each band."""
    best, least = None, 1.0
    for option in method.options:
        losses = pool.judged(*at_once(pool, score, option), some)
        if losses.worst <= most_lost + 1e-9 and losses.ratio < least:
            best, least = option, losses.ratio
    return best


def _orders(pool: Pool, some: NDArray[np.bool_], count: int) -> list[list[int]]:
    """Return random orders of the trials of the one search that some trials are of."""
    trials = np.flatnonzero(pool.trials.search == pool.trials.search[some][0])
    return [np.random.default_rng((1, k)).permutation(trials).tolist() for k in range(count)]


if __name__ == "__main__":
    main()
