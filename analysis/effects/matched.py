"""Effects from matched pairs: configurations that differ in one parameter and in nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.effects.changes import Change
from analysis.effects.design import Codes, codes, commonest, written
from analysis.effects.exact import (
    difference_of_means,
    difference_of_rates,
    of_signs,
    over_places,
    within_places,
)
from analysis.effects.responses import Response
from analysis.statistics.estimate import Estimate
from analysis.text import plural

MANY_PAIRS = 10
"""From so many pairs on, pairs are the unit: then the effect is one of models like these, not of these alone.
With fewer, no combination of signs is unlikely enough to outlast the correction."""


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """All pairs of configurations that make the same change of one parameter."""

    parameter: str
    before: str
    after: str
    first: NDArray[np.int64]
    """Shape (pairs,), rows of the table whose value is ``before``."""
    second: NDArray[np.int64]
    """Shape (pairs,), rows whose value is ``after``."""


def pairings(table: pd.DataFrame, base: int | None = None) -> list[Pairing]:
    """Return the changes that were made by themselves, each with its pairs.

    Every value of a parameter is set against the base's, or against the commonest value; one that never meets
    that is set against the value that it meets most often.

    Args:
        table: one row per configuration, a column per parameter.
        base: the configuration that others are changes of, if the search has one.
    """
    coded = {name: codes(table[name]) for name in table.columns}
    rng = np.random.default_rng(0)
    # A configuration is known by the sum of a random number for each of its values; those that are equal in
    # all parameters but one are equal in the sum without that one's.
    marks = {
        name: rng.integers(0, 2**63, len(values) + 1, dtype=np.uint64)[numbers]
        for name, (numbers, values) in coded.items()
    }
    whole = np.sum(list(marks.values()), axis=0, dtype=np.uint64) if marks else np.zeros(0, np.uint64)
    found = []
    for name, (numbers, values) in coded.items():
        usual = commonest(numbers) if base is None else int(numbers[table.index.get_loc(base)])
        for before, after, first, second in _meetings(whole - marks[name], numbers, usual):
            found.append(
                Pairing(
                    parameter=name,
                    before=written(values, before),
                    after=written(values, after),
                    first=first,
                    second=second,
                )
            )
    return found


def _meetings(
    rest: NDArray[np.uint64], numbers: Codes, usual: int
) -> list[tuple[int, int, NDArray[np.int64], NDArray[np.int64]]]:
    """Return (before, after, rows before, rows after) of every change within rows that are equal in the
    rest."""
    _, place, count = np.unique(rest, return_inverse=True, return_counts=True)
    shared = np.flatnonzero(count[place] > 1)
    at = {int(code): shared[numbers[shared] == code] for code in np.unique(numbers[shared])}
    found = {}
    for after in at:
        if after == usual:
            continue
        before = usual
        rows = _pairs(place, at, usual, after) if usual in at else None
        if rows is None or not len(rows[0]):
            met = {other: _pairs(place, at, other, after) for other in at if other != after}
            before = max(met, key=lambda other: len(met[other][0]))
            rows = met[before]
        if len(rows[0]) and (after, before) not in found:
            found[before, after] = rows
    return [(before, after, *rows) for (before, after), rows in found.items()]


def _pairs(
    place: NDArray[np.int64], at: dict[int, NDArray[np.int64]], before: int, after: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    _, first, second = np.intersect1d(place[at[before]], place[at[after]], return_indices=True)
    return at[before][first], at[after][second]


def matched(response: Response, table: pd.DataFrame, base: int | None = None) -> list[Change]:
    """Return the effect of every change over its pairs.

    Args:
        response: what is compared.
        table: the parameters of its configurations, in the same order.
        base: the configuration that others are changes of, if the search has one.
    """
    effect = _rate_effect if response.is_rate else _mean_effect
    return [effect(response, pairing) for pairing in pairings(table, base)]


def _rate_effect(response: Response, pairing: Pairing) -> Change:
    mean, effective = (response.table[name].to_numpy(float) for name in ("mean", "effective"))
    sides = (pairing.first, pairing.second)
    trials = np.stack([effective[side] for side in sides], axis=1)
    first, second = (mean[side] for side in sides)
    value, low, high = difference_of_rates(first, second, trials)
    whole = np.maximum(np.rint(trials), 1).astype(np.int64)
    solved = [np.rint(rate * whole[:, side]).astype(np.int64) for side, rate in enumerate((first, second))]
    pairs = len(first)
    if pairs < MANY_PAIRS:
        p_value = within_places(solved[0], solved[1], whole)
        test = "Fisher's exact" if pairs == 1 else "exact within pairs"
    else:
        _, lower, upper, told = over_places(second - first)
        if told == told:
            low, high = max(-1.0, min(low, lower)), min(1.0, max(high, upper))
        p_value, test = of_signs(second - first), "signs of pairs"
    return _change(
        response,
        pairing,
        Estimate(value=value, low=low, high=high, unit="share"),
        p_value,
        test,
        rates=tuple(f"{solved[side].sum()} of {whole[:, side].sum()}" for side in (0, 1)),
    )


def _mean_effect(response: Response, pairing: Pairing) -> Change:
    table = response.table
    mean, variance, trials = (table[name].to_numpy(float) for name in ("mean", "variance", "effective"))
    sides = (pairing.first, pairing.second)
    first, second = (mean[side] for side in sides)
    counts = np.stack([trials[side] for side in sides], axis=1)
    pairs = len(first)
    if pairs < MANY_PAIRS and counts.min() > 1.5:
        variances = np.stack([variance[side] for side in sides], axis=1)
        value, low, high, p_value = difference_of_means(first, second, variances, counts)
        test = "Welch's t" if pairs == 1 else "Welch's t within pairs"
    else:
        value, low, high, p_value = over_places(second - first)
        test = "t over pairs"
    effect = Estimate(value=value, low=low, high=high, unit=response.unit)
    return _change(response, pairing, effect, p_value, test)


def _change(
    response: Response,
    pairing: Pairing,
    effect: Estimate,
    p_value: float,
    test: str,
    rates: Sequence[str] | None = None,
) -> Change:
    counts = response.table["trials"].to_numpy()
    return Change(
        parameter=pairing.parameter,
        before=pairing.before,
        after=pairing.after,
        effect=effect,
        p_value=p_value,
        test=test if p_value == p_value else f"none: {plural(len(pairing.first), 'pair')}, too few seeds",
        pairs=len(pairing.first),
        trials=int(counts[pairing.first].sum() + counts[pairing.second].sum()),
        rates=(rates[0], rates[1]) if rates is not None else None,
    )
