"""Stopping rules that are learned on whole curves: what is known of trials at rungs, and what is fitted."""

from __future__ import annotations

import importlib
import itertools
import json
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.rows import SearchRows
from analysis.selection import parameters
from paretune.plan.budget import step_at
from paretune.stopping.replay.choosing import Losses, Trials
from paretune.stopping.replay.curves import Curve, Population
from paretune.stopping.replay.rules import SHARES

Array = NDArray[np.float64]
Some = NDArray[np.bool_]

BANDS = 3
"""Bands of sizes in which lost winners are counted."""

CHANCES = (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)
"""Thresholds that are tried: of the chance itself,"""
RATIOS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""and of its odds over the mean of the trials of the search that came to the rung so far."""
MARGINS = (-1.0, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0)
"""By how much the logarithm of a loss may be above that of nearly all winners."""

RUNGS: list[tuple[int, ...]] = [
    *((rung,) for rung in range(len(SHARES))),
    *itertools.combinations(range(len(SHARES)), 2),
    tuple(range(len(SHARES))),
]
"""Rungs that are used: each alone, pairs, as the plain rules have them, and all."""

LOSS, ACCURACY = 0, 1
FEATURES = ("rank of loss", "rank of accuracy", "loss", "accuracy", "slope of loss", "size", "learning rate")
RANKS = (0, 1, 4, 5, 6)
"""Features that compare a trial with those of its own search, and so carry over to any other."""
LEVELS = (2, 3, 4, 5, 6)
"""The same with a trial's own loss and accuracy in place of their ranks: it is compared with no other."""


def log_odds(shares: Array) -> Array:
    """Return the log odds of shares, those of 0 and 1 kept finite."""
    kept = np.clip(shares, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(kept / (1 - kept)))


class Pool:
    """The trials of some searches in a row, with what is known of them at each rung.

    ``at``, shape (n, rungs), is the step of the report that comes to a rung, NaN for a trial that had ended
    or solved the task. ``values``, shape (n, rungs, 2), are loss and accuracy there, with signs by which more
    is better. ``features`` has the shape (n, rungs, features).
    """

    def __init__(self, searches: Sequence[SearchRows], populations: Sequence[Population]) -> None:
        self.searches = searches
        self.populations = populations
        self.trials = Trials(populations, BANDS)
        self.steps = np.concatenate([people.steps for people in populations]).astype(float)
        made = [_features(rows, people) for rows, people in zip(searches, populations, strict=True)]
        self.at, self.values, self.features = (np.concatenate(parts) for parts in zip(*made, strict=True))

    def judged(self, lost: Array, steps: Array, some: Some) -> Losses:
        """Return what a rule did to some of the trials."""
        return self.trials.of(lost, self.cost(steps), some)

    def cost(self, steps: Array) -> Array:
        """Return the cost of each trial: its steps over what a success costs in its search without a rule."""
        ends = np.cumsum([len(people) for people in self.populations])[:-1]
        return self.trials.cost(np.split(steps, ends))


def _features(rows: SearchRows, people: Population) -> tuple[Array, Array, Array]:
    """Return steps, values and features of the trials of a search at the rungs."""
    table = parameters(rows)
    at = np.full((len(people), len(SHARES)), np.nan)
    values = np.full((*at.shape, 2), np.nan)
    features = np.zeros((*at.shape, len(FEATURES)))
    for number, curve in enumerate(people.curves):
        stages = table["curriculum"][curve.configuration] if "curriculum" in table.columns else None
        _look(curve, _phases(curve, stages), at[number], values[number], features[number])
    for rung, kind in itertools.product(range(len(SHARES)), (LOSS, ACCURACY)):
        there = np.isfinite(at[:, rung])
        # The larger the better; who solved the task before the rung is better than all that come to it.
        own = np.where(there, values[:, rung, kind], np.where(people.solved, math.inf, -math.inf))
        order = np.sort(own[there | people.solved])
        place = np.searchsorted(order, own[there], "left") + np.searchsorted(order, own[there], "right")
        features[there, rung, kind] = log_odds(place / 2 / len(order))
    features[:, :, 2:4] = np.nan_to_num(values)
    rates = np.array([np.nanmax(curve.values["learning_rate"]) for curve in people.curves])
    features[:, :, 5] = np.log(people.params / np.median(people.params))[:, None]
    features[:, :, 6] = np.log(rates / np.median(rates))[:, None]
    return at, values, features


