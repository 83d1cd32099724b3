"""What the models' findings mean, in the words of space files instead of Python's."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

_WORDS = {
    "missing": "is missing",
    "dict_type": "a map of keys to values",
    "model_type": "a map of keys to values",
    "model_attributes_type": "a map of keys to values",
    "list_type": "a list",
    "tuple_type": "a list",
    "string_pattern_mismatch": "lower-case letters, digits and single hyphens",
}


def finding(detail: ErrorDetails) -> str:
    """Say what is wrong with a value, and what would be accepted."""
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a key here"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    message = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"got {_shown(value)}; accepted: {_WORDS.get(kind, message)}"


def accepted(name: str, known: Iterable[str]) -> str:
    """Say what would have been accepted instead of an unknown name, the most similar first."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]}? Accepted" if close else "; accepted"
    return f"{hint}: {', '.join(names)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
