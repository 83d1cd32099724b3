"""Which checkpoints of a trial are kept: while it has not ended two, since the newer could be damaged."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

_MOST = 2


class Keeping:
    """The checkpoints of each trial, oldest first, by their paths."""

    def __init__(self) -> None:
        self._paths: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, label: str, path: str, before: str | None = None) -> list[str]:
        """Take note of a trial's newest checkpoint, and return those that nobody needs any more.

        Args:
            label: the trial's.
            path: of the checkpoint.
            before: the one of an earlier session that the trial began with.
        """
        paths = self._paths[label]
        if not paths and before is not None:
            # What that session kept besides is older than both.
            others = sorted(Path(before).parent.glob("checkpoint_*"))
            paths += [*(str(other) for other in others if other != Path(before)), before]
        if path in paths:
            paths.remove(path)
        paths.append(path)
        dropped, paths[:-_MOST] = paths[:-_MOST], []
        return dropped

    def over(self, label: str) -> list[str]:
        """Take note that a trial has ended for good, and return those that nobody needs any more."""
        return self._paths.pop(label, [])[:-1]
