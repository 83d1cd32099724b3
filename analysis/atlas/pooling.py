"""The trials of several searches as series: one for each search, or for each value of some parameters.

Searches can share configurations and seeds. On one machine that is the same run, and on another at least the
same initial weights and batches, so such a seed counts once, in the first of the searches. Configurations
that are equal but for defaults are one configuration, the unit of resampling.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.confirmation.rows import confirmations
from analysis.files.layout import SelectionError
from analysis.outcomes import SAYS_OUTCOME
from analysis.questions.trials import that_answer
from analysis.rows import SearchRows
from analysis.selection import column_of, parameters, plain

MOST_SERIES = 24
"""More are refused: a parameter that differs in nearly every configuration makes no series."""

FRESH = "is_fresh"
"""Column of pooled trials: whether the trial is a fresh seed of a confirmed configuration."""

_SERIES, _SAME = "series", "same"


def pooled(searches: Sequence[SearchRows], labels: Sequence[str], by: Sequence[str]) -> dict[str, SearchRows]:
    """Return the trials of each series, as a search in memory, whose trials have the column
    :data:`FRESH`.

    Trials that a question spent on choosing a recipe are left out. A configuration that was confirmed counts
    with its fresh seeds alone: the seeds that chose it flatter it.

    Args:
        searches: the searches, of one task.
        labels: what each is called; those with the same label are one series. If empty, ``by`` alone names
            the series.
        by: parameters, each combination of whose values is a series, or one of each label.

    Raises:
        SelectionError: a search has no such parameter, or there are too many combinations.
    """
    named = labels or [""] * len(searches)
    parts = [_trials(label, rows, by) for label, rows in zip(named, searches, strict=True)]
    # A column that is missing everywhere in a part would change the type of the others'.
    frame = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    if frame.empty:
        return {}
    names = frame[_SERIES].drop_duplicates().tolist()
    if not labels:
        names = sorted(names, key=_in_order)
    if len(names) > MOST_SERIES:
        raise SelectionError(
            f"--by {' --by '.join(by)} makes {len(names)} series; at most {MOST_SERIES} can be shown"
        )
    first = searches[0]
    metrics = {name: metric for rows in searches for name, metric in rows.metrics.items()}
    return {
        name: SearchRows.of_frames(
            first.plan,
            list(metrics.values()),
            _renumbered(frame[frame[_SERIES] == name]),
            defaults=first.defaults,
        )
        for name in names
    }


def _trials(label: str, rows: SearchRows, by: Sequence[str]) -> pd.DataFrame:
    """Return the trials of a search that count, with their series and what tells equal configurations."""
    trials, fresh = rows.trials, confirmations(rows)
    fresh = fresh[fresh["ending"].isin(SAYS_OUTCOME)]
    found = that_answer(trials)
    found = found[~found["configuration"].isin(fresh["configuration"])].assign(is_fresh=False)
    both = [part for part in (found, fresh.assign(is_fresh=True)) if len(part)]
    if not both:
        return pd.DataFrame()
    frame = pd.concat([part.dropna(axis=1, how="all") for part in both], ignore_index=True)
    frame = frame.reindex(columns=list(dict.fromkeys([*frame.columns, *_NEEDED])))
    series = pd.Series(label, index=trials["configuration"].unique())
    if by:
        table = parameters(rows)
        columns = [column_of(table, parameter, option="--by").map(plain) for parameter in by]
        series = pd.concat(columns, axis=1).apply(
            lambda values: ", ".join(
                [
                    *([label] if label else []),
                    *(f"{parameter}={value}" for parameter, value in zip(by, values, strict=True)),
                ]
            ),
            axis=1,
        )
    same = [_same(values, rows.defaults) for values in frame["values"]]
    return frame.drop(columns="role", errors="ignore").assign(
        series=frame["configuration"].map(series), same=same
    )


_NEEDED = ("ending", "params", "seed", "seed_index")
"""Columns that are there even where all trials lack them, as in a search that has just begun."""


def _same(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Return a text that is the same for equal configurations: what differs from the task's defaults."""
    stated = {
        name: value for name, value in values.items() if name not in defaults or defaults[name] != value
    }
    return json.dumps(stated, sort_keys=True)


def _renumbered(frame: pd.DataFrame) -> pd.DataFrame:
    """Return trials with one number for equal configurations, and each seed of one once.

    Of a seed that is there twice, the trial with a known outcome is kept, and of two such the first.
    """
    known = frame["ending"].isin(SAYS_OUTCOME)
    once = frame.assign(unknown=~known).sort_values("unknown", kind="stable").drop_duplicates([_SAME, "seed"])
    once = once.drop(columns="unknown").sort_index()
    number = pd.factorize(once[_SAME])[0]
    index = once.groupby(_SAME).cumcount()
    names = [f"c{of:03d}-s{seed}" for of, seed in zip(number, index, strict=True)]
    return once.assign(configuration=number, seed_index=index, trial=names).reset_index(drop=True)


def _in_order(name: str) -> list[tuple[bool, float, str]]:
    """Sort ``d_model=7`` before ``d_model=16``, and numbers before words."""
    values = [part.partition("=")[2] for part in name.split(", ")]
    return [(False, float(value), "") if _is_number(value) else (True, 0.0, value) for value in values]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
