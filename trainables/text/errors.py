"""The error of data that cannot be used; a module of its own, because the command line must load quickly."""

from __future__ import annotations

from paretune.errors import Error


class DataError(Error, ValueError):
    """A text, a shard, a tokenizer or a data set that cannot be used; the message says what to do."""


class MissingDataError(DataError):
    """There is no data set where one is named; ``command`` makes one there."""

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command
