"""A part of a search: the configurations that satisfy conditions, and their parameters as columns."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from analysis.files.layout import SelectionError
from analysis.rows import PARAMS, SearchRows
from search_spaces.wording import accepted

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"^\s*([A-Za-z_][\w.]*)\s*(<=|>=|!=|==|=|<|>)\s*(.*?)\s*$")


class NothingLeftError(SelectionError):
    """Conditions that no configuration of a search satisfies."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A parameter, or ``params``, compared with a value."""

    name: str
    comparison: str
    value: Any

    def __str__(self) -> str:
        return f"{self.name}{self.comparison}{plain(self.value)}"


def parse_condition(text: str) -> Condition:
    """Read ``format=aligned``, ``n_layers!=2`` or ``params<=1500``; values are read as in a space file.

    Raises:
        SelectionError: it is none of these.
    """
    found = _CONDITION.match(text)
    if found is None:
        raise SelectionError(
            f"{text!r} is not a condition; use NAME=VALUE, or one of !=, <, <=, >, >=, as in params<=1500"
        )
    name, comparison, value = found.groups()
    try:
        read = YAML(typ="safe").load(value) if value else ""
    except YAMLError:
        raise SelectionError(f"{text!r}: {value!r} is not a value as in a space file") from None
    return Condition(name=name, comparison="=" if comparison == "==" else comparison, value=read)


def parameters(rows: SearchRows) -> pd.DataFrame:
    """Return the configurations' parameters, one row per configuration, indexed by its number.

    Holds ``params`` and every parameter that a configuration states or that its task has a default for; one
    that is searched under a condition is missing where the condition does not hold. Lists and mappings are
    JSON texts.
    """
    first = rows.trials.drop_duplicates("configuration").set_index("configuration").sort_index()
    stated = pd.DataFrame(
        [{name: _flat(value) for name, value in values.items()} for values in first["values"]],
        index=first.index,
    )
    # A searched parameter that a configuration does not state is one whose condition does not hold there.
    for name, default in rows.defaults.items():
        if name in rows.plan.space:
            continue
        if name not in stated.columns:
            stated[name] = _flat(default)
        elif default is not None:
            missing = [name not in values for values in first["values"]]
            if any(missing):
                stated[name] = (
                    stated[name].astype(object).mask(pd.Series(missing, index=stated.index), default)
                )
                stated[name] = stated[name].infer_objects()
    stated[PARAMS] = first["params"]
    return stated


def column_of(table: pd.DataFrame, name: str, *, option: str) -> pd.Series[Any]:
    """Return a parameter's column of :func:`parameters`.

    Raises:
        SelectionError: there is none; the message names the option and what there is.
    """
    if name not in table.columns:
        raise SelectionError(
            f"{option} got {name!r}, not a parameter here{accepted(name, list(table.columns))}"
        )
    return table[name]


def select(rows: SearchRows, conditions: Sequence[Condition]) -> SearchRows:
    """Return the search with only those configurations that satisfy every condition.

    Raises:
        SelectionError: there is no such parameter, or values do not compare.
        NothingLeftError: no configuration satisfies all of them.
    """
    if not conditions:
        return rows
    table = parameters(rows)
    kept = pd.Series(True, index=table.index)
    for condition in conditions:
        column = column_of(table, condition.name, option="--where")
        try:
            if condition.value is None:
                matches = column.isna() if condition.comparison == "=" else column.notna()
            else:
                matches = _COMPARISONS[condition.comparison](column, condition.value)
        except TypeError:
            raise SelectionError(f"--where {condition}: {condition.name} is not a number here") from None
        kept &= matches.astype(bool)
        if not kept.any():
            known = ", ".join(sorted({plain(value) for value in column.unique()})[:12])
            raise NothingLeftError(
                f"--where {condition} leaves no configuration; {condition.name} is one of {known}"
            )
    return rows.of_configurations(set(table.index[kept]))


def plain(value: Any) -> str:
    """Write a parameter's value as a space file would have it."""
    if value is None or value != value:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (list, dict)) else value
