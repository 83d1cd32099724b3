"""What a row must have to be read: a line may be JSON and yet not be a row that anybody wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from analysis.files.layout import CONFIRMATIONS_FILE, REPORTS_FILE, TRIALS_FILE, TrialEnding

_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_label(value: Any) -> bool:
    """Tell whether a value can name a trial: folders are called after them."""
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_step(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


_Kinds = Mapping[str, Callable[[Any], bool]]

_REQUIRED: Mapping[str, _Kinds] = {
    TRIALS_FILE: {"trial": _is_label, "configuration": _is_count, "seed_index": _is_count},
    REPORTS_FILE: {"trial": _is_label, "step": _is_step},
    CONFIRMATIONS_FILE: {"configuration": _is_count, "seed": _is_whole},
}
"""What no row does without."""

_TO_RESUME: _Kinds = {"seed": _is_whole, "params": _is_count, "values": _is_mapping}
"""What rows of trials state besides, without which a search does not go on."""

_OF_TRIALS: _Kinds = {
    **_TO_RESUME,
    "step": _is_step,
    "session": _is_count,
    "reports": _is_count,
    "role": _is_text,
    "checkpoint": _is_text,
    "error": _is_text,
    "engine": _is_text,
    "kept_chance": _is_number,
    "below_cut_at": _are_numbers,
    "warnings": _is_list,
}
_OF_REPORTS: _Kinds = {"verdict": _is_text, "cut_at": _is_number, "kept_chance": _is_number}
_OF_CONFIRMATIONS: _Kinds = {"seed_index": _is_count, "params": _is_count, "values": _is_mapping}
_OPTIONAL = {TRIALS_FILE: _OF_TRIALS, REPORTS_FILE: _OF_REPORTS, CONFIRMATIONS_FILE: _OF_CONFIRMATIONS}
"""What a column holds where a row has it; null is as good as missing."""

_ENDINGS = tuple(TrialEnding)


def what_is_wrong(name: str, row: Mapping[str, Any], *, to_resume: bool = False) -> str | None:
    """Return what is wrong with a row, such as "'trial' is missing"; None if it can be read.

    Args:
        name: the file that it stands in.
        row: the row.
        to_resume: whether a row of a trial is to have what a resumed search needs.
    """
    required = _REQUIRED[name]
    if to_resume and name == TRIALS_FILE:
        required = {**required, **_TO_RESUME}
    for key, is_valid in required.items():
        if not is_valid(row.get(key)):
            return f"{key!r} is {_shown(row[key])}" if key in row else f"{key!r} is missing"
    for key, is_valid in _OPTIONAL[name].items():
        value = row.get(key)
        if value is not None and not is_valid(value):
            return f"{key!r} is {_shown(value)}"
    ending = row.get("ending")
    if ending is not None and ending not in _ENDINGS:
        return f"'ending' is {_shown(ending)}, which is none of {', '.join(_ENDINGS)}"
    return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
