"""From trials to configurations: means over seeds, success rates with intervals, endings counted."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.intervals import wilson
from analysis.layout import ENDINGS, Column
from analysis.rows import SearchRows

WITHOUT_VALUE = ("diverged", "failed", "interrupted")
"""Endings after which a trial's metrics say nothing about what its configuration can reach."""


def configurations(rows: SearchRows) -> pd.DataFrame:
    """Return one row per configuration, in the order in which they were tried.

    Metrics are means over the seeds that have a value: solved, finished, or stopped early.
    Success is solved seeds over all seeds but failed and unfinished ones; a diverged seed is no
    success, and one stopped early counts as none, which makes the rate a lower bound.
    """
    plan = rows.plan
    metrics = [name for name in rows.metrics if name in rows.trials.columns and name != "params"]
    names = baselines(rows)
    table = []
    for number, trials in rows.trials.groupby("configuration"):
        endings = trials["ending"].value_counts()
        with_value = trials[trials["ending"].notna() & ~trials["ending"].isin(WITHOUT_VALUE)]
        solved = int(endings.get("solved", 0))
        judged = sum(
            int(endings.get(name, 0)) for name in ("solved", "finished", "stopped early", "diverged")
        )
        values: dict[str, Any] = trials["values"].iloc[0]
        row: dict[str, Any] = {
            "configuration": int(str(number)),
            **({"baseline": names.get(int(str(number)))} if plan.baselines else {}),
            "params": int(trials["params"].iloc[0]),
            "seeds": len(trials),
            **{ending.replace(" ", "_"): int(endings.get(ending, 0)) for ending in ENDINGS},
        }
        if plan.target is not None and judged:
            low, high = wilson(solved, judged)
            row |= {"success_rate": solved / judged, "success_low": low, "success_high": high}
        row |= {name: with_value[name].mean() for name in metrics}
        row |= plan.searched(values)
        table.append(row)
    frame = pd.DataFrame(table)
    # Also for parameters that only configurations have which were not reached.
    missing = [name for name in plan.searched_names if name not in frame.columns]
    return frame.reindex(columns=[*frame.columns, *missing]) if table else frame


def baselines(rows: SearchRows) -> dict[int, str]:
    """Return the names of configurations that are baselines of the plan, by their numbers.

    A baseline is the first configuration with all of its stated values that is no other baseline:
    one may state less than another does.
    """
    found: dict[int, str] = {}
    for name, stated in rows.plan.baselines.items():
        for number, values in zip(rows.trials["configuration"], rows.trials["values"], strict=True):
            if number not in found and stated.items() <= values.items():
                found[int(number)] = name
                break
    return found


def columns_of(rows: SearchRows) -> list[Column]:
    """Describe every column that :func:`configurations` can have."""
    metrics = [
        Column(name, metric["unit"], f"{metric['description']}; mean over the seeds that have it")
        for name, metric in rows.metrics.items()
        if name != "params"
    ]
    return [
        Column("configuration", "", "number of the configuration"),
        *([Column("baseline", "", "its name, if the plan names it")] if rows.plan.baselines else []),
        Column("params", "parameters", "exact number of unique parameters"),
        Column("seeds", "trials", "trials of the configuration, one per seed"),
        *(Column(e.replace(" ", "_"), "trials", f"trials that ended so: {e}") for e in ENDINGS),
        Column(
            "success_rate", "share", "solved trials of those that solved, finished, were stopped or diverged"
        ),
        Column("success_low", "share", "lower end of the rate's 95 % interval (Wilson)"),
        Column("success_high", "share", "upper end of the rate's 95 % interval (Wilson)"),
        *metrics,
        *(Column(name, "", "searched parameter") for name in rows.plan.searched_names),
    ]
