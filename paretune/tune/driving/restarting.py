"""A search goes on where the Ray that it started is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from paretune.errors import RayLostError

_RESTARTS = 3
"""So often in a row Ray is started again without a report between: what ends it may be the search itself."""


class Session(Protocol):
    """A session that may lose Ray."""

    @property
    def got_on(self) -> bool:
        """Whether a trial has reported in it."""

    @property
    def may_restart(self) -> bool:
        """Whether Ray is ours to start again, and can be."""


S = TypeVar("S", bound=Session)


def restarting(
    begin: Callable[[], S], run: Callable[[S], bool], say: Callable[[str], None]
) -> tuple[S, bool]:
    """Run a session; where Ray is lost, run one more, up to three times in a row without a report between.

    Args:
        begin: makes a session.
        run: runs it, and returns whether trials are left.
        say: prints a line.

    Returns:
        The last session, and what running it returned.

    Raises:
        RayLostError: starting Ray again is not ours to do, or did not help.
    """
    in_vain = 0
    while True:
        session = begin()
        try:
            return session, run(session)
        except RayLostError as lost:
            in_vain = 0 if session.got_on else in_vain + 1
            if not session.may_restart or in_vain > _RESTARTS:
                raise
            say(f"Ray was lost: {lost.what}. All rows are kept. Ray is started again, to go on.")
