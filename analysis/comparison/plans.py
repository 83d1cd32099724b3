"""Whether searches ask the same question, and what their plans differ in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.files.layout import Column
from analysis.finding import Table
from analysis.objectives import accuracy_objective
from analysis.rows import SearchRows
from analysis.text import plural
from paretune.errors import Error
from search_spaces.dimensions import describe
from search_spaces.plan import Plan

_LEFT_OUT = ("name", "description", "task", "fixed", "space", "derived", "objectives", "resources")
"""Parts of a plan that are reported elsewhere, or do not affect training."""

_NESTED = ("search", "early_stopping", "constraints")
_LONGEST = 60


class ComparisonError(Error, ValueError):
    """The searches cannot be compared; the message says what differs."""


def check_same_question(searches: Mapping[str, SearchRows]) -> None:
    """Check that there are at least two searches, of one task, with one target metric.

    Raises:
        ComparisonError: there are fewer, or the question differs.
    """
    if len(searches) < 2:
        raise ComparisonError(f"a comparison needs two searches or more, but got {len(searches)}")
    (first, rows), *others = searches.items()
    for name, other in others:
        for what, one, another in (
            ("task", rows.plan.task, other.plan.task),
            ("target metric", _target(rows), _target(other)),
        ):
            if one != another:
                raise ComparisonError(
                    f"{name} does not ask what {first} asks: its {what} is {another}, "
                    f"that of {first} is {one}"
                )


def plan_differences(searches: Mapping[str, SearchRows]) -> Table:
    """Return what the plans of searches differ in: a row for each part, a column for each search.

    A parameter is one part, whether it is fixed, drawn from a space or stated in a list. Where a plan leaves
    it out, it has the task's default.
    """
    parts = {name: _parts(rows.plan) for name, rows in searches.items()}
    lines = []
    for part in dict.fromkeys(part for of_one in parts.values() for part in of_one):
        values = [parts[name].get(part, rows.defaults.get(part)) for name, rows in searches.items()]
        if any(value != values[0] for value in values):
            lines.append({"part": part, **dict(zip(parts, map(_written, values), strict=True))})
    return Table(
        title="What the searches differ in",
        frame=pd.DataFrame(lines, columns=["part", *parts]),
        columns=[
            Column("part", "", "a parameter, or a part of the space file"),
            *(Column(name, "", f"its value in {name}") for name in parts),
        ],
    )


def _target(rows: SearchRows) -> str:
    if rows.plan.target is None:
        return f"none, with {accuracy_objective(rows)[0]} as the objective"
    return next(iter(rows.plan.target))


def _parts(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = dict(plan.fixed)
    found |= {name: describe(dimension) for name, dimension in plan.space.items()}
    found |= {name: f"derived: {how.sentence}" for name, how in plan.derived.items()}
    for name in plan.searched_names if plan.only else ():
        listed = dict.fromkeys(json.dumps(given[name]) for given in plan.only if name in given)
        found[name] = f"listed: {', '.join(listed)}"
    for name, value in plan.model_dump(mode="json", exclude_none=True).items():
        if name in _NESTED:
            found |= {f"{name}.{key}": inner for key, inner in value.items()}
        elif name not in _LEFT_OUT:
            found[name] = value
    return found


def _written(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "-"
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return plural(len(value), "configuration")
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def names_of(searches: Sequence[SearchRows]) -> list[str]:
    """Return a name for each search: that of its folder, numbered where names are equal."""
    names: list[str] = []
    for rows in searches:
        name = rows.folder.name
        again = sum(one == name or one.startswith(f"{name} (") for one in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names
