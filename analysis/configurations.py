"""From trials to configurations: outcomes counted, success rates with their bounds, costs of a success."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cliff.expected import shrunken_rates
from analysis.confirmation.rows import confirmed_rates
from analysis.costs import per_success, spent_on_target
from analysis.files.layout import ENDINGS, Column
from analysis.outcomes import with_outcomes
from analysis.rows import PARAMS, SearchRows
from analysis.statistics.intervals import wilson_ends

WITH_VALUE = ("solved", "finished")
"""Endings after which a trial's metrics are final. Metrics of a stopped or interrupted trial are not final; a
diverged trial has none."""


FEWEST_FRESH_SEEDS = 3
"""With fewer fresh seeds, an incomplete confirmation would override the seeds of the search."""


def is_all_or_nothing(rows: SearchRows, metric: str) -> bool:
    """Return whether a metric of the task is a share to maximize, such as exact match.

    Runs either learn such a task or do not, and a mean over them describes none of them.
    """
    # The loop's own metrics are listed behind the parameter count, and say nothing of how good a model is.
    names = list(rows.metrics)
    of_task = names[: names.index(PARAMS)] if PARAMS in names else names
    stated = rows.metrics.get(metric, {})
    return metric in of_task and (stated["direction"], stated["unit"]) == ("max", "share")


def configurations(rows: SearchRows) -> pd.DataFrame:
    """Return one row per configuration, in the order in which they were tried; :func:`columns_of` says what
    the columns mean.

    A trial with an unknown outcome (stopped early, interrupted, failed, running) is left out of means and
    rates, but not of the bounds of the rate. A diverged one has no value, and counts as not solved.
    """
    trials = with_outcomes(rows)
    if trials.empty:
        return pd.DataFrame(columns=[column.name for column in columns_of(rows)])
    first = trials.drop_duplicates("configuration").set_index("configuration").sort_index()
    place = first.index.get_indexer(pd.Index(trials["configuration"]))
    has_target = rows.plan.target is not None
    counts = _counts(trials, place, first.index)
    searched = [*rows.plan.searched_names, *rows.plan.derived]
    stated = [{name: values[name] for name in searched if name in values} for values in first["values"]]
    table = pd.concat(
        [
            _names(rows, first),
            counts,
            *([_rates(rows, first["params"], counts, _represented(trials, place))] if has_target else []),
            _metrics(rows, trials, first.index),
            *([_costs_of_success(rows, trials)] if has_target else []),
            pd.DataFrame(stated, index=first.index, columns=searched),
        ],
        axis=1,
    )
    return table.rename_axis("configuration").reset_index()


def values_of(rows: SearchRows, metric: str) -> pd.Series[Any]:
    """Return the final values of a metric of each configuration's trials, ascending.

    Returns:
        a list of numbers for each configuration that has a trial, indexed by its number; empty where no trial
        has trained to its end.
    """
    numbers = np.unique(rows.trials["configuration"].to_numpy())
    return _values(rows.trials, metric, pd.Index(numbers))[f"{metric}_values"]


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
    """Describe every column that :func:`configurations` can have, in its order."""
    plan = rows.plan
    means, shares, successes = _kinds(rows)
    return [
        Column("configuration", "", "number of the configuration"),
        *([Column("baseline", "", "its name, if the plan names it")] if plan.baselines else []),
        Column("params", "parameters", "exact number of unique parameters"),
        Column("seeds", "trials", "trials of the configuration, one per seed"),
        *(Column(e.replace(" ", "_"), "trials", f"trials that ended so: {e}") for e in ENDINGS),
        Column("known", "trials", "trials with a known outcome: solved, finished or diverged"),
        Column("unknown", "trials", "the others: stopped early, interrupted, failed, or still running"),
        *(_RATE_COLUMNS if plan.target is not None else ()),
        *(_mean_column(rows, name) for name in means),
        *(column for name in shares for column in _share_columns(rows, name)),
        *(column for name in successes for column in _success_columns(rows, name)),
        *(Column(name, "", "searched parameter") for name in plan.searched_names),
        *(Column(name, "", f"derived: {how.sentence}") for name, how in plan.derived.items()),
    ]


_RATE_COLUMNS = (
    Column("success_rate", "share", "solved trials of those whose outcome is known"),
    Column("success_low", "share", "lower end of the rate's 95 % interval (Wilson)"),
    Column("success_high", "share", "upper end of the rate's 95 % interval (Wilson)"),
    Column("rate_if_unknown_failed", "share", "the rate if no unknown trial would have solved"),
    Column("rate_if_unknown_solved", "share", "the rate if every unknown trial would have solved"),
    Column(
        "expected_rate",
        "share",
        "success rate to be expected: on fresh seeds where it is confirmed, else from its own seeds and the "
        "sizes around it",
    ),
    Column("confirmed_solved", "trials", "fresh seeds that solved, in confirmations"),
    Column("confirmed_seeds", "trials", "fresh seeds with a known outcome, in confirmations"),
    Column("confirmed_low", "share", "lower end of the 95 % interval of the rate on fresh seeds (Wilson)"),
    Column("confirmed_high", "share", "upper end of the 95 % interval of the rate on fresh seeds (Wilson)"),
)


def _mean_column(rows: SearchRows, name: str) -> Column:
    metric = rows.metrics[name]
    return Column(name, metric["unit"], f"{metric['description']}; mean over seeds trained to their end")


def _share_columns(rows: SearchRows, name: str) -> list[Column]:
    unit, meaning = rows.metrics[name]["unit"], rows.metrics[name]["description"]
    which = {
        "min": "least",
        "median": "median, of an even number the lower one in the middle",
        "max": "most",
        "values": "all, in rising order",
    }
    return [
        Column(f"{name}_{end}", unit, f"{meaning}; of seeds trained to their end: {text}")
        for end, text in which.items()
    ]


def _success_columns(rows: SearchRows, name: str) -> list[Column]:
    unit = rows.metrics[name]["unit"]
    return [
        Column(name, unit, "cost of a success: total spent by its trials, divided by the solved ones"),
        Column(f"{name}_low", unit, "lower end of that cost's 95 % interval"),
        Column(f"{name}_high", unit, "upper end of that cost's 95 % interval; infinite without a success"),
    ]


def _kinds(rows: SearchRows) -> tuple[list[str], list[str], list[str]]:
    """Return the metrics that have a mean, those that are all or nothing, and the costs of a success."""
    names = [name for name in rows.metrics if name != PARAMS]
    shares = [name for name in names if is_all_or_nothing(rows, name)]
    successes = [name for name in names if rows.is_of_target(name)]
    return [name for name in names if name not in (*shares, *successes)], shares, successes


def _names(rows: SearchRows, first: pd.DataFrame) -> pd.DataFrame:
    names = pd.DataFrame(index=first.index)
    if rows.plan.baselines:
        found = baselines(rows)
        names["baseline"] = pd.Series(
            [found.get(int(n)) for n in first.index], index=first.index, dtype=object
        )
    return names.assign(params=first["params"].astype(int))


def _counts(trials: pd.DataFrame, place: NDArray[Any], index: pd.Index[Any]) -> pd.DataFrame:
    def count(which: pd.Series[bool]) -> NDArray[Any]:
        return np.bincount(place[which.to_numpy()], minlength=len(index))

    seeds = np.bincount(place, minlength=len(index))
    unknown = count(trials["outcome"] == "unknown")
    endings = {ending.replace(" ", "_"): count(trials["ending"] == ending) for ending in ENDINGS}
    return pd.DataFrame(
        {"seeds": seeds, **endings, "known": seeds - unknown, "unknown": unknown}, index=index
    )


def _represented(trials: pd.DataFrame, place: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return how many trials with each configuration are represented by its solved and by its known ones."""
    weight = trials["weight"].to_numpy(float)
    won = weight * (trials["outcome"] == "solved").to_numpy(float)
    return np.bincount(place, won), np.bincount(place, weight)


