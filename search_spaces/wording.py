"""What the models' findings mean, in the words of space files instead of Python's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from search_spaces.mistakes import KeyPath, Mistake

_A_NUMBER = "a number"

_WORDS = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "string_sub_type": "text",
    "string_unicode": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": _A_NUMBER,
    "float_parsing": _A_NUMBER,
    "finite_number": "a finite number",
    "dict_type": "a map of keys to values",
    "mapping_type": "a map of keys to values",
    "model_type": "a map of keys to values",
    "model_attributes_type": "a map of keys to values",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "none_required": "nothing (null)",
    "invalid-json-value": "numbers, words, true, false, lists and maps",
    "string_pattern_mismatch": "lower-case letters, digits and single hyphens",
}
"""What is accepted where a kind of value is wrong."""

_LIMITS = {
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
}
"""What is accepted where a value is beyond a limit that the finding names."""

_OTHERS = frozenset(get_args(ErrorType)) - _WORDS.keys() - _LIMITS.keys()
"""Kinds of finding that no space file is known to cause; their texts are a library's."""

_LIKENESS = 0.7
"""Of two names, from 0 to 1, for one to be a slip of the other: less, and learning_rate is smear_gate."""

_FEW = 20
"""Names that are listed beside the one that was probably meant; a list of more would hide it."""

_MEANT = {
    "lr": ("learning_rate", "max_lr", "peak_lr"),
    "batch": ("batch_size", "train_batch_size"),
    "n_layers": ("layers", "num_layers", "n_layer", "depth"),
    "n_heads": ("heads", "num_heads", "n_head"),
    "steps": ("epochs", "max_steps", "num_steps", "max_iters", "iterations"),
    "d_model": ("width", "embedding_dim", "hidden_size", "n_embd", "dim"),
    "context": ("seq_len", "block_size", "sequence_length", "context_length"),
    "vocabulary": ("vocab_size",),
    "warmup": ("warmup_steps",),
    "params": ("parameters",),
    "flops_per_token": ("flops",),
    "memory": ("ram", "vram", "gpu_memory"),
}
"""What other programs call a parameter: names that nothing else would connect with ours."""

_USUAL = {theirs: ours for ours, names in _MEANT.items() for theirs in names}


def findings(error: ValidationError, content: Any) -> Iterator[tuple[Mistake, str]]:
    """Return what is wrong with plain values, each place once, and of what kind that is.

    Args:
        error: what a model says about them.
        content: the values. A model's places also name the members of unions, which these do not have.
    """
    told: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors():
        told.setdefault(_place(detail, content), []).append(detail)
    for path, details in told.items():
        first = details[0]
        options = dict.fromkeys(option for option in map(_accepted_value, details) if option is not None)
        if "a number" in options:  # which a whole number is too
            options.pop("a whole number", None)
            details = [detail for detail in details if _accepted_value(detail) != "a whole number"]
        if len(options) < len(details):
            for detail in details:
                yield Mistake(path, finding(detail)), detail["type"]
        else:
            yield (
                Mistake(path, f"got {_shown(first['input'])}; accepted: {', or '.join(options)}"),
                first["type"],
            )


def finding(detail: ErrorDetails) -> str:
    """Say what is wrong with a value, and what would be accepted."""
    kind = detail["type"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a key here"
    if kind in ("value_error", "assertion_error"):
        return str(detail["ctx"]["error"])
    option = _accepted_value(detail)
    return detail["msg"] if option is None else f"got {_shown(detail['input'])}; accepted: {option}"


def _accepted_value(detail: ErrorDetails) -> str | None:
    """Say what would be accepted instead of a value; None where that is not what the finding is about."""
    kind = detail["type"]
    if kind in ("missing", "extra_forbidden", "value_error", "assertion_error"):
        return None
    if kind in _LIMITS:
        text = _LIMITS[kind].format(**detail["ctx"])
        return text.replace(" 1 characters", " 1 character").replace("'", "")
    if kind in _WORDS:
        return _WORDS[kind]
    # What a task's own class says, in its own words.
    return "another kind of value" if kind in _OTHERS else None


def _place(detail: ErrorDetails, content: Any) -> KeyPath:
    """Return the path in plain values that the place in a model means."""
    path: list[int | str] = []
    value = content
    for position, step in enumerate(detail["loc"]):
        is_last = position == len(detail["loc"]) - 1
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            path.append(step)
            value = value[step]  # type: ignore[index]
        elif is_last and detail["type"] == "missing":
            path.append(step)
    return tuple(path)


def accepted(name: str, known: Iterable[str]) -> str:
    """Say what would have been accepted instead of an unknown name, the most similar first."""
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=_LIKENESS)
    ours = _USUAL.get(name.lower())
    if ours in names:
        close = [ours]
    if close and len(names) > _FEW:
        return f"; did you mean {close[0]}?"
    hint = f"; did you mean {close[0]}? Accepted" if close else "; accepted"
    return f"{hint}: {', '.join(names)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
