"""From the name in a configuration to the data set, and whether it fits the configuration."""

from __future__ import annotations

from functools import lru_cache

from trainables.gpt2.config import GPT2Config
from trainables.text.dataset import Dataset
from trainables.text.errors import DataError
from trainables.text.python_text import find_dataset


@lru_cache(maxsize=8)
def locate(data: str) -> Dataset:
    """Return the data set of a configuration's ``data``, building Python's if needed.

    Raises:
        DataError: it is missing; the message has the command that makes it.
    """
    return find_dataset(data)


def require_text(config: GPT2Config, data: Dataset) -> None:
    """Check that a data set has the text that a configuration needs.

    Raises:
        DataError: its vocabulary is too large for the configuration's, or it has too little text.
    """
    if data.vocabulary > config.vocabulary:
        raise DataError(
            f"{data.folder}: its tokenizer has {data.vocabulary:,} tokens, but the configuration's "
            f"vocabulary is {config.vocabulary:,}; set vocabulary: {data.vocabulary} or more"
        )
    length = data.length("val")
    half = (length - 1) // 2
    most = half if config.val_range == "spread" else length - config.context - 1
    if config.val_sequences * config.context > most:
        advice = f"set at most {most:,}"
        if most < config.context:
            advice = f"set context and val_tokens to at most {half:,}, or build it from more text"
        raise DataError(
            f"{data.folder}: has {length:,} validation tokens; val_tokens={config.val_tokens:,} "
            f"leaves none to evaluate trained models on: {advice}"
        )
    if data.length("train") <= config.context:
        raise DataError(
            f"{data.folder}: has {data.length('train'):,} training tokens, "
            f"fewer than context={config.context}"
        )
