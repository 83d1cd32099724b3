"""What files must hold that are written whole: metrics, and reports of retraining.

They may come from other people, or from an editor: what is read of them is checked here, once, and nowhere
after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from analysis.files.layout import TrialEnding

Check = Callable[[Any], bool]


def wrong_metric(metric: Any) -> str | None:
    """Return what is wrong with the description of a metric; None if nothing is."""
    if not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
        return f"a metric without a name, {_shown(metric)}"
    wrong = _wrong(metric, _METRIC)
    return None if wrong is None else f"the metric {_shown(metric['name'])}, whose {wrong}"


def wrong_report(content: Any) -> str | None:
    """Return what is wrong with a report of retraining; None if nothing is."""
    wrong = _wrong(content, _REPORT)
    if wrong is not None:
        return wrong
    for index, seed in enumerate(content["seeds"]):
        wrong = _wrong(seed, _SEED)
        if wrong is None and seed["test"] is not None:
            test = seed["test"]
            wrong = _wrong(test, _TEST)
            if wrong is None and not (_number(test.get("share")) or _number(test.get("mean"))):
                wrong = "'share' is missing"
        if wrong is not None:
            return f"in seed {index}, {wrong}"
    return None


def wrong_tables(tables: Any) -> str | None:
    """Return what is wrong with the tables of an evaluation; None if nothing is."""
    return None if _tables(tables) else f"the tables are {_shown(tables)}"


def _wrong(content: Any, checks: Mapping[str, Check]) -> str | None:
    if not isinstance(content, dict):
        return f"instead of a mapping there is {_shown(content)}"
    for key, is_valid in checks.items():
        if key not in content and (key in _STATED or not is_valid(None)):
            return f"{key!r} is missing"
        if not is_valid(content.get(key)):
            return f"{key!r} is {_shown(content[key])}"
    return None


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_number, value.values()))


def _listed(value: Any) -> bool:
    return isinstance(value, list) and all(map(_mapping, value))


def _direction(value: Any) -> bool:
    return value in ("min", "max")


def _ending(value: Any) -> bool:
    return value in tuple(TrialEnding)


def _truth(value: Any) -> bool:
    return isinstance(value, bool)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_table, value))


def _table(value: Any) -> bool:
    if not isinstance(value, dict) or not _text(value.get("title")):
        return False
    columns, rows = value.get("columns"), value.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list) or not all(map(_text, columns)):
        return False
    return all(
        isinstance(row, list) and len(row) == len(columns) and all(_text(c) or _number(c) for c in row)
        for row in rows
    )


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_METRIC: Mapping[str, Check] = {
    "direction": _direction,
    "unit": _text,
    "description": _text,
    "best": _or_none(_number),
    "worst": _or_none(_number),
    "is_cost": _or_none(_truth),
    "spent": _or_none(_text),
}
_REPORT: Mapping[str, Check] = {
    "configuration": _count,
    "params": _count,
    "config": _mapping,
    "seeds": _listed,
    "best_seed": _or_none(_whole),
    **dict.fromkeys(("device", "gpu", "paretune", "commit", "command"), _or_none(_text)),
    "hardware": _or_none(_mapping),
}
_SEED: Mapping[str, Check] = {
    "seed": _whole,
    "ending": _ending,
    "seconds": _number,
    "best_step": _or_none(_count),
    "validation": _or_none(_numbers),
    "checkpoint": _or_none(_text),
    "test": _or_none(_mapping),
}
_TEST: Mapping[str, Check] = {
    "metric": _text,
    "low": _or_none(_number),
    "high": _or_none(_number),
    "standard_error": _or_none(_number),
    "problems": _count,
    "units": _or_none(_number),
    "called": _or_none(_text),
    "drawn_from": _text,
    "tables": _tables,
}

_STATED = frozenset({"best_step", "validation", "checkpoint", "test", "low", "high"})
"""What is stated even where it is null."""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
