"""What is wrong in a space file: one value per mistake, and the error that carries all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paretune.errors import Error

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Mistake:
    """A mistake at a key; the message names the value and what would be accepted."""

    path: KeyPath
    message: str

    def __str__(self) -> str:
        key = dotted(self.path)
        return f"{key}: {self.message}" if key else self.message


class SpaceFileError(Error, ValueError):
    """A space file that cannot be used. Printed, it shows every mistake with its place in the file.

    Args:
        source: the file, or whatever else the mistakes are in.
        mistakes: all of them.
        lines: the line of each mistake, None where there is none.
    """

    def __init__(
        self, source: str, mistakes: Sequence[Mistake], lines: Sequence[int | None] | None = None
    ) -> None:
        self.source = source
        self.mistakes = list(mistakes)
        self.lines = list(lines) if lines is not None else [None] * len(self.mistakes)
        super().__init__("\n".join(self.rows()))

    def rows(self) -> list[str]:
        """Return one line of text per mistake: ``file:line: key: message``."""
        return [
            f"{self.source}:{line}: {mistake}" if line is not None else f"{self.source}: {mistake}"
            for mistake, line in zip(self.mistakes, self.lines, strict=True)
        ]


def dotted(path: KeyPath) -> str:
    """Write a path the way people do: ``space.lr.low``, ``try_first.0.d_model``."""
    return ".".join(map(str, path))
