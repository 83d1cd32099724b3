"""What a session of a search does about the machines of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ray.tune import Callback

from paretune.errors import ClusterError
from paretune.plan.binding import BoundPlan
from paretune.plan.slots import as_asked, carried_by, gpus_in, needs_of
from paretune.tune.nodes.checking import Wanted, check_nodes
from paretune.tune.nodes.losses import Losses
from paretune.tune.nodes.watching import NodeWatch
from paretune.tune.notice import Notice
from paretune.tune.parts import Parts

_UNLIKE = "Not all machines are alike"


def check_machines(bound: BoundPlan, folder: Path, storage: str | None, say: Callable[[str], None]) -> None:
    """Ask every machine of the cluster whether it can run a search, and say what is different there.

    Args:
        bound: the plan.
        folder: the search's folder.
        storage: the URL of the search's folder in its storage, if it has one.
        say: prints a line.

    Raises:
        ClusterError: it cannot.
    """
    wanted = Wanted(task=bound.plan.task, needs=needs_of(bound), folder=folder, storage=storage)
    for warning in check_nodes(wanted):
        say(f"{_UNLIKE}: {warning}.")


_ANSWERS_WITHIN_S = 3.0
"""So long the head may take to hear how many machines are wanted at the end."""


class Machines:
    """Lets a search use machines that join, and go on without those that are lost.

    Args:
        bound: the plan.
        parts: what Tune knows of the search.
        notice: how trials on a machine that is about to go hear of it.
        say: prints a line.
    """

    def __init__(self, bound: BoundPlan, parts: Parts, notice: Notice, say: Callable[[str], None]) -> None:
        self._bound = bound
        self._parts = parts
        self._losses = Losses(parts.monitor.checkpoint_of)
        self._say = say
        self._watch = NodeWatch(self._have_room, notice.give_node, say, joined=self._check)
        parts.on_machines(self._losses)

    @property
    def callbacks(self) -> list[Callback]:
        """What Tune calls, before any callback that forgets trials."""
        return [self._losses, self._watch]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the machines until the block ends, and ask for as many as trials were asked for."""
        self._ask_for(self._bound.plan.search.concurrency or 0)
        self._watch.start()
        try:
            yield
        finally:
            self._watch.stop()
            # A head that is gone never answers.
            asking = threading.Thread(target=self._ask_for, args=(0,), name="paretune-ask", daemon=True)
            asking.start()
            asking.join(_ANSWERS_WITHIN_S)

    def _have_room(self, machines: Sequence[Mapping[str, float]]) -> None:
        """Let as many trials run as the machines carry; at least one, which waits for a machine."""
        concurrency = max(1, as_asked(self._bound, carried_by(self._bound, machines)))
        self._parts.have_room(concurrency, gpus_in(machines))

    def _check(self, node_ids: Collection[str]) -> None:
        """Ask machines that have joined as those were asked that were there, without waiting for the answers.

        Trials begin there meanwhile: Ray places them. What is found is told.
        """
        storage = self._parts.monitor.storage
        wanted = Wanted(
            task=self._bound.plan.task,
            needs=needs_of(self._bound),
            folder=self._parts.folder,
            storage=None if storage is None else storage.place.url,
        )

        def ask() -> None:
            try:
                for warning in check_nodes(wanted, node_ids):
                    self._say(f"{_UNLIKE}: {warning}.")
            except ClusterError as error:
                self._say(f"A machine that has joined cannot run trials of this search. {error}")
            except Exception:  # the head, or the machine, is gone again: others tell that
                return

        threading.Thread(target=ask, name="paretune-joined", daemon=True).start()

    def _ask_for(self, trials: int) -> None:
        """Tell a cluster that starts machines as they are needed how many trials are to run at a time.

        Tune itself asks for no more than there are, as trials are handed out by what the machines carry.
        """
        from ray.autoscaler.sdk import request_resources

        needs = {name: share for name, share in needs_of(self._bound).items() if share}
        # Where machines are not started as needed, or the head is gone, nobody listens.
        with suppress(Exception):
            request_resources(bundles=[needs] * trials)
