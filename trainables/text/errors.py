"""The error of data that cannot be used; a module of its own, because the command line must load quickly."""

from __future__ import annotations


class DataError(ValueError):
    """A text, a shard, a tokenizer or a data set that cannot be used; the message says what to do."""