def _phases(curve: Curve, stages: object) -> Array:
    """Return the steps at which the phases of its curriculum begin."""
    shares = [stage["share"] for stage in json.loads(stages)] if isinstance(stages, str) else []
    ends = np.cumsum([0.0, *(shares or [1.0])])
    return np.asarray(ends[:-1] / ends[-1] * curve.budget)


def _look(curve: Curve, phases: Array, at: Array, values: Array, features: Array) -> None:
    """Fill in what is known of a trial at each rung."""
    loss = -np.log(np.maximum(curve.values["train_loss"], 1e-4))
    accuracy = log_odds(np.clip(curve.values["token_accuracy"], 0.005, 0.995))
    rungs = [step_at(share, curve.budget) for share in SHARES]
    passed, phase = np.searchsorted(rungs, curve.at, "right"), np.searchsorted(phases, curve.at, "left")
    known = np.isfinite(loss) & np.isfinite(accuracy)
    known[-1] = False
    for rung in range(len(SHARES)):
        here = np.flatnonzero((passed == rung + 1) & known)
        if len(here) == 0 or curve.held[here[0]]:
            continue
        place = here[0]
        at[rung], values[rung] = curve.at[place], (loss[place], accuracy[place])
        before = np.flatnonzero((phase[:place] == phase[place]) & known[:place])[-2:]
        if len(before):
            share = (curve.at[place] - curve.at[before[0]]) / curve.budget
            features[rung, 4] = (loss[place] - loss[before[0]]) / share / 20


@dataclass(frozen=True, kw_only=True)
class Option:
    """Which rungs stop trials, and below which score."""

    rungs: tuple[int, ...]
    threshold: float
    is_relative: bool = False
    """Whether it is of the odds over their mean in the search."""


Scorer = Callable[[Pool], Array]
"""Gives trials a score at each rung, shape (n, rungs): log odds of solving, or a margin; more is better."""


