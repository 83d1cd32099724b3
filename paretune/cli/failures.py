"""Errors as JSON, for the programs that asked a command for it."""

from __future__ import annotations

from typing import Any

from search_spaces.mistakes import SpaceFileError, dotted


def as_json(error: Exception, message: str) -> dict[str, Any]:
    """Return an error's kind, which is its class, what it says, and the mistakes of a space file."""
    return {"kind": type(error).__name__, "message": message, "mistakes": mistakes_of(error)}


def mistakes_of(error: Exception) -> list[dict[str, Any]]:
    """Return each mistake of a space file with its file, line (None if there is none), key and message."""
    if not isinstance(error, SpaceFileError):
        return []
    return [
        {"file": error.source, "line": line, "key": dotted(mistake.path), "message": mistake.message}
        for mistake, line in zip(error.mistakes, error.lines, strict=True)
    ]
