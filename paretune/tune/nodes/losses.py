"""A trial that lost its machine has done nothing wrong: it is told from one that failed by itself."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ray.exceptions import RayActorError
from ray.tune import Callback

from paretune.tune.assignment import label_of

MOST_LOSSES = 3
"""So many machines a trial may lose without a checkpoint between: perhaps it is what brings them down."""

_NODE_DIED = "because its node has died"
"""What Ray says of a worker, beside much else, once it knows."""

_ANSWERS_WITHIN_S = 2.0
"""So long a machine may take to answer whether it is there."""


class Losses(Callback):  # type: ignore[misc]
    """Notices which trials lost their machine, so that this does not use up the retry of a crashed worker.

    Tune counts every failure alike. A trial that Tune has started again after its machine was lost is
    forgiven here; one that Tune gives up over it comes back through the queue, see :meth:`comes_back`.

    Args:
        checkpoint_of: returns where a trial's newest checkpoint of this session is, by its label.
        is_lost: tells whether an error is that of a worker whose machine is gone; replaced in tests.
    """

    def __init__(
        self,
        checkpoint_of: Callable[[str], str | None],
        is_lost: Callable[[BaseException], bool] | None = None,
    ) -> None:
        self.checkpoint_of = checkpoint_of
        self._is_lost = is_lost or machine_is_lost
        self._trials: Sequence[Any] = ()
        self._lost: Counter[str] = Counter()
        self._back: set[str] = set()

    @property
    def count(self) -> int:
        """How often a trial lost its machine in this session."""
        return self._lost.total()

    def comes_back(self, trial_id: str, label: str) -> bool:
        """Tell whether a trial that Tune is about to give up only lost its machine: it goes on elsewhere."""
        trial = next((trial for trial in self._trials if trial.trial_id == trial_id), None)
        if trial is None or not self._notice(trial, label):
            return False
        self._back.add(label)
        return True

    def brought_back(self, label: str) -> bool:
        """Tell, once, whether a trial that Tune has given up comes back."""
        is_back = label in self._back
        self._back.discard(label)
        return is_back

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Take note of Tune's trials: also of those that fail before they could start."""
        self._trials = trials

    def on_checkpoint(
        self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any
    ) -> None:
        """Take note that a trial has got further: what it lost before does not speak against it."""
        del self._lost[label_of(trial)]

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune starts a trial again: if it lost its machine, that was no failure of its own.

        Of a machine that was drained, Tune has not counted it.
        """
        if self._notice(trial, label_of(trial)) and not trial.get_pickled_error().preempted:
            trial.run_metadata.num_failures -= 1

    def _notice(self, trial: Any, label: str) -> bool:
        error = trial.get_pickled_error()
        if error is None or self._lost[label] >= MOST_LOSSES or not self._is_lost(error):
            return False
        self._lost[label] += 1
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {}


def machine_is_lost(error: BaseException) -> bool:
    """Tell whether an error is that of a worker whose machine is gone, or was about to go.

    The error may be here seconds before the cluster knows that a machine is dead, so it is asked itself.
    """
    if not isinstance(error, RayActorError):
        return False
    # Of a worker that was still starting there, the cluster does not know on which machine it was.
    if error.preempted or _NODE_DIED in str(error):
        return True
    from ray._private import state

    actor = state.actors(error.actor_id) if error.actor_id else {}
    node_id = actor.get("Address", {}).get("NodeID") if actor else None
    node = next((node for node in state.nodes() if node["NodeID"] == node_id), None)
    if node is None:
        return False
    return not node["Alive"] or not answers(node["NodeManagerAddress"], int(node["NodeManagerPort"]))


def answers(host: str, port: int) -> bool:
    """Tell whether somebody listens at an address."""
    try:
        socket.create_connection((host, port), timeout=_ANSWERS_WITHIN_S).close()
    except OSError:
        return False
    return True
