"""The space of a search as tables: what was searched, what was fixed, and what the task chose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.report.sections import Quote
from analysis.rows import SearchRows
from analysis.selection import plain
from search_spaces.dimensions import AnyDimension, Choice, describe

_MOST_VALUES = 12


def space_table(rows: SearchRows) -> Table:
    """Return the parameters that differ between configurations, with their values; derived ones last."""
    plan = rows.plan
    if plan.space:
        found = [
            {
                "parameter": name,
                "values": _drawn_from(dimension),
                "only_where": ", ".join(
                    f"{key}={_written(value)}" for key, value in (dimension.when or {}).items()
                ),
            }
            for name, dimension in plan.space.items()
        ]
    else:
        found = [{"parameter": name, "values": _values_of(rows, name)} for name in plan.searched_names]
    found += [{"parameter": name, "values": f"derived: {how.sentence}"} for name, how in plan.derived.items()]
    columns = (
        Column("parameter", "", "its name in the space file"),
        Column("values", "", "values that it may have"),
        Column("only_where", "", "values that other parameters must have for it to exist"),
    )
    frame = pd.DataFrame(found, columns=[column.name for column in columns])
    return Table(title="Searched parameters", frame=frame.replace("", None), columns=columns)


def _drawn_from(dimension: AnyDimension) -> str:
    return _one_of(dimension.values) if isinstance(dimension, Choice) else describe(dimension)


def _values_of(rows: SearchRows, name: str) -> str:
    stated = [configuration[name] for configuration in rows.plan.only if name in configuration]
    if len(stated) < len(rows.plan.only) and name in rows.defaults:
        stated = [rows.defaults[name], *stated]
    return _one_of(stated)


def _one_of(values: Sequence[Any]) -> str:
    written = list(dict.fromkeys(_written(value) for value in values))
    more = len(written) - _MOST_VALUES
    return "one of " + ", ".join(written[:_MOST_VALUES]) + (f" and {more} more" if more > 0 else "")


def fixed_table(rows: SearchRows) -> Table:
    """Return the parameters that are the same in every trial."""
    found = [{"parameter": name, "value": _written(value)} for name, value in rows.plan.fixed.items()]
    columns = (
        Column("parameter", "", "its name in the space file"),
        Column("value", "", "what it is in every trial"),
    )
    return Table(
        title="Fixed parameters",
        frame=pd.DataFrame(found, columns=["parameter", "value"]),
        columns=columns,
    )


def defaults_quotes(rows: SearchRows) -> list[Quote]:
    """Return what the task chose for all other parameters; older searches did not write it."""
    named = {*rows.plan.fixed, *rows.plan.searched_names, *rows.plan.derived}
    rest = {name: value for name, value in rows.defaults.items() if name not in named}
    text = "\n".join(f"{name}: {_written(value)}" for name, value in rest.items())
    return (
        [Quote(summary=f"Defaults of the task for the other {len(rest)} parameters", text=text)]
        if rest
        else []
    )


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | dict) else plain(value)
