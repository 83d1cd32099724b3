"""What a trial resumes from: its newest checkpoint that is whole. Damaged ones are set aside."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.tune.assignment import AGAIN
from trainables.contract import CheckpointError

if TYPE_CHECKING:
    from trainables.checkpoints import Snapshot
    from trainables.config import TrainingConfig

log = logging.getLogger(__name__)

CHECKPOINT_FILE = "checkpoint.pt"
DAMAGED = ".damaged"
"""What the name of a file ends in that was set aside."""

_MAY_DIFFER = frozenset({"micro_batch"})
"""Fields with which a checkpoint may have been made otherwise: gradients are the same."""


class Resumption:
    """What a trial resumes from: its newest checkpoint that can be used, of this session or an earlier one.

    Args:
        config: the trial's configuration.
        newest: the folder of the newest checkpoint that is known; None if there is none.
    """

    def __init__(self, config: TrainingConfig, newest: Path | None) -> None:
        self._config = config
        self._left = [] if newest is None else list(_folders(newest))
        self._path: Path | None = None
        self._set_aside: list[str] = []

    def next(self) -> Snapshot | None:
        """Return the newest checkpoint that was not refused yet; None if the trial is to start over."""
        while self._left:
            self._path = self._left.pop(0) / CHECKPOINT_FILE
            try:
                snapshot = self._loaded(self._path)
            except CheckpointError as error:
                if isinstance(error.__context__, PermissionError):
                    raise  # it is whole, as far as anybody knows
                if self._path.exists():
                    self.refuse(str(error))
                continue
            self._say(f"resumed from the one before, at step {snapshot['step']:,}")
            return snapshot
        self._path = None
        self._say("the trial starts over")
        return None

    def refuse(self, reason: str) -> None:
        """Set the checkpoint aside that was returned last, and say so once it is known what is used instead.

        Args:
            reason: why it cannot be used.
        """
        assert self._path is not None, "nothing was returned"
        aside = self._path.with_name(self._path.name + DAMAGED)
        with suppress(OSError):
            self._path.replace(aside)
        # What the message advises is for people who named a file.
        reason = reason.partition("; retrain")[0].replace(f"{self._path}", "it")
        reason = reason.removeprefix("it is not a checkpoint, or is damaged: ")
        told = Path(*self._path.parts[-4:])
        self._set_aside.append(f"the checkpoint {told} cannot be used and is now {aside.name}: {reason}")

    def _loaded(self, path: Path) -> Snapshot:
        """Read a checkpoint, and check that it is of this trial.

        Raises:
            CheckpointError: it is damaged, or of another trial.
        """
        from trainables.checkpoints import load

        snapshot = load(path)
        if differing := _differing(snapshot.get("config"), self._config):
            raise CheckpointError(f"it is of another configuration, with another {differing}")
        return snapshot

    def _say(self, what_now: str) -> None:
        if self._set_aside:
            log.warning("%s; %s", "; ".join(self._set_aside), what_now)
        self._set_aside = []


def _folders(newest: Path) -> Iterator[Path]:
    """Yield the folders of a trial's checkpoints from the newest on, those of earlier sessions last.

    They are named as ``session-1/c012-s0/checkpoint_000003``, see :func:`paretune.tune.assignment.folder_of`.
    Later ones than ``newest`` are left out: rows do not know what was reported before these.
    """
    yield newest
    label = newest.parent.name.partition(AGAIN)[0]
    found = []
    with suppress(OSError):
        for session in newest.parent.parent.parent.iterdir():
            for folder in session.glob(f"{label}*"):
                if folder.name.partition(AGAIN)[0] == label:
                    found += list(folder.iterdir())
    earlier = [(_place_of(path), path) for path in found if min(_place_of(path)) >= 0]
    yield from (path for place, path in sorted(earlier, reverse=True) if place < _place_of(newest))


def _place_of(checkpoint: Path) -> tuple[int, int, int]:
    """Return where a checkpoint is in the order of time; with a negative number where a name has none."""
    trial = checkpoint.parent
    again = trial.name.partition(AGAIN)[2] or "1"
    names = trial.parent.name.partition("-")[2], again, checkpoint.name.partition("_")[2]
    session, attempt, number = (int(name) if name.isdecimal() else -1 for name in names)
    return session, attempt, number


def _differing(stated: Any, config: TrainingConfig) -> str | None:
    """Return a field whose value in a checkpoint is not the trial's; None if they are of one configuration.

    Paths may differ: a search can be moved. Fields that one of them lacks came with another version.
    """
    if not isinstance(stated, dict):
        return "config"
    own = config.model_dump(mode="json")
    for name in own.keys() & stated.keys() - _MAY_DIFFER:
        ours, theirs = own[name], stated[name]
        if ours != theirs and not (_is_path(ours) and _is_path(theirs)):
            return name
    return None


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and "/" in value
