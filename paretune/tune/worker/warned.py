"""Warnings of a worker: collected, since with Ray's log forwarding off nobody would read them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_TEXTS = 20
_LONGEST = 1000
"""Characters of a text. Both keep a trial that warns without end from filling its rows."""


class Warnings(logging.Handler):
    """Collects the texts of warnings, each once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._seen: set[str] = set()
        self._untold: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning's text as one line, unless it was kept before."""
        text = " ".join(record.getMessage().split())[:_LONGEST]
        if text not in self._seen and len(self._seen) < _MOST_TEXTS:
            self._seen.add(text)
            self._untold.append(text)

    def take(self) -> list[str]:
        """Return the texts since the last call."""
        untold, self._untold = self._untold, []
        return untold


@contextmanager
def collected_warnings(*loggers: str) -> Iterator[Warnings]:
    """Collect what loggers and those below them warn of, until the block ends: the process is reused.

    Args:
        loggers: names, such as ``trainables``; what is below two of them is collected once.
    """
    handler = Warnings()
    for name in loggers:
        logging.getLogger(name).addHandler(handler)
    try:
        yield handler
    finally:
        for name in loggers:
            logging.getLogger(name).removeHandler(handler)
