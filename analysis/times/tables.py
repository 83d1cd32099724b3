"""Time to target as tables and as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.export import records
from analysis.files.layout import Column
from analysis.finding import Table
from analysis.statistics.estimate import Estimate
from analysis.times.frontier import columns_of
from analysis.times.sharing import ELAPSED

if TYPE_CHECKING:
    from analysis.times.finding import Group, Times

_LOW, _HIGH = "lower end of the 95 % interval of", "upper end of the 95 % interval of"


def tables(times: Times) -> list[Table]:
    """Return a table for each cost, the chosen one first, and the frontier of the chosen one against size."""
    if not times.cost or not times.whole.rate.trials:
        return []
    costs = sorted(times.whole.measured, key=lambda cost: cost != times.cost)
    found = [_of_cost(times, cost) for cost in costs]
    if len(times.frontier):
        measured, best = times.whole.measured[times.cost], times.frontier
        columns = [column for column in columns_of(measured.unit) if column.name in best.columns]
        title = f"Frontier of size and {measured.called} per success"
        found.append(Table(title=title, frame=best, columns=columns))
    return found


def as_json(times: Times) -> dict[str, Any]:
    """Return a finding as plain values, without NaN."""
    return {
        "kind": times.kind,
        "search": times.search,
        "target": times.target or None,
        "cost": times.cost or None,
        "by": times.by,
        "sentences": list(times.sentences),
        "all": _group(times.whole),
        "groups": [_group(group) for group in times.groups],
        "log_rank": None
        if times.log_rank is None
        else {
            "p_value": times.log_rank.p_value if math.isfinite(times.log_rank.p_value) else None,
            "test": times.log_rank.test,
        },
        "frontier": records(times.frontier),
        "by_size": records(times.by_size),
        "shared": times.shared,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "endings": dict(group.endings),
        "rate": group.rate.as_json(),
        "costs": [measured.as_json() for measured in group.measured.values()],
    }


def _of_cost(times: Times, cost: str) -> Table:
    whole = times.whole.measured[cost]
    unit = whole.unit
    rows = []
    for group in (times.whole, *times.groups):
        measured = group.measured[cost]
        rows.append(
            {
                "of": group.name or "all",
                "trials": measured.curve.trials,
                "configurations": measured.configurations,
                "solved": measured.successes,
                **dict(_cells("half", measured.median)),
                **dict(_cells("success_costs", measured.cost_of_success)),
                **dict(_cells("restricted_mean", measured.restricted_mean)),
                "restricted_to": measured.curve.until,
                **dict(_cells("reached", measured.reached)),
            }
        )
    quantities = {
        "half": (unit, "by when half of the trials have reached the target; missing if they have not"),
        "success_costs": (unit, "total spent, divided by successes; missing without one"),
        "restricted_mean": (unit, "mean until the target is reached, counting no more than restricted_to"),
        "reached": ("share", "trials that have reached the target when the longest ends (Kaplan and Meier)"),
    }
    columns = [
        Column("of", "", "which trials: all, or a group"),
        Column("trials", "trials", "trials that have spent something known"),
        Column(
            "configurations", "configurations", "configurations that they are of, the sample of intervals"
        ),
        Column("solved", "trials", "trials that reached the target"),
        Column("restricted_to", unit, "the longest trial"),
    ]
    for name, (of_unit, meaning) in quantities.items():
        columns += [
            Column(name, of_unit, meaning),
            Column(f"{name}_low", of_unit, f"{_LOW} that; missing where it is open"),
            Column(f"{name}_high", of_unit, f"{_HIGH} that; missing where it is open"),
        ]
    frame = pd.DataFrame(rows)
    order = {column.name: column for column in columns}
    told = f"Time to {times.target} in {whole.called}"
    if unit != whole.called:
        told += f" ({unit})"
    if times.shared is not None and cost in ELAPSED:
        told += f"; {times.shared}"
    return Table(
        title=told,
        frame=frame,
        columns=[order[name] for name in frame.columns],
    )


def _cells(name: str, estimate: Estimate) -> Iterator[tuple[str, float]]:
    ends = {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    for key, value in ends.items():
        yield key, value if math.isfinite(value) else math.nan
