"""Results of configurations on fresh seeds: the rows of confirmations, and success rates from them.

A seed that chose a configuration never confirms it. The best of many configurations is in part the luckiest,
so its rate in the search is too high; its rate on fresh seeds is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.files.layout import CONFIRMATION_COLUMNS
from analysis.rows import SearchRows
from analysis.statistics.intervals import wilson_ends
from analysis.store import RowStore

_KNOWN_ENDINGS = ("solved", "finished", "diverged")


def confirmations(rows: SearchRows) -> pd.DataFrame:
    """Return one row per configuration and fresh seed, of the configurations that ``rows`` has.

    They come from ``confirmations.jsonl`` and, for searches that are older than it, from the reports of
    ``retrain``; of the same configuration and seed, the last line counts. Older reports hold what each seed's
    best checkpoint had at validation, not its last report, so their metrics and costs are those of
    ``best_step``.

    Returns:
        the columns of :data:`analysis.files.layout.CONFIRMATION_COLUMNS`, then metrics; sorted by
        configuration and seed; empty where nothing was confirmed.
    """
    written = [*_older_rows(rows.store), *rows.store.confirmations()]
    columns = [column.name for column in CONFIRMATION_COLUMNS]
    frame = pd.DataFrame(written)
    if frame.empty:
        return pd.DataFrame(columns=columns)
    frame = frame.drop_duplicates(["configuration", "seed"], keep="last")
    frame = frame[frame["configuration"].isin(rows.trials["configuration"])]
    # A last line of an older program may lack columns that a newer one has, and the other way around.
    frame = frame.reindex(columns=[*columns, *(name for name in frame.columns if name not in columns)])
    return frame.sort_values(["configuration", "seed"], ignore_index=True)


def confirmed_rates(rows: SearchRows) -> pd.DataFrame:
    """Return the success rate on fresh seeds of every configuration that was confirmed.

    Returns:
        a row for each, indexed by ``configuration``, with ``solved``, ``seeds``, ``rate``, and ``low`` and
        ``high``, Wilson's 95 % interval. Without a target there is no success, and no row.
    """
    return rates_of(confirmations(rows), has_target=rows.plan.target is not None)


def rates_of(fresh: pd.DataFrame, *, has_target: bool = True) -> pd.DataFrame:
    """Return :func:`confirmed_rates` of what :func:`confirmations` made. A diverged seed did not solve."""
    known = fresh[fresh["ending"].isin(_KNOWN_ENDINGS)] if has_target else fresh.iloc[:0]
    solved = (known["ending"] == "solved").groupby(known["configuration"].astype(int))
    table = pd.DataFrame({"solved": solved.sum().astype(int), "seeds": solved.size().astype(int)})
    table["rate"] = table["solved"] / table["seeds"]
    table["low"], table["high"] = wilson_ends(table["solved"].to_numpy(), table["seeds"].to_numpy())
    return table.rename_axis("configuration")


def before_confirmation(rows: SearchRows) -> SearchRows:
    """Return the trials of a search without its confirmations.

    The choice of what to confirm uses the search alone. Otherwise one failed fresh seed would remove its
    configuration from the frontier before the others were trained.
    """
    bare = SearchRows(rows.folder / ".before-confirmation")
    # The folder does not exist, so nothing is confirmed in it.
    bare.__dict__.update(plan=rows.plan, metrics=rows.metrics, defaults=rows.defaults, trials=rows.trials)
    return bare


def evaluated_tables(rows: SearchRows) -> dict[int, list[dict[str, Any]]]:
    """Return what was found on held-out problems, in detail, of every configuration that was confirmed.

    Tables of several models have no sum, and the best of them would be chosen by what it is to be judged by:
    they are those of the first seed that solved, or else of the first that was evaluated.

    Returns:
        by configuration, the tables of the evaluation, each with ``title``, ``columns`` and ``rows``, such
        as "Accuracy per answer position"; a ``seed`` says whose they are.
    """
    fresh = confirmations(rows)
    fresh = fresh[fresh["tables"].notna()]
    fresh = fresh.assign(late=fresh["ending"] != "solved").sort_values(["late", "seed"])
    first = fresh.drop_duplicates("configuration").sort_values("configuration")
    columns = (first[name].tolist() for name in ("configuration", "seed", "tables"))
    return {
        int(number): [{**table, "seed": int(seed)} for table in tables]
        for number, seed, tables in zip(*columns, strict=True)
    }


def _older_rows(store: RowStore) -> list[dict[str, Any]]:
    """Return what the reports of ``retrain`` tell of their seeds, the newest report last."""
    return [row for report in store.retrained() for row in _rows_of_report(report)]


def _rows_of_report(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    shared = {
        "configuration": report["configuration"],
        "params": report["params"],
        "values": report["config"],
        **{name: report.get(name) for name in ("device", "gpu", "hardware", "paretune", "commit", "command")},
    }
    rows = []
    for index, seed in enumerate(report["seeds"]):
        # What a seed had before it diverged is no result of it.
        metrics = (seed["validation"] or {}) if seed["ending"] != "diverged" else {}
        rows.append(
            {
                **metrics,
                **shared,
                "seed_index": index,
                "seed": seed["seed"],
                "ending": seed["ending"],
                "step": seed["best_step"],
                "best_step": seed["best_step"],
                "seconds": seed["seconds"],
                "checkpoint": seed["checkpoint"],
                **_evaluated(seed["test"]),
            }
        )
    return rows


def _evaluated(test: Mapping[str, Any] | None) -> dict[str, Any]:
    if test is None:
        return {}
    return {
        "test_metric": test["metric"],
        "test_value": test["share"] if "share" in test else test["mean"],
        "test_low": test["low"],
        "test_high": test["high"],
        "test_standard_error": test.get("standard_error"),
        "test_problems": test["problems"],
        "test_units": test.get("units"),
        "test_called": test.get("called"),
        "test_drawn_from": test["drawn_from"],
        "tables": test["tables"],
    }
