"""Whether Ray is still there: Tune itself waits for ever for a cluster that is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import ray
from ray.core.generated.gcs_pb2 import GcsNodeInfo

_ASKS_EVERY_S = 3.0
"""So often the head of a cluster is asked which nodes live."""

_SILENT_FOR_S = 20.0
"""So long a head may be silent before the cluster counts as lost. Ray itself ends the process, with text of
its own, after 60 s without a head: by then all has to be over."""

_UNABLE_FOR_S = 45.0
"""So long no node may be able to run a trial: another may be about to join."""

_ANSWERS_WITHIN_S = 5.0
"""So long one call to the head may take."""

_ALIVE = GcsNodeInfo.ALIVE

_PROCESSES = {"gcs_server": "the head process (gcs_server)", "raylet": "the node's process (raylet)"}
"""What a cluster cannot do without, by Ray's names of the processes."""


class Watch(Protocol):
    """Says whether Ray can still run trials."""

    def lost(self) -> str | None:
        """Return what was lost, as a clause; None while all is well. It returns at once."""

    def close(self) -> None:
        """Look no more."""


class LocalWatch:
    """Watches the processes of a cluster that this process has started, which are its children."""

    def __init__(self) -> None:
        node = ray._private.worker._global_node
        self._processes = {
            name: [info.process for info in node.all_processes.get(name, [])] for name in _PROCESSES
        }

    def lost(self) -> str | None:
        """Return which process has ended, and how."""
        for name, processes in self._processes.items():
            for process in processes:
                code = process.poll()
                if code is not None:
                    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                    return f"{_PROCESSES[name]} {how}"
        return None

    def close(self) -> None:
        """There is nothing to end."""


class ClusterWatch:
    """Asks the head of a cluster that others have started, in a thread of its own, as it may take long.

    Args:
        needs: what a trial takes of a node, by Ray's names.
    """

    def __init__(self, needs: Mapping[str, float]) -> None:
        self._needs = dict(needs)
        self._own = ray.get_runtime_context().get_node_id()
        self._answered_at = self._able_at = time.monotonic()
        self._own_is_dead = False
        self._is_over = False
        self._thread = threading.Thread(target=self._ask, name="paretune-watch", daemon=True)
        self._thread.start()

    def lost(self) -> str | None:
        """Return what is missing for too long."""
        now = time.monotonic()
        if self._own_is_dead:
            return "the Ray node on this machine has ended"
        if now - self._answered_at > _SILENT_FOR_S:
            return f"the head of the cluster has not answered for {_SILENT_FOR_S:.0f} s"
        if now - self._able_at > _UNABLE_FOR_S:
            return f"for {_UNABLE_FOR_S:.0f} s no node of the cluster has been able to run a trial"
        return None

    def close(self) -> None:
        """End the thread, if it is not waiting for an answer that never comes."""
        self._is_over = True
        self._thread.join(timeout=0.5)

    def _ask(self) -> None:
        while not self._is_over:
            # Ray raises various; what matters is that nobody answers. `ray.nodes()` would not return.
            with suppress(Exception):
                client = ray._private.worker.global_worker.gcs_client
                self._note(client.get_all_node_info(timeout=_ANSWERS_WITHIN_S))
            until = time.monotonic() + _ASKS_EVERY_S
            while not self._is_over and time.monotonic() < until:
                time.sleep(0.1)

    def _note(self, nodes: Mapping[Any, Any]) -> None:
        """Take note of the nodes that the head knows, as Ray describes them, by id."""
        self._answered_at = time.monotonic()
        alive = {node_id.hex(): node for node_id, node in nodes.items() if node.state == _ALIVE}
        if any(_carries(node.resources_total, self._needs) for node in alive.values()):
            self._able_at = self._answered_at
        self._own_is_dead = self._own not in alive


def watch_of(address: str, needs: Mapping[str, float]) -> Watch:
    """Return what watches the Ray that this process has just joined.

    Args:
        address: where it was asked for.
        needs: what a trial takes of a node, by Ray's names, such as ``{"CPU": 1}``.
    """
    return LocalWatch() if address == "local" else ClusterWatch(needs)


def _carries(resources: Mapping[str, float], needs: Mapping[str, float]) -> bool:
    return all(resources.get(name, 0.0) >= share for name, share in needs.items())
