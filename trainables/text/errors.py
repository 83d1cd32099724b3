"""The error of data that cannot be used; a module of its own, because the command line must load quickly."""

from __future__ import annotations

from paretune.errors import Error


class DataError(Error, ValueError):
    """An unusable text, shard, tokenizer or data set; the message says what to do."""


class MissingDataError(DataError):
    """A named data set does not exist; ``command`` makes it."""

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command
