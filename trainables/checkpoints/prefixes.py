"""Shared prefixes: runs that differ only in their horizon are identical until the first cooldown begins.

With a constant rate and then a cooldown, a run of 800 steps begins exactly like one of 400 steps before
its cooldown. Where the shorter one saved its state, the longer continues from it: the cooldowns branch
from a shared prefix, as in Hägele et al., 2024 (arXiv:2405.18392).
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from trainables.checkpoints import Snapshot, load, save
from trainables.config import TrainingConfig
from trainables.contract import CheckpointError, Task

log = logging.getLogger(__name__)

_OF_THE_COOLDOWN = frozenset({"steps", "cooldown", "final_lr"})
"""Fields without effect before the cooldown begins."""


class SharedPrefixes:
    """Checkpoints of prefixes in a folder that runs share, also between machines.

    A checkpoint includes what was spent: a run that branches reports the times that it would have
    taken alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self, task: Task, config: TrainingConfig) -> Snapshot | None:
        """Return the furthest state from which a run of ``config`` can continue, or None."""
        known = {int(path.stem): path for path in self._place(task, config).glob("[0-9]*.pt")}
        for step in sorted((step for step in known if step <= config.prefix_steps), reverse=True):
            try:
                return load(known[step])
            except CheckpointError:
                continue  # damaged, or of another version: an earlier one, or none, is used
        return None

    def keep(self, task: Task, config: TrainingConfig, snapshot: Snapshot) -> None:
        """Save the state of a run whose cooldown is about to begin, unless one exists.

        A failed write, as on a full disk, is logged only: a shared prefix just saves time.
        """
        path = self._place(task, config) / f"{snapshot['step']}.pt"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                save(snapshot, path)
        except OSError as error:
            log.warning("the shared prefix %s is not saved: %s", path, error)

    def _place(self, task: Task, config: TrainingConfig) -> Path:
        same = config.model_dump(mode="json", exclude=set(_OF_THE_COOLDOWN))
        name = hashlib.sha256(json.dumps([task.name, same], sort_keys=True).encode()).hexdigest()
        return self._folder / name[:16]