@dataclass(frozen=True, kw_only=True)
class Linear:
    """Log odds linear in the features: intercept and slopes at each rung, shape (rungs, 1 + features)."""

    slopes: Array

    def __call__(self, pool: Pool) -> Array:
        """Return the scores of trials, each compared with all others of its search."""
        score = self.slopes[:, 0] + (pool.features * self.slopes[:, 1:]).sum(axis=2)
        return np.where(np.isfinite(pool.at), score, np.nan)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A kind of rule that is learned."""

    name: str
    fit: Callable[[Pool, Some], Scorer]
    is_chance: bool = True

    @property
    def options(self) -> list[Option]:
        """What is tried."""
        if not self.is_chance:
            return [Option(rungs=rungs, threshold=-margin) for rungs in RUNGS for margin in MARGINS]
        limits = [(float(one), False) for one in log_odds(np.array(CHANCES))]
        limits += [(math.log(one), True) for one in RATIOS]
        return [
            Option(rungs=rungs, threshold=one, is_relative=relative)
            for rungs in RUNGS
            for one, relative in limits
        ]


def ridge(features: Sequence[int], penalty: float = 1.0) -> Callable[[Pool, Some], Linear]:
    """Return what fits a logistic regression with a ridge penalty at each rung, on some of the features."""
    chosen = list(features)

    def fit(pool: Pool, some: Some) -> Linear:
        slopes = np.zeros((len(SHARES), 1 + len(FEATURES)))
        for rung in range(len(SHARES)):
            here = some & np.isfinite(pool.at[:, rung])
            if not here.any():
                continue
            raw, solved = pool.features[here, rung][:, chosen], pool.trials.solved[here]
            middle, spread = raw.mean(axis=0), raw.std(axis=0) + 1e-9
            found = _ridge(np.column_stack([np.ones(len(raw)), (raw - middle) / spread]), solved, penalty)
            slopes[rung, [1 + one for one in chosen]] = found[1:] / spread
            slopes[rung, 0] = found[0] - (found[1:] / spread * middle).sum()
        return Linear(slopes=slopes)

    return fit


def _ridge(columns: Array, solved: Some, penalty: float) -> Array:
    weights = np.full(columns.shape[1], penalty)
    weights[0] = 1e-3
    found = np.zeros(columns.shape[1])
    for _ in range(40):
        chance = 1 / (1 + np.exp(-np.clip(columns @ found, -30, 30)))
        curvature = (columns * (chance * (1 - chance))[:, None]).T @ columns + np.diag(weights)
        step = np.linalg.solve(curvature, columns.T @ (solved - chance) - weights * found)
        found += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-7:
            break
    return found


def trees(pool: Pool, some: Some) -> Scorer:
    """Fit gradient-boosted trees on all features at each rung."""
    make = importlib.import_module("sklearn.ensemble").GradientBoostingClassifier
    small = {"max_depth": 2, "min_samples_leaf": 8, "subsample": 0.7}
    kind = {**small, "n_estimators": 80, "learning_rate": 0.06, "random_state": 0}
    models = []
    for rung in range(len(SHARES)):
        here = some & np.isfinite(pool.at[:, rung])
        solved = pool.trials.solved[here]
        is_mixed = 0 < solved.sum() < len(solved)
        models.append(make(**kind).fit(pool.features[here, rung], solved) if is_mixed else None)

    def score(other: Pool) -> Array:
        found = np.full(other.at.shape, np.nan)
        for rung, model in enumerate(models):
            here = np.isfinite(other.at[:, rung])
            if model is not None and here.any():
                found[here, rung] = log_odds(model.predict_proba(other.features[here, rung])[:, 1])
        return found

    return score


def level(kind: int) -> Callable[[Pool, Some], Scorer]:
    """Return what takes the level that 95 % of winners had passed at each rung: no chance, but a margin."""

    def fit(pool: Pool, some: Some) -> Scorer:
        won = pool.values[some & pool.trials.solved, :, kind]
        levels = [
            np.quantile(column[np.isfinite(column)], 0.05) if np.isfinite(column).any() else -math.inf
            for column in won.T
        ]
        return lambda other: other.values[:, :, kind] - np.array(levels)

    return fit


def at_once(pool: Pool, score: Array, option: Option) -> tuple[Array, Array]:
    """Return who is lost, and the steps of each trial, with all trials of a search compared at once."""
    alive, steps = np.ones(len(score), dtype=bool), pool.steps.copy()
    for rung in option.rungs:
        own = score[:, rung]
        if option.is_relative:
            own = own - _mean_log_odds(pool, own)
        below = alive & (own < option.threshold)
        steps[below] = pool.at[below, rung]
        alive &= ~below
    return (pool.trials.solved & ~alive).astype(float), steps


def _mean_log_odds(pool: Pool, score: Array) -> Array:
    there = np.isfinite(score)
    chance, search = 1 / (1 + np.exp(-score[there])), pool.trials.search
    count = np.bincount(search[there], minlength=search.max() + 1)
    means = np.bincount(search[there], chance, minlength=len(count)) / np.maximum(count, 1)
    return log_odds(means)[search]


def in_order(pool: Pool, model: Linear, option: Option, order: Sequence[int]) -> tuple[Array, Array]:
    """Return the same of the trials of one search, one after another: each is compared with those before it.

    Who was stopped at an earlier rung counts as worse than all that come to a later one.
    """
    lost, steps = np.zeros(len(pool.steps)), pool.steps.copy()
    fixed = model.slopes[:, 0] + (pool.features[:, :, 2:] * model.slopes[:, 3:]).sum(axis=2)
    came: list[tuple[list[float], list[float]]] = [([], []) for _ in SHARES]
    chances: list[list[float]] = [[] for _ in SHARES]
    for trial in order:
        is_stopped = False
        for rung in option.rungs:
            is_there = bool(np.isfinite(pool.at[trial, rung])) and not is_stopped
            score = float(fixed[trial, rung])
            for kind, others in enumerate(came[rung]):
                own = float(pool.values[trial, rung, kind])
                if not is_there:
                    own = math.inf if pool.trials.solved[trial] and not is_stopped else -math.inf
                place = (bisect_left(others, own) + 0.5) / (len(others) + 1)
                score += float(model.slopes[rung, 1 + kind]) * math.log(place / (1 - place))
                insort(others, own)
            if not is_there:
                continue
            chances[rung].append(1 / (1 + math.exp(-max(min(score, 30), -30))))
            mean = sum(chances[rung]) / len(chances[rung])
            base = math.log(mean / (1 - mean + 1e-9)) if option.is_relative else 0.0
            if score - base < option.threshold:
                is_stopped, steps[trial] = True, pool.at[trial, rung]
                lost[trial] = float(pool.trials.solved[trial])
    return lost, steps
