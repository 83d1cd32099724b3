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
}
"""What other programs call a parameter: names that nothing else would connect with ours."""

_USUAL = {theirs: ours for ours, names in _MEANT.items() for theirs in names}


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
