"""How often a search starts Ray again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from paretune.errors import RayLostError
from paretune.tune.driving.restarting import restarting


@dataclass(frozen=True)
class Played:
    """A session whose course is known before."""

    loses_ray: bool
    got_on: bool = False
    may_restart: bool = True


def played(*sessions: Played) -> tuple[int, list[str], Played]:
    """Return which session was the last, what was said, and the session that was returned."""
    left: Iterator[Played] = iter(sessions)
    begun: list[Played] = []
    said: list[str] = []

    def begin() -> Played:
        begun.append(next(left))
        return begun[-1]

    def run(session: Played) -> bool:
        if session.loses_ray:
            raise RayLostError("the raylet was killed by signal 9")
        return False

    try:
        last, _ = restarting(begin, run, said.append)
    except RayLostError as lost:
        raise AssertionError(len(begun)) from lost
    return len(begun), said, last


LOST = Played(loses_ray=True)


def test_a_search_goes_on_after_three_losses_in_a_row():
    count, said, last = played(LOST, LOST, LOST, Played(loses_ray=False))
    assert (count, len(said)) == (4, 3)
    assert not last.loses_ray
    assert "killed by signal 9" in said[0]
    assert "started again" in said[0]


def test_a_fourth_loss_without_a_report_between_ends_it():
    with pytest.raises(AssertionError, match="4") as ended:
        played(LOST, LOST, LOST, LOST, Played(loses_ray=False))
    assert isinstance(ended.value.__cause__, RayLostError)


def test_sessions_in_which_a_trial_reported_do_not_count():
    got_on = Played(loses_ray=True, got_on=True)
    count, _, _ = played(LOST, LOST, got_on, LOST, LOST, LOST, Played(loses_ray=False))
    assert count == 7


def test_what_others_started_is_not_started_again():
    with pytest.raises(AssertionError, match="1"):
        played(Played(loses_ray=True, may_restart=False), Played(loses_ray=False))
