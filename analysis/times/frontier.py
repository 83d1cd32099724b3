"""The frontier of the cost of a success against size, over configurations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.costs import per_success, spent_on_target
from analysis.files.layout import Column
from analysis.rows import SearchRows
from analysis.statistics.dominance import non_dominated


def costs_by_size(rows: SearchRows, cost: str) -> pd.DataFrame:
    """Return what a success costs with each configuration that had one, smallest first.

    Columns: ``configuration``, ``params``, ``cost``, ``low``, ``high``, ``successes``, ``trials``, and
    ``is_best``: whether no other configuration is as small and as cheap, and better in one of the two.
    """
    trials = rows.trials
    spent = spent_on_target(rows, trials, cost)
    table = per_success(spent, trials["ending"] == "solved", trials["configuration"])
    first = trials.drop_duplicates("configuration").set_index("configuration")["params"]
    table.insert(0, "params", first.reindex(table.index))
    table = table[table["cost"].notna()].rename_axis("configuration").reset_index()
    table["is_best"] = non_dominated(table[["params", "cost"]].to_numpy(dtype=np.float64))
    return table.sort_values(["params", "cost", "configuration"], ignore_index=True)


def columns_of(unit: str) -> list[Column]:
    """Describe the columns of :func:`costs_by_size`; ``unit`` is that of the cost."""
    return [
        Column("configuration", "", "number of the configuration"),
        Column("params", "parameters", "exact number of unique parameters"),
        Column("cost", unit, "cost of a success: total spent by its trials, divided by the successes"),
        Column("low", unit, "lower end of the 95 % interval of that"),
        Column("high", unit, "upper end of the 95 % interval of that"),
        Column("successes", "trials", "trials that reached the target"),
        Column("trials", "trials", "trials that are over and have a known cost"),
        Column("is_best", "", "no other is as small and as cheap, and better in one of the two"),
    ]
