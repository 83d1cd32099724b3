"""Which parameters the best configurations share: Optuna's PED-ANOVA, beside what chance alone would show.

PED-ANOVA (Watanabe et al., IJCAI 2023) compares how the best configurations are spread over a parameter's
values with how all are; its form for conditional parameters is of KDD 2026. It finds what a regression would
miss, such as a best value in the middle, and says nothing of direction.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.effects.design import codes, is_numeric
from analysis.objectives import accuracy_objective
from analysis.outcomes import with_outcomes
from analysis.rows import SearchRows
from analysis.text import plural

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Array = NDArray[np.floating[Any]]

FEWEST, MOST = 20, 500
"""Configurations below which nothing is said, and beyond which every so-manieth stands for all."""

_BEST, _FEWEST_BEST = 0.1, 5
_SHUFFLES = 19


@dataclass(frozen=True, kw_only=True)
class Importance:
    """How much a parameter tells the best configurations from all, as a share of that of all parameters."""

    parameter: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Importances:
    """The importances, most important first, or why there are none.

    ``by_chance`` is the largest importance that any parameter had in 19 shuffles of the results, as a share
    of the same sum: one that is larger has odds of 1 in 20 or less.
    """

    of: Sequence[Importance]
    metric: str
    best: int
    """Configurations that count as the best."""
    configurations: int
    by_chance: float
    describes_sampler: bool
    """Whether the configurations were not drawn at random, so that these tell where the sampler went."""
    why_none: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without NaN."""
        return {
            "metric": self.metric,
            "importances": {one.parameter: one.share for one in self.of},
            "by_chance": self.by_chance if math.isfinite(self.by_chance) else None,
            "best": self.best,
            "configurations": self.configurations,
            "describes_sampler": self.describes_sampler,
            "why_none": self.why_none or None,
        }


def importances(rows: SearchRows, table: pd.DataFrame) -> Importances:
    """Return how important each parameter is for the accuracy objective.

    A configuration's value is its mean over the trials whose outcome is known; a diverged trial has the
    metric's worst value.

    Args:
        rows: the search.
        table: the parameters that differ, one row per configuration, indexed by it.
    """
    metric, direction = accuracy_objective(rows)
    value = _values(rows, metric, direction)
    value = value.iloc[:: max(1, math.ceil(len(value) / MOST))]
    loss = value.to_numpy(float) * (1 if direction == "min" else -1)
    count = len(loss)
    wanted = max(_BEST, _FEWEST_BEST / count) if count else 1.0
    best = int((loss <= np.sort(loss)[math.ceil(wanted * count) - 1]).sum()) if count >= FEWEST else 0
    told = table.loc[value.index]
    told = told[[name for name in told.columns if len(codes(told[name])[1]) > 1]]
    why = ""
    if count < FEWEST:
        why = (
            f"Importances need {FEWEST} configurations with a known outcome; there "
            f"{'is' if count == 1 else 'are'} {count}."
        )
    elif best > count / 2:
        why = (
            f"Importances cannot be determined: {best} of {plural(count, 'configuration')} are as good as "
            "the best."
        )
    elif told.empty:
        why = "Importances cannot be determined: no parameter differs among configurations with an outcome."
    of, by_chance = _evaluated(told, loss, wanted) if not why else ([], math.nan)
    if not why and not of:
        why = "Importances cannot be determined: the best configurations are spread like all others."
    return Importances(
        of=of,
        metric=metric,
        best=best,
        configurations=count,
        by_chance=by_chance,
        describes_sampler=bool(rows.plan.only) or rows.plan.search.learns,
        why_none=why,
    )


def _values(rows: SearchRows, metric: str, direction: str) -> pd.Series[float]:
    trials = with_outcomes(rows)
    column = trials[metric] if metric in trials.columns else pd.Series(np.nan, index=trials.index)
    value = pd.to_numeric(column, errors="coerce").astype(float)
    value = value.where(np.isfinite(value) & (trials["outcome"] != "diverged"))
    worst = rows.metrics.get(metric, {}).get("worst")
    if worst is None:
        worst = value.min() if direction == "max" else value.max()
    value = value.mask(trials["outcome"] == "diverged", worst)
    known = trials["outcome"].ne("unknown") & value.notna()
    return value[known].groupby(trials["configuration"][known]).mean().sort_index()


def _evaluated(table: pd.DataFrame, loss: Array, quantile: float) -> tuple[list[Importance], float]:
    import optuna

    with _quietly():
        study = optuna.create_study(direction="minimize")
        study.add_trials(_trials(table, loss))
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        found = evaluator.evaluate(study)
        rng = np.random.default_rng(0)
        by_chance = 0.0
        for _ in range(_SHUFFLES):
            by_luck = evaluator.evaluate(study, target=_by_number(rng.permutation(loss)))
            by_chance = max(by_chance, *by_luck.values())
    total = sum(found.values())
    if total <= 0:
        return [], math.nan
    # Optuna keeps parameters in a set; of equal importances the order would be another one in each run.
    order = sorted(table.columns, key=lambda name: -found.get(name, 0.0))
    return [
        Importance(parameter=name, share=found.get(name, 0.0) / total) for name in order
    ], by_chance / total


def _by_number(values: Array) -> Callable[[FrozenTrial], float]:
    return lambda trial: float(values[trial.number])


def _trials(table: pd.DataFrame, loss: Array) -> list[Any]:
    from optuna.trial import create_trial

    columns: dict[str, tuple[BaseDistribution, NDArray[np.int64], list[Any]]] = {}
    for name in table.columns:
        numbers, values = codes(table[name])
        plain = [value.item() if isinstance(value, np.generic) else value for value in values]
        columns[name] = (_distribution(plain), numbers, plain)
    trials = []
    for row, value in enumerate(loss.tolist()):
        has = {name: column for name, column in columns.items() if column[1][row] >= 0}
        trials.append(
            create_trial(
                params={name: values[numbers[row]] for name, (_, numbers, values) in has.items()},
                distributions={name: distribution for name, (distribution, _, _) in has.items()},
                value=value,
            )
        )
    return trials


def _distribution(values: list[Any]) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not is_numeric(values):
        return CategoricalDistribution(values)
    low, high = min(values), max(values)
    return FloatDistribution(float(low), float(high), log=low > 0 and high >= 10 * low)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Optuna's log lines and warnings to itself, and leave its settings as they were."""
    from optuna import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
