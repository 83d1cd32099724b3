"""The frontiers of a search, one for each cost: which there are, and how they are shown and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from analysis.configurations import columns_of
from analysis.export import records
from analysis.frontier import Frontier, frontier
from analysis.layout import Column
from analysis.plots import cost_name, frontier_figure, frontiers_figure
from analysis.rows import PARAMS, SearchRows
from paretune.commands.printing import left_out
from paretune.commands.tables import print_configurations
from paretune.errors import InputError
from search_spaces.wording import accepted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ON_FRONTIER = Column("on_frontier", "", "the costs on whose frontier the configuration is")


def frontiers_of(rows: SearchRows, against: str | None = None) -> list[Frontier]:
    """Return the frontier of each cost objective of the plan, or of the one cost that is named.

    Raises:
        InputError: there is no such cost.
    """
    if against is not None and against not in rows.costs:
        raise InputError(f"--against got {against!r}, not a cost here{accepted(against, rows.costs)}")
    costs = rows.cost_objectives if against is None else [against]
    return [frontier(rows, cost) for cost in costs]


def as_json(fronts: list[Frontier]) -> dict[str, Any]:
    """Return one frontier as it is, or several as a list ``frontiers``.

    That of parameters alone says nothing of its cost, as when there were no others.
    """
    if len(fronts) == 1:
        return _one_as_json(fronts[0], with_cost=fronts[0].cost != PARAMS)
    return {"frontiers": [_one_as_json(front, with_cost=True) for front in fronts]}


def print_frontiers(console: Console, rows: SearchRows, fronts: list[Frontier], *, titled: bool) -> None:
    """Print a table for each frontier, and what none of them considers."""
    for front in fronts:
        has_heading = len(fronts) > 1 or (titled and not front.points.empty)
        if has_heading:
            metric = front.metric.replace("_", " ")
            console.print(f"\nFrontier of {cost_name(front.cost)} against {metric}:", style="bold")
        if not front.points.empty:
            print_configurations(console, rows, front.points, first=["configuration"], costs=[front.cost])
        elif has_heading or not titled:
            has_others = front.without_cost > 0
            console.print("No configuration has this cost." if has_others else "No trial has a result yet.")
        if left_out(front):
            console.print(left_out(front))


def table_of(rows: SearchRows, fronts: list[Frontier]) -> tuple[pd.DataFrame, list[Column]]:
    """Return the rows of a frontier, or of all, each once, with a column that names the costs."""
    if len(fronts) == 1:
        return fronts[0].points, columns_of(rows)
    import pandas as pd

    on: dict[int, list[str]] = {}
    for front in fronts:
        for number in front.points["configuration"]:
            on.setdefault(int(number), []).append(front.cost)
    table = pd.concat([front.points for front in fronts]).drop_duplicates("configuration")
    table = table.sort_values(["params", "configuration"], ignore_index=True)
    named = [", ".join(on[int(number)]) for number in table["configuration"]]
    table.insert(1, ON_FRONTIER.name, named)
    return table, [ON_FRONTIER, *columns_of(rows)]


def figure_of(rows: SearchRows, fronts: list[Frontier], name: str) -> Figure:
    """Return the figure of a search's frontiers, with a panel for each."""
    first = fronts[0]
    target = (rows.plan.target or {}).get(first.metric)
    unit = rows.metrics[first.metric]["unit"]
    cost_units = [rows.metrics[front.cost]["unit"] for front in fronts]
    if len(fronts) > 1:
        return frontiers_figure(fronts, unit=unit, target=target, title=name, cost_units=cost_units)
    works = "how small still works" if first.cost == PARAMS else "how little is enough"
    return frontier_figure(first, unit=unit, target=target, title=f"{name}: {works}", cost_unit=cost_units[0])


def _one_as_json(front: Frontier, *, with_cost: bool) -> dict[str, Any]:
    without = {"without_cost": front.without_cost} if with_cost else {}
    return {
        **({"cost": front.cost} if with_cost else {}),
        "metric": front.metric,
        "direction": front.direction,
        "frontier": records(front.points),
        "left_out": {
            "diverged": front.diverged,
            "failed": front.failed,
            "unfinished": front.unfinished,
            **without,
        },
    }
