"""The trials that an answer rests on."""

from __future__ import annotations

import pandas as pd

from analysis.files.layout import SELECTS
from analysis.rows import SearchRows
from search_spaces.plan import Values


def that_answer(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials without those that helped to choose what the answer is about."""
    return trials[trials["role"] != SELECTS] if "role" in trials else trials


def recipe_of(rows: SearchRows, trials: pd.DataFrame) -> Values | None:
    """Return what the configurations of some trials have in common of what was searched; None of none."""
    found = [rows.plan.searched(values) for values in trials["values"]]
    if not found:
        return None
    first, *others = found
    return {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }
