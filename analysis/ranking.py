"""Which configurations reach the target, the smallest of them, and a ranking: one definition of each.

A configuration reaches the target if a seed of it has solved, and it is expected to solve at least 65 % of
fresh seeds, going by its own and by the sizes around it; or, once it is confirmed, if more than half of its
fresh seeds solved. The smallest of many is in part the luckiest, so its own seeds alone would promise too
much, and without the margin half of the winners would solve fewer than half of their seeds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.configurations import FEWEST_FRESH_SEEDS, configurations, is_all_or_nothing
from analysis.objectives import accuracy_objective
from analysis.rows import PARAMS, SearchRows
from analysis.text import amount, between, plural, rounded_percent
from analysis.wording import cost_text

SURE_ENOUGH = 0.65
"""The success rate that is expected at least of what is taken to solve more than half of its seeds."""


def reaches_target(rows: SearchRows, table: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of :func:`analysis.configurations.configurations` reach the target."""
    if rows.plan.target is None or table.empty:
        return pd.Series(False, index=table.index)
    has_solved = (table["solved"] > 0) | (table["confirmed_solved"] > 0)
    is_confirmed = table["confirmed_seeds"] >= FEWEST_FRESH_SEEDS
    expected = table["expected_rate"]
    return has_solved & ((expected > 0.5) & is_confirmed | (expected >= SURE_ENOUGH))


def ranking(rows: SearchRows, cost: str | None = None, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return configurations, best first, with a column ``rank`` from 1.

    Those that reach the target come first, confirmed ones before all others, and of each kind the ones of the
    least cost: the smallest on top, or the one with the cheapest success. The others follow by how good they
    are: by the share of their seeds that solved and then their median where a task is all or nothing, by
    their mean loss elsewhere. Those without any value come last.

    Args:
        rows: the search.
        cost: the cost to order by; the first cost among the plan's objectives if None.
        table: what :func:`analysis.configurations.configurations` made of the search, if that is there.
    """
    table = configurations(rows) if table is None else table.drop(columns="rank", errors="ignore")
    if table.empty:
        return table.assign(rank=[])
    cost = rows.cost_objectives[0] if cost is None else cost
    reaches = reaches_target(rows, table).to_numpy()
    confirmed = reaches & _numbers(table, "confirmed_seeds", 0.0).astype(bool)
    merits = [np.nan_to_num(merit, nan=np.inf) for merit in _merits(rows, table, reaches)]
    spent = np.where(reaches, np.nan_to_num(_numbers(table, cost), nan=np.inf), 0.0)
    # The last key counts first.
    keys = (table["params"].to_numpy(), *reversed(merits), spent, ~confirmed, ~reaches)
    ranked = table.iloc[np.lexsort(keys)].reset_index(drop=True)
    ranked.insert(0, "rank", range(1, len(ranked) + 1))
    return ranked


def cheapest(
    rows: SearchRows, cost: str | None = None, table: pd.DataFrame | None = None
) -> pd.Series[Any] | None:
    """Return the first row of :func:`ranking` if it reaches the target and has the cost, else None."""
    cost = rows.cost_objectives[0] if cost is None else cost
    ranked = ranking(rows, cost, table)
    if ranked.empty or not reaches_target(rows, ranked).iloc[0] or np.isnan(_numbers(ranked, cost)[0]):
        return None
    return ranked.iloc[0]


def smallest(rows: SearchRows) -> pd.Series[Any] | None:
    """Return the smallest configuration that reaches the target, of confirmed ones if one of them does, as a
    row of :func:`ranking`; None if no configuration does."""
    return cheapest(rows, PARAMS)


def smallest_sentence(rows: SearchRows, cost: str = PARAMS, table: pd.DataFrame | None = None) -> str:
    """State which configuration is the smallest, or costs least, at the target, or why none is."""
    if rows.plan.target is None:
        return "No configuration is the smallest that reaches the target: the search has none."
    row = cheapest(rows, cost, table)
    if row is not None:
        best = "smallest that reaches the target"
        if cost != PARAMS:
            best = f"least {cost_text(rows, cost)} of those that reach the target"
        return f"The {best}: configuration {int(row['configuration'])} with {described(rows, row, cost)}."
    ended = rows.trials["ending"]
    why = "no trial has solved"
    if cost != PARAMS and cheapest(rows, PARAMS, table) is not None:
        return f"Which has the least {cost_text(rows, cost)} is not known: no solved trial has reported it."
    if (ended == "solved").any():
        why = "of those with a solved seed, none is expected to solve at least 65 %"
    elif ended.isna().all() or (ended == "interrupted").all():
        why = "no trial is over"
    return f"No configuration reaches the target: {why}."


def described(rows: SearchRows, row: pd.Series[Any], cost: str = PARAMS) -> str:
    """Describe a configuration that reaches the target: its size, cost and success rates."""
    told = [amount(float(row["params"]), "parameters")]
    if cost != PARAMS:
        unit = rows.metrics[cost]["unit"]
        spent = f"{cost_text(rows, cost)} {amount(float(row[cost]), unit)}"
        if rows.is_of_target(cost):
            spent += f" ({between(float(row[f'{cost}_low']), float(row[f'{cost}_high']), unit)})"
        told.append(spent)
    ends = between(float(row["success_low"]), float(row["success_high"]), "share")
    told.append(f"{int(row['solved'])} of {plural(int(row['known']), 'seed')} solved ({ends})")
    if int(row["unknown"]):
        told.append(f"{int(row['unknown'])} not known")
    if fresh := int(row["confirmed_seeds"]):
        ends = between(float(row["confirmed_low"]), float(row["confirmed_high"]), "share")
        told.append(f"confirmed by {int(row['confirmed_solved'])} of {plural(fresh, 'fresh seed')} ({ends})")
    else:
        told.append(f"{rounded_percent(float(row['expected_rate']))} expected on fresh seeds, not confirmed")
    return ", ".join(told)


def _merits(rows: SearchRows, table: pd.DataFrame, reaches: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return what orders configurations of equal cost, less being better, the first of them first."""
    metric, direction = accuracy_objective(rows)
    sign = -1.0 if direction == "max" else 1.0
    if not is_all_or_nothing(rows, metric):
        return [sign * _numbers(table, metric)]
    median = sign * _numbers(table, f"{metric}_median")
    if rows.plan.target is None:
        return [median]
    rate = np.where(reaches, table["expected_rate"], table["success_rate"].fillna(0.0))
    return [-rate, median]


def _numbers(table: pd.DataFrame, name: str, missing: float = np.nan) -> NDArray[np.float64]:
    if name not in table.columns:
        return np.full(len(table), missing)
    return table[name].to_numpy(dtype=float)