def _rates(
    rows: SearchRows,
    params: pd.Series[int],
    counts: pd.DataFrame,
    represented: tuple[NDArray[Any], NDArray[Any]],
) -> pd.DataFrame:
    solved, known, unknown = (counts[name].to_numpy() for name in ("solved", "known", "unknown"))
    low, high = wilson_ends(solved, known)
    fresh = confirmed_rates(rows).reindex(counts.index)
    judged = fresh["rate"].where(fresh["seeds"] >= FEWEST_FRESH_SEEDS)
    expected = pd.Series(shrunken_rates(params.to_numpy(), solved, known, represented), index=counts.index)
    with np.errstate(invalid="ignore"):
        rate = solved / known
    return pd.DataFrame(
        {
            "success_rate": rate,
            "success_low": low,
            "success_high": high,
            "rate_if_unknown_failed": solved / (known + unknown),
            "rate_if_unknown_solved": (solved + unknown) / (known + unknown),
            "expected_rate": judged.fillna(expected),
            "confirmed_solved": fresh["solved"].fillna(0).astype(int),
            "confirmed_seeds": fresh["seeds"].fillna(0).astype(int),
            "confirmed_low": fresh["low"],
            "confirmed_high": fresh["high"],
        },
        index=counts.index,
    )


def _metrics(rows: SearchRows, trials: pd.DataFrame, index: pd.Index[Any]) -> pd.DataFrame:
    means, shares, _ = _kinds(rows)
    there = [name for name in means if name in trials.columns]
    ended = trials[trials["ending"].isin(WITH_VALUE)]
    averaged = ended[there].astype(float).groupby(ended["configuration"]).mean().reindex(index)
    return pd.concat([averaged, *(_values(trials, name, index) for name in shares if name in trials)], axis=1)


def _values(trials: pd.DataFrame, name: str, index: pd.Index[Any]) -> pd.DataFrame:
    """Return least, median and most of a metric, and all its values as a list, for each configuration."""
    ended = trials[trials["ending"].isin(WITH_VALUE)]
    known = ended[["configuration", name]].dropna().sort_values(["configuration", name])
    numbers, begins, counts = np.unique(
        known["configuration"].to_numpy(), return_index=True, return_counts=True
    )
    values = known[name].to_numpy(dtype=float)
    found = pd.DataFrame(
        {
            f"{name}_min": values[begins],
            f"{name}_median": values[begins + (counts - 1) // 2],
            f"{name}_max": values[begins + counts - 1],
        },
        index=numbers,
    ).reindex(index)
    # Without any value there would be one part, an empty one.
    lists = [part.tolist() for part in np.split(values, begins[1:])] if len(begins) else []
    by_number = dict(zip(numbers.tolist(), lists, strict=True))
    found[f"{name}_values"] = pd.Series([by_number.get(n, []) for n in index], index=index, dtype=object)
    return found


def _costs_of_success(rows: SearchRows, trials: pd.DataFrame) -> pd.DataFrame:
    _, _, successes = _kinds(rows)
    index = np.unique(trials["configuration"].to_numpy())
    columns: dict[str, Any] = {}
    for name in successes:
        spent = spent_on_target(rows, trials, name)
        cost = per_success(spent, trials["ending"] == "solved", trials["configuration"])
        columns |= {name: cost["cost"], f"{name}_low": cost["low"], f"{name}_high": cost["high"]}
    return pd.DataFrame(columns, index=index)
