"""The method for effects: pairs, a regression, or each parameter alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.configurations import baselines
from analysis.effects import telling
from analysis.effects.changes import Change, corrected
from analysis.effects.design import varying
from analysis.effects.matched import matched
from analysis.effects.regression import Regressed, regressed
from analysis.effects.responses import Response, response_of
from analysis.rows import SearchRows
from analysis.text import plural
from search_spaces.dimensions import AnyDimension, Choice

Method = Literal["matched pairs", "regression", "one parameter at a time", "none"]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The changes of a search, and the method."""

    method: Method
    changes: Sequence[Change]
    """With corrected p values, those that hold first."""
    response: Response
    parameters: pd.DataFrame
    """The parameters that differ, one row per configuration, indexed by it."""
    notes: Sequence[str]
    """Sentences on the method and its limits."""


def compared(rows: SearchRows) -> Compared:
    """Return the effect of every change.

    In a list of configurations those are paired that differ in one parameter only. Otherwise a regression
    has all parameters in it; where configurations are too few for that, pairs are taken where there are some,
    else each parameter by itself.
    """
    response = response_of(rows)
    every = varying(rows)
    table = every.loc[response.table.index] if len(response.table) else every.iloc[:0]
    method, changes, notes = _by_method(rows, response, table)
    return Compared(
        method=method, changes=corrected(changes), response=response, parameters=every, notes=notes
    )


def _by_method(
    rows: SearchRows, response: Response, table: pd.DataFrame
) -> tuple[Method, Sequence[Change], list[str]]:
    if len(table) < 2 or not len(table.columns):
        return "none", [], []
    is_flat = (
        response.is_rate
        and response.table["mean"].nunique() == 1
        and response.table["mean"].iloc[0] in (0, 1)
    )
    if is_flat:
        # Where all trials came out alike, that is the answer, and no change has a test.
        return "none", [], []
    named = baselines(rows)
    base = next((number for number in named if number in table.index), None)
    pairs = matched(response, table, base) if rows.plan.only else []
    if pairs:
        return "matched pairs", pairs, _of_pairs(pairs, table, response)
    space = rows.plan.space
    ranges = [name for name in table.columns if name in space and _holds_zero(space[name])]
    found = regressed(response, table, ranges)
    if not found.is_joint and not rows.plan.only:
        pairs = matched(response, table, base)
        if pairs:
            return "matched pairs", pairs, _of_pairs(pairs, table, response)
    method: Method = "regression" if found.is_joint else "one parameter at a time"
    return method, found.changes, _of_regression(found, rows, response)


def _holds_zero(dimension: AnyDimension) -> bool:
    return not isinstance(dimension, Choice) and dimension.low <= 0


def _of_pairs(changes: Sequence[Change], table: pd.DataFrame, response: Response) -> list[str]:
    pairs = sum(change.pairs for change in changes)
    notes = [
        f"These are {plural(pairs, 'pair')} of configurations that differ in one parameter only, among "
        f"{plural(len(table), 'configuration')} with {plural(response.trials, 'trial')}; results hold for "
        "the paired models."
    ]
    told = {change.parameter for change in changes}
    alone = [name for name in table.columns if name not in told and table[name].nunique(dropna=False) > 1]
    if alone:
        notes.append(f"Never changed alone, so without a pair: {telling.listed(alone)}.")
    return notes


def _of_regression(found: Regressed, rows: SearchRows, response: Response) -> list[str]:
    over = f"{plural(found.configurations, 'configuration')} with {plural(response.trials, 'trial')}"
    if found.is_joint:
        notes = [
            "Each effect is from a linear regression with the other parameters in it, over "
            f"{over}; intervals come from the jackknife over configurations."
        ]
    else:
        notes = [
            f"{plural(found.configurations, 'configuration')} are too few for a regression with "
            f"{found.coefficients} coefficients, so each parameter is tested alone: an effect can be due "
            "to another parameter that changed with it."
        ]
    if found.dependent:
        notes.append(
            "Without a separate effect, because others determine them in these trials: "
            f"{telling.listed(found.dependent)}."
        )
    if found.rare:
        notes.append(f"Too few configurations to estimate an effect: {telling.listed(found.rare)}.")
    if rows.plan.search.learns and not rows.plan.only:
        notes.append(
            "Configurations were chosen by earlier results: parameters that changed together are hard to "
            "separate."
        )
    return notes
