"""Machines that join, are lost, or are about to go, while a search runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ray.tune import Callback

_LOOKS_EVERY_S = 1.0
_NOTICE_S = 30.0
"""Assumed of a machine that is to be drained without a deadline."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster, as it is now."""

    node_id: str
    """Ray's id of it."""
    name: str
    """What a person knows it by."""
    resources: Mapping[str, float]
    """What it has for trials, such as ``{"CPU": 8, "GPU": 1}``."""
    seconds_left: float | None = None
    """Until it goes, where it is being drained."""


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What has changed among the machines between two looks."""

    joined: list[Node] = field(default_factory=list)
    leaving: list[Node] = field(default_factory=list)
    lost: list[Node] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.joined or self.leaving or self.lost)


def changes_between(before: Mapping[str, Node], now: Mapping[str, Node]) -> Changes:
    """Return what has changed from one look to the next, by node id."""
    leaving = [
        node
        for node_id, node in now.items()
        if node.seconds_left is not None and (node_id not in before or before[node_id].seconds_left is None)
    ]
    return Changes(
        joined=[node for node_id, node in now.items() if node_id not in before and node not in leaving],
        leaving=leaving,
        lost=[node for node_id, node in before.items() if node_id not in now],
    )


class NodeWatch(Callback):  # type: ignore[misc]
    """Looks at the machines once a second, and tells in the driver's loop what has changed.

    Args:
        has_room: told the machines that stay, whenever they change: what trials can run on.
        gives_notice: told which machine goes, and in how many seconds.
        says: told in words what has changed.
        joined: told the ids of machines that have joined; it must return at once.
        look: returns the machines there are; replaced in tests.
    """

    def __init__(
        self,
        has_room: Callable[[Sequence[Mapping[str, float]]], None],
        gives_notice: Callable[[str, float], Any],
        says: Callable[[str], None] = lambda words: None,
        joined: Callable[[Collection[str]], None] = lambda node_ids: None,
        look: Callable[[], Mapping[str, Node]] | None = None,
    ) -> None:
        self._has_room = has_room
        self._gives_notice = gives_notice
        self._says = says
        self._joined = joined
        self._look = look or nodes_now
        self._told: Mapping[str, Node] = {}
        self._seen: Mapping[str, Node] = {}
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look: the machines that there are now have neither joined nor are they news."""
        self._told = self._seen = {
            node_id: node for node_id, node in self._look().items() if node.seconds_left is None
        }
        self._thread = threading.Thread(target=self._watch, name="paretune-nodes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune's loop goes round: tell what has changed since the last time."""
        seen = self._seen
        if seen is not self._told:
            self.tell(seen)

    def tell(self, now: Mapping[str, Node]) -> None:
        """Tell what is otherwise than when this was last called."""
        changes = changes_between(self._told, now)
        self._told = now
        if not changes:
            return
        for node in changes.leaving:
            assert node.seconds_left is not None, "it goes"
            self._gives_notice(node.node_id, node.seconds_left)
            self._says(
                f"Machine {node.name} goes in {max(node.seconds_left, 0):.0f} s: its trials hand over and "
                "go on elsewhere."
            )
        for node in changes.joined:
            self._says(f"Machine {node.name} has joined.")
        if changes.joined:
            self._joined([node.node_id for node in changes.joined])
        for node in changes.lost:
            gone = "is lost: its trials go on elsewhere, from their newest checkpoints"
            self._says(f"Machine {node.name} {gone if node.seconds_left is None else 'is gone'}.")
        self._has_room([node.resources for node in now.values() if node.seconds_left is None])

    def _watch(self) -> None:
        while not self._is_over.wait(_LOOKS_EVERY_S):
            # A head that does not answer is somebody else's concern.
            with suppress(Exception):
                self._seen = self._look()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def nodes_now() -> dict[str, Node]:
    """Return the machines that are alive, by Ray's ids."""
    from ray._private import state

    draining = state.state.get_draining_nodes()
    now_ms = time.time() * 1000
    return {
        node["NodeID"]: Node(
            node_id=node["NodeID"],
            name=name_of(node),
            resources=dict(node["Resources"]),
            seconds_left=_seconds_left(draining.get(node["NodeID"]), now_ms),
        )
        for node in state.nodes()
        if node["Alive"]
    }


def name_of(node: Mapping[str, Any]) -> str:
    """Return what a person knows a node by, as Ray describes it: host, and address where they differ."""
    host, address = str(node["NodeManagerHostname"]), str(node["NodeManagerAddress"])
    return f"{host} ({address}, node {node['NodeID'][:8]})"


def _seconds_left(deadline_ms: int | None, now_ms: float) -> float | None:
    if deadline_ms is None:
        return None
    return _NOTICE_S if deadline_ms <= 0 else (deadline_ms - now_ms) / 1000
