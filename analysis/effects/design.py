"""Which parameters differ between configurations: their values as columns, and as numbers of values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.rows import PARAMS, SearchRows
from analysis.selection import parameters, plain
from search_spaces.dimensions import AnyDimension

Codes = NDArray[np.int64]


def varying(rows: SearchRows) -> pd.DataFrame:
    """Return the parameters that differ between configurations: one row per configuration, indexed by it.

    A parameter that the space has under a condition only, with ``when``, is missing where the condition does
    not hold: a default there would have no effect. Anywhere else, null is a value like others, and a text.
    Derived values are left out: they change with what they are derived from. Parameters stand in the order of
    the space file.
    """
    if rows.trials.empty:
        return pd.DataFrame()
    table = parameters(rows).drop(columns=PARAMS).drop(columns=[*rows.plan.derived], errors="ignore")
    first = rows.trials.drop_duplicates("configuration").set_index("configuration").sort_index()
    space = rows.plan.space
    for name in [name for name in table.columns if table[name].isna().any() or _is_conditional(space, name)]:
        column = table[name].astype(object)
        column = column.where(column.notna(), "null")
        if _is_conditional(space, name):
            exists = np.fromiter((name in values for values in first["values"]), bool, len(first))
            column = column.where(exists, None)
        # Numbers among which nothing is null any more are numbers again.
        table[name] = column.infer_objects()
    differing = [name for name in table.columns if len(np.unique(codes(table[name])[0])) > 1]
    named = rows.plan.searched_names
    differing.sort(key=lambda name: named.index(name) if name in named else len(named))
    return table[differing]


def _is_conditional(space: Mapping[str, AnyDimension], name: str) -> bool:
    return name in space and space[name].when is not None


def codes(column: pd.Series) -> tuple[Codes, list[object]]:
    """Return a number for each value of a column, and the values; a missing one has the number -1."""
    numbers, values = pd.factorize(column, use_na_sentinel=True)
    return np.asarray(numbers, dtype=np.int64), list(values)


def is_numeric(values: list[object]) -> bool:
    """Tell whether the values of a parameter are numbers; yes and no are not."""
    return all(
        isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, (bool, np.bool_))
        for value in values
    )


def written(values: list[object], code: int) -> str:
    """Write the value with a number of :func:`codes`."""
    value = values[code] if code >= 0 else None
    return plain(value.item() if isinstance(value, np.generic) else value)


def commonest(numbers: Codes) -> int:
    """Return the code that most have; of several, the one that is seen first."""
    found, first, count = np.unique(numbers, return_index=True, return_counts=True)
    order = np.lexsort((first, -count))
    return int(found[order[0]])
