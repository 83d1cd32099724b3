"""The learning-rate regime of a trial: too slow, stuck, works, unstable, diverges, or unknown.

An ending alone does not tell them apart: a rate that is too low and one that blew the loss up without making
it infinite both leave a trial that "finished" with an exact match of nothing. The curve of its loss does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.outcomes import kept_chances, represented
from analysis.rows import PARAMS, SearchRows

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

Regime = Literal["too slow", "stuck", "not learned", "works", "unstable", "diverges", "unknown"]

RISE = 2.0
"""A loss that ends above so many times its lowest has risen again. Of 40 trials that solved in the published
sweep of gpt-acc-jax none ended above 1.42 times."""

BLOWN_UP = 2.0
"""A loss that ends above so many times that of a first report has blown up."""

LAST_PART = 0.2
"""The share of a trial's steps, at its end, in which its loss is looked at for whether it still falls."""

FALL = 0.02
"""A loss that falls in that share by so much of itself still falls. Twice the steps would then take off a
tenth or more; the losses of published plateaus fall or rise by up to 1 % by chance."""

SCATTER = 2.0
"""So many standard errors from nothing must the fall be, for it to be more than scatter between reports."""

FEWEST_REPORTS = 3
"""With fewer reports in the last part no slope can be told."""

REGIMES: dict[Regime, str] = {
    "too slow": f"did not solve, and over the last {LAST_PART * 100:g} % of its steps its loss fell by "
    f"{FALL * 100:g} % or more, and by more than {SCATTER:g} standard errors (a line through the reports)",
    "stuck": "did not solve, and its loss lay on a plateau at the end",
    "not learned": "did not solve, with too few reports at its end to distinguish too slow from stuck",
    "works": "solved, and still at the target at its last report",
    "unstable": "had the target and was below it at its last report, or its loss ended above "
    f"{RISE:g} times its lowest",
    "diverges": f"its loss became non-finite, or ended above {BLOWN_UP:g} times its own first report's "
    "or the usual first report's (the median of the trials)",
    "unknown": "stopped early, interrupted, failed, or still running",
}
"""Every regime with its criterion, from rates that are too low to rates that are too high. Where several
hold, the order is works, diverges, unstable, too slow, stuck."""

_NOT_LOSSES = (PARAMS, "train_loss", "learning_rate")


@dataclass(frozen=True, kw_only=True)
class Classified:
    """The regime of every trial of a search."""

    regime: NDArray[np.object_]
    """Shape (trials,), in the order of the search's trials; each one of :data:`REGIMES`."""
    weight: Array
    """Shape (trials,): how many trials each stands for, 0 where it is not known. Above one where a rule of
    early stopping let some of those below its cut run on by lot."""
    represented: NDArray[np.bool_]
    """Shape (trials,): which trials others stand for, so that they count for nothing themselves."""
    loss: str | None
    """The metric whose curve was looked at; None if the search has no loss."""


def loss_of(rows: SearchRows) -> str | None:
    """Return the loss by which trials are classified: the target's metric if it is to be small, otherwise the
    first metric that is, and is no cost and not the training loss."""
    wanted = [name for name in (rows.plan.target or {}) if _is_loss(rows, name)]
    return next(iter([*wanted, *(name for name in rows.metrics if _is_loss(rows, name))]), None)


def classify(rows: SearchRows) -> Classified:
    """Return the regime of every trial; of 100,000 trials with 20 reports each in some two seconds."""
    trials, loss = rows.trials, loss_of(rows)
    count = len(trials)
    ending = trials["ending"].astype(object).to_numpy() if count else np.array([], dtype=object)
    solved, diverged, finished = (ending == name for name in ("solved", "diverged", "finished"))
    reports = _Reports.of(rows, [name for name in (loss, *(rows.plan.target or {})) if name is not None])
    lost = _lost_the_target(rows, reports, solved)
    rose, blown_up, falls, is_told = (np.zeros(count, dtype=bool) for _ in range(4))
    if loss is not None and loss in reports.metrics:
        curve = _Curve.of(reports, loss, count)
        rose = curve.last > RISE * curve.lowest
        firsts = curve.first[np.isfinite(curve.first)]
        usual = float(np.median(firsts)) if len(firsts) else np.inf
        blown_up = curve.last > BLOWN_UP * np.fmin(curve.first, usual)
        falls, is_told = curve.falls, curve.is_told
    ended = solved | finished
    # The later of these count: see the order in REGIMES.
    regime = np.full(count, "unknown", dtype=object)
    regime[finished] = np.where(is_told, np.where(falls, "too slow", "stuck"), "not learned")[finished]
    regime[ended & (lost | rose)] = "unstable"
    # A trial that early stopping ended is not known, except where it had blown up by then.
    regime[((ended | (ending == "stopped early")) & blown_up) | diverged] = "diverges"
    regime[solved & ~lost] = "works"
    by_others = represented(trials)
    weight = np.where((regime == "unknown") | by_others, 0.0, 1.0 / kept_chances(trials))
    return Classified(regime=regime, weight=weight, represented=by_others, loss=loss)


