"""Whole learning curves of a search, as what a rule of early stopping is replayed on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.outcomes import with_outcomes
from analysis.questions.trials import that_answer
from analysis.rows import SearchRows
from analysis.selection import parameters
from paretune.errors import InputError
from paretune.stopping.stopper import HELD_SINCE

NOT_COMPARED = frozenset({"learning_rate", "progress"})
"""Metrics that say how far a trial is, and nothing of how good it is."""


class CurvesError(InputError):
    """Curves that no rule can be judged by; the message says why, and what to do."""


class NoWinnersError(CurvesError):
    """No trial solved the task."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One trial from its beginning to its own end."""

    label: str
    configuration: int
    params: int
    budget: int
    """Steps that it was given, which shares are of."""
    steps: int
    """Steps that it took."""
    ending: str
    at: NDArray[np.int64]
    """Steps of its reports in rising order, shape (k,); the last is that of its end."""
    values: Mapping[str, NDArray[np.float64]]
    """What it reported by metric, shape (k,) each; NaN where it did not."""
    held: NDArray[np.bool_]
    """At which of its reports it had held the target, shape (k,)."""

    @property
    def is_solved(self) -> bool:
        """Whether it reached the target and held it: a winner."""
        return self.ending == "solved"


@dataclass(frozen=True, kw_only=True)
class Population:
    """The whole curves of one search: those that a rule compares with each other."""

    name: str
    curves: Sequence[Curve]
    directions: Mapping[str, Literal["max", "min"]]
    """Metrics that can be compared, with the way that is better."""
    target: str
    """The metric of the target."""
    unknown: int
    """Trials that were left out, since their outcome is not known."""

    def __len__(self) -> int:
        return len(self.curves)

    @cached_property
    def params(self) -> NDArray[np.int64]:
        """Sizes in parameters, shape (n,)."""
        return np.array([curve.params for curve in self.curves])

    @cached_property
    def configurations(self) -> NDArray[np.int64]:
        """Numbers of configurations, shape (n,)."""
        return np.array([curve.configuration for curve in self.curves])

    @cached_property
    def solved(self) -> NDArray[np.bool_]:
        """Which trials are winners, shape (n,)."""
        return np.array([curve.is_solved for curve in self.curves])

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """Steps that each trial took, shape (n,)."""
        return np.array([curve.steps for curve in self.curves])

    @property
    def steps_per_success(self) -> float:
        """Steps of all trials over the number of winners: what a success costs without a rule."""
        return float(self.steps.sum() / self.solved.sum())

    def bands(self, count: int) -> NDArray[np.int64]:
        """Return the band of sizes of each trial, shape (n,): 0 for the smallest.

        Each band has about as many winners as the others, for winners are what is counted in it. Trials of
        one size are in one band; where all have one size, that is the middle one.
        """
        won = np.sort(self.params[self.solved])
        before = np.searchsorted(won, self.params, "left")
        upto = np.searchsorted(won, self.params, "right")
        share = (before + upto) / (2 * max(len(won), 1))
        return np.minimum((share * count).astype(np.int64), count - 1)


def population_of(rows: SearchRows, name: str | None = None) -> Population:
    """Return the whole curves of a search.

    Args:
        rows: the search, or a part of it.
        name: what it is called; by default as its folder.

    Raises:
        CurvesError: it has no target, it ran with early stopping, or (:class:`NoWinnersError`) none of its
            trials solved the task.
    """
    name = name or rows.folder.name
    if rows.plan.target is None:
        raise CurvesError(
            f"{name} has no target, so it has no winners that a rule could lose; state a target in its space "
            "file, and run it again"
        )
    if rows.plan.early_stopping is not None:
        raise CurvesError(
            f"{name} ran with early stopping: the curves of its stopped trials are cut off, and what they "
            "would have become is not known; take early_stopping out of its space file and run that under "
            "another name, or take the committed curves: paretune stopping learning-curves"
        )
    trials = that_answer(with_outcomes(rows))
    known = trials[trials["outcome"] != "unknown"]
    curves = _curves(rows, known)
    if not any(curve.is_solved for curve in curves):
        raise NoWinnersError(
            f"none of the {len(curves)} trials of {name} with a known outcome solved the task: there are no "
            "winners that a rule could lose; take a search with some, or the committed curves: paretune "
            "stopping learning-curves"
        )
    reported = set.intersection(*(set(curve.values) for curve in curves))
    directions = {
        metric_name: metric["direction"]
        for metric_name, metric in rows.metrics.items()
        if metric_name in reported and not metric.get("is_cost") and metric_name not in NOT_COMPARED
    }
    return Population(
        name=name,
        curves=curves,
        directions=directions,
        target=next(iter(rows.plan.target)),
        unknown=len(trials) - len(known),
    )


def _curves(rows: SearchRows, trials: pd.DataFrame) -> list[Curve]:
    table = parameters(rows)
    budgets = table["steps"] if "steps" in table.columns else pd.Series(math.nan, index=table.index)
    reports = rows.reports
    metrics = [name for name in rows.metrics if name in reports.columns]
    numbers = reports[metrics].to_numpy(dtype=float)
    steps = reports["step"].to_numpy(dtype=np.int64)
    held = np.isfinite(numbers[:, metrics.index(HELD_SINCE)]) if HELD_SINCE in metrics else steps < 0
    # Reports are sorted by trial, so each has its own lines.
    places: dict[Any, Any] = dict(reports.groupby("trial", sort=False).indices)
    longest = int(steps.max()) if len(steps) else 0
    found = []
    for row in trials.to_dict("records"):
        at = places.get(row["trial"])
        if at is None:
            continue
        budget = budgets[row["configuration"]]
        values = {name: numbers[at, place] for place, name in enumerate(metrics)}
        found.append(
            Curve(
                label=row["trial"],
                configuration=int(row["configuration"]),
                params=int(row["params"]),
                budget=longest if math.isnan(budget) else int(budget),
                steps=int(steps[at[-1]]),
                ending=row["ending"],
                at=steps[at],
                values={name: value for name, value in values.items() if np.isfinite(value).any()},
                held=held[at],
            )
        )
    return found
