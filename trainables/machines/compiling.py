"""Tasks whose trials wait for a compiler: what they would compile is known beforehand."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from trainables.config import TrainingConfig


@runtime_checkable
class Compiles(Protocol):
    """A task that compiles something for a configuration, keeps it, and can say whether it is there."""

    def to_compile(self, config: TrainingConfig) -> str | None:
        """Return a name of what the first trial of a configuration has to compile; None if it is there.

        Configurations that share it have the same name.
        """
        ...