def _is_loss(rows: SearchRows, name: str) -> bool:
    metric = rows.metrics.get(name, {})
    return metric.get("direction") == "min" and name not in rows.costs and name not in _NOT_LOSSES


@dataclass(frozen=True, kw_only=True)
class _Reports:
    """Reports in the order of trials and steps."""

    trial: Whole
    """Shape (reports,): the place of the trial that each belongs to."""
    step: Array
    metrics: dict[str, Array]

    @classmethod
    def of(cls, rows: SearchRows, names: list[str]) -> _Reports:
        reports = rows.reports
        place = pd.Index(rows.trials["trial"]).get_indexer(pd.Index(reports["trial"]))
        step = pd.to_numeric(reports["step"]).to_numpy(float)
        order = np.lexsort((step, place))
        order = order[place[order] >= 0]
        metrics = {
            name: pd.to_numeric(reports[name]).to_numpy(float)[order]
            for name in dict.fromkeys(names)
            if name in reports.columns
        }
        return cls(trial=place[order].astype(np.int64), step=step[order], metrics=metrics)


def _lost_the_target(rows: SearchRows, reports: _Reports, solved: Flags) -> Flags:
    """Tell which trials held the target, and were below it at their last report."""
    trials = rows.trials
    lost = np.zeros(len(trials), dtype=bool)
    for name, value in (rows.plan.target or {}).items():
        sign = 1.0 if rows.metrics.get(name, {}).get("direction", "max") == "max" else -1.0
        if name not in trials.columns:
            continue
        below = sign * pd.to_numeric(trials[name]).to_numpy(float) < sign * value
        held = solved.copy()
        if name in reports.metrics:
            at_target = sign * reports.metrics[name] >= sign * value
            # How many in a row are at the target, up to each report of a trial.
            place = np.arange(len(at_target))
            begins = np.concatenate([[True], reports.trial[1:] != reports.trial[:-1]])[: len(place)]
            since = np.maximum.accumulate(np.where(~at_target, place + 1, np.where(begins, place, 0)))
            held[reports.trial[place + 1 - since >= rows.plan.target_hold]] = True
        lost |= held & below
    return lost


@dataclass(frozen=True, kw_only=True)
class _Curve:
    """What matters of each trial's loss; shape (trials,) each, NaN without a report."""

    first: Array
    lowest: Array
    last: Array
    falls: Flags
    """Whether it fell at the end by more than scatter."""
    is_told: Flags
    """Whether there were enough reports at the end to tell."""

    @classmethod
    def of(cls, reports: _Reports, loss: str, count: int) -> _Curve:
        known = np.isfinite(reports.metrics[loss])
        trial, step, value = reports.trial[known], reports.step[known], reports.metrics[loss][known]
        first, lowest, last, end = (np.full(count, np.nan) for _ in range(4))
        begins = np.flatnonzero(np.concatenate([[True], trial[1:] != trial[:-1]])[: len(trial)])
        if len(begins):
            ends = np.append(begins[1:], len(trial)) - 1
            mine = trial[begins]
            first[mine], last[mine], end[mine] = value[begins], value[ends], step[ends]
            lowest[mine] = np.minimum.reduceat(value, begins)
        late = step >= (1 - LAST_PART) * end[trial]
        falls, is_told = _falls(trial[late], step[late], value[late], count)
        return cls(first=first, lowest=lowest, last=last, falls=falls, is_told=is_told)


def _falls(trial: Whole, step: Array, value: Array, count: int) -> tuple[Flags, Flags]:
    """Tell whose loss falls along a line through its reports, and for whom this can be told.

    The fall is that of the line from the first to the last of the reports, as a share of where it begins.
    """

    def sums(of: Array) -> Array:
        found: Array = np.bincount(trial, of, minlength=count).astype(float)
        return found

    many = np.bincount(trial, minlength=count).astype(float)
    first, last = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(first, trial, step)
    np.maximum.at(last, trial, step)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle, level = sums(step) / many, sums(value) / many
        # Centred first: steps are large, and their squares would leave no digits.
        along, above = step - middle[trial], value - level[trial]
        spread = sums(along**2)
        slope = sums(along * above) / spread
        error = np.sqrt(sums((above - slope[trial] * along) ** 2) / (many - 2) / spread)
        fall = -slope * (last - first) / (level + slope * (first - middle))
        falls = (fall >= FALL) & (-slope > SCATTER * error)
    return falls, (many >= FEWEST_REPORTS) & (last > first)
