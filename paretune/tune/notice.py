"""The notice that a search, or a machine, is about to end: given by the driver, read by every worker.

It travels through Ray's key-value store, which every worker of a cluster can read. A trial that hears it
hands over a checkpoint and ends; see :class:`trainables.loop.Host`.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ray.experimental import internal_kv

NOTICE_SECONDS = 30.0
"""The notice that spot machines and Slurm give, in seconds."""

_NAMESPACE = b"paretune"
_LOOKS_EVERY_SECONDS = 0.5
"""So long a notice may go unread. Each look is one small call to the head of the cluster."""
_MOST_LOOKS_PER_SECOND = 1000
"""Of all workers: one look takes some 0.2 ms of the head, which has one processor for them."""
_ANSWERS_WITHIN_SECONDS = 5.0
"""So long the store may take to answer; one that is gone must not hold up the driver's end."""


class Notice:
    """The driver's side: gives notice to the trials of one session.

    Args:
        token: what the session's assignments carry, unique among all sessions of a cluster.
    """

    def __init__(self, token: str) -> None:
        self._key = _key_of(token)
        self._all: float | None = None
        self._nodes: dict[str, float] = {}

    def give(self, seconds: float) -> bool:
        """Give notice to all trials: they have so many seconds. Return whether the store took it."""
        self._all = seconds
        return self._write()

    def give_node(self, node_id: str, seconds: float) -> bool:
        """Give notice to the trials on one node, by Ray's id of it. Return whether the store took it."""
        self._nodes[node_id] = seconds
        return self._write()

    def withdraw(self) -> bool:
        """Remove what was given, at the end of a session: a cluster's store outlives it."""
        self._all, self._nodes = None, {}
        return self._call("internal_kv_del", self._key, False)

    def _write(self) -> bool:
        value = json.dumps({"all": self._all, "nodes": self._nodes}).encode()
        return self._call("internal_kv_put", self._key, value, True)

    def _call(self, name: str, *arguments: Any) -> bool:
        client = internal_kv.internal_kv_get_gcs_client()
        try:
            if client is None:  # the driver is a client of a remote one
                getattr(internal_kv, f"_{name}")(*arguments, namespace=_NAMESPACE)
            else:
                getattr(client, name)(*arguments, _NAMESPACE, _ANSWERS_WITHIN_SECONDS)
        except Exception:  # Ray raises various; what matters is that the head is gone
            return False
        return True


class NoticeBoard(threading.Thread):
    """The worker's side: reads the notices of one session now and then.

    Args:
        token: the session's.
        node_id: Ray's id of the node that this worker is on.
        workers: of the session; the more there are, the more seldom each looks.
    """

    def __init__(self, token: str, node_id: str, workers: int = 1) -> None:
        super().__init__(name="paretune-notice", daemon=True)
        self._token = token
        self._key = _key_of(token)
        self._node_id = node_id
        self.every = looks_every(workers)
        """Seconds between two looks."""
        self._given = False
        self._is_over = False

    def is_given(self) -> bool:
        """Tell whether this worker's trial is to hand over; it costs nothing to ask."""
        return self._given

    def run(self) -> None:
        """Look until there is a notice, or another session's board takes this one's place."""
        while not self._given and not self._is_over:
            self._given = self.look()
            time.sleep(self.every)

    def look(self) -> bool:
        """Read the store, and tell whether a notice is for this worker."""
        try:
            client = internal_kv.internal_kv_get_gcs_client()
            written = client.internal_kv_get(self._key, _NAMESPACE, _ANSWERS_WITHIN_SECONDS)
        except Exception:  # the head is gone, or busy: the next look may tell
            return False
        if not written:
            return False
        said = json.loads(written)
        return said["all"] is not None or self._node_id in said["nodes"]

    def retire(self) -> None:
        """End the thread."""
        self._is_over = True

    def is_of(self, token: str) -> bool:
        """Tell whether it reads the notices of a session."""
        return self._token == token


_board: NoticeBoard | None = None


def looks_every(workers: int) -> float:
    """Return the seconds between two looks of a worker, where there are so many."""
    return max(_LOOKS_EVERY_SECONDS, workers / _MOST_LOOKS_PER_SECOND)


def board_of(token: str, workers: int = 1) -> NoticeBoard:
    """Return this worker's board for a session of so many workers; it reads from the first trial on."""
    global _board
    if _board is None or not _board.is_of(token):
        import ray

        if _board is not None:
            _board.retire()
        _board = NoticeBoard(token, ray.get_runtime_context().get_node_id(), workers)
        _board.start()
    _board.every = looks_every(workers)
    return _board


def _key_of(token: str) -> bytes:
    return f"notice-{token}".encode()
