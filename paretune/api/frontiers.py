"""Which frontiers a search has, and as one table, one figure and one JSON value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.files.layout import Column
from analysis.frontier import Frontier, frontier
from analysis.measures import qualities_of
from analysis.rows import PARAMS, SearchRows
from paretune.errors import InputError
from search_spaces.wording import accepted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ON_FRONTIER = Column("on_frontier", "", "the costs on whose frontier the configuration is")


def frontiers_of(rows: SearchRows, against: str | None = None, quality: str | None = None) -> list[Frontier]:
    """Return the frontier of each cost objective of the plan, or of the one cost that is named.

    Where the plan has no objective but costs, one of them is set against the others, the size first: what a
    success costs, against how large the model is.

    Raises:
        InputError: there is no such cost or quality; the message says what is asked of a parameter.
        SelectionError: the target is asked about, and the search has none.
    """
    if against is not None and against not in rows.costs:
        raise InputError(f"--against got {against!r}, not a cost here{_instead(rows, against)}")
    if quality is not None and quality not in qualities_of(rows):
        raise InputError(f"--quality got {quality!r}, not one here{accepted(quality, qualities_of(rows))}")
    costs = rows.cost_objectives if against is None else [against]
    if quality in costs and len(costs) == 1:
        raise InputError(f"--quality {quality} is the cost already; name another one with --against")
    if against is not None:
        return [frontier(rows, against, quality)]
    if quality is None and costs != [PARAMS] and len(costs) == len(rows.plan.objectives):
        first, *others = sorted(
            {PARAMS, *costs} if len(costs) == 1 else costs, key=lambda cost: cost != PARAMS
        )
        return [frontier(rows, first, other) for other in others]
    return [frontier(rows, cost, quality) for cost in costs if cost != quality]


def as_json(fronts: Sequence[Frontier]) -> dict[str, Any]:
    """Return one frontier as it is, or several as a list ``frontiers``."""
    return fronts[0].as_json() if len(fronts) == 1 else {"frontiers": [front.as_json() for front in fronts]}


def table_of(fronts: Sequence[Frontier]) -> tuple[pd.DataFrame, list[Column]]:
    """Return the rows of a frontier, or of all, each once, with a column that names the costs."""
    if len(fronts) == 1:
        return fronts[0].points, list(fronts[0].columns)
    import pandas as pd

    on: dict[int, list[str]] = {}
    for front in fronts:
        for number in front.points["configuration"]:
            on.setdefault(int(number), []).append(front.cost.name)
    table = pd.concat([front.points for front in fronts]).drop_duplicates("configuration")
    table = table.sort_values(["params", "configuration"], ignore_index=True)
    named = [", ".join(on[int(number)]) for number in table["configuration"]]
    table.insert(1, ON_FRONTIER.name, named)
    return table, [ON_FRONTIER, *fronts[0].columns]


def figure_of(fronts: Sequence[Frontier]) -> Figure | None:
    """Return the figure of frontiers, with a panel for each; None where there is nothing to draw."""
    from analysis.pictures.painting import figure_of as painted

    pictures = [picture for front in fronts for picture in front.pictures]
    return painted(pictures) if pictures else None


def _instead(rows: SearchRows, name: str) -> str:
    """Say what is accepted, or what answers a question about a parameter."""
    if name not in rows.plan.searched_names:
        return accepted(name, rows.costs)
    values = [values[name] for values in rows.trials["values"] if name in values]
    search = rows.folder.name
    # A learning rate is the only parameter that `regimes` is about; whole numbers and names are groups.
    if any(isinstance(value, float) for value in values):
        return f" but a parameter; outcomes against it: paretune regimes {search} --rate {name}"
    return f" but a parameter; success for each of its values: paretune cliff {search} --by {name}"
