"""The driver's main thread, where Tune's place is taken by one that trains nothing: signals, loss, an end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers.tune_twin import Twin

from analysis.files.lines import read_lines
from paretune.plan.binding import BoundPlan, bind
from paretune.record.events import Listener, Row
from paretune.sampling.history import TrialSpec
from paretune.signals import handled_signals
from paretune.tune.driving.conducting import Conductor, Course
from paretune.tune.driving.stopping import AbandonedError, DriverStops, StoppedError
from paretune.tune.notice import Notice
from search_spaces.plan import Plan

REPORT = {"step": 20, "exact_match": 0.5}


def a_plan() -> BoundPlan:
    values = {"digits": 2, "d_model": 4, "d_ff": 8, "batch": 32, "steps": 40, "eval_every": 20}
    return bind(
        Plan.model_validate(
            {
                "name": "conducted",
                "task": "addition",
                "objectives": [{"metric": "exact_match", "direction": "max"}],
                "only": [{**values, "lr": rate} for rate in (0.01, 0.02, 0.03, 0.04)],
            }
        )
    )


@dataclass
class Loses:
    """A watch that says what it is told to say."""

    what: str | None = None

    def lost(self) -> str | None:
        return self.what

    def close(self) -> None:
        """There is nothing to close."""


@dataclass
class Conducted:
    """A search whose trials report some hundred times a second until something ends it."""

    folder: Path
    seconds: float = 30.0
    hands_over: bool = True
    listeners: Sequence[Listener] = ()
    watch: Loses = field(default_factory=Loses)
    said: list[str] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    ended_by: list[BaseException] = field(default_factory=list)
    holds: threading.Event = field(default_factory=threading.Event)
    """Where it is set, trials answer only once it is clear: as if Tune hung."""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.stops = DriverStops()
        self.twin = Twin(a_plan(), self.folder, self._curve, listeners=self.listeners)

    def run(self, then: Callable[[], None]) -> tuple[Course, float]:
        """Run it, do something once it has reported, and return how it went, and the seconds since then."""
        at = []

        def act() -> None:
            self.begun.wait(30)
            at.append(time.monotonic())
            then()

        acting = threading.Thread(target=act)
        acting.start()
        conductor = Conductor(
            self.twin.parts, self.stops, Notice("a-test"), self.seconds, self.watch, self.said.append
        )
        with handled_signals():
            course = conductor.run(self._fit)
            took = time.monotonic() - at[0]
            acting.join()
        self.twin.parts.close()
        return course, took

    @property
    def endings(self) -> dict[str, str | None]:
        return {row["trial"]: row["ending"] for row in read_lines(self.folder / "trials.jsonl")}

    def _fit(self) -> None:
        try:
            self.twin.run()
        except BaseException as error:
            self.ended_by.append(error)
            raise

    def _curve(self, config: dict[str, Any]) -> Sequence[Row]:
        self.stops.stop_all()
        time.sleep(0.005)
        if self.twin.reports > 4:
            self.begun.set()
            while self.holds.is_set():
                time.sleep(0.01)
        gives = self.hands_over and self.twin.parts.searcher.holds
        return [{"handed_over": True, "ending": "none of a report"} if gives else REPORT] * 100_000


def press(*numbers: signal.Signals, pause: float = 0.5) -> Callable[[], None]:
    def pressed() -> None:
        for place, number in enumerate(numbers):
            time.sleep(pause if place else 0)
            os.kill(os.getpid(), number)

    return pressed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_the_first_signal_lets_running_trials_hand_over_and_begins_no_other(number, tmp_path: Path):
    search = Conducted(tmp_path / "search")
    course, took = search.run(press(number))
    assert course.given_notice
    assert course.lost is None
    assert search.endings == {"c000-s0": "interrupted", "c001-s0": "interrupted"}
    assert took < 5, "nobody waits for the rest of the notice"
    (line,) = search.said
    assert line == ("Interrupted: 2 trials write their checkpoints, within 30 s. Another Ctrl-C ends it now.")


def test_a_trial_that_does_not_hand_over_is_waited_for_as_long_as_it_was_given_notice(tmp_path: Path):
    search = Conducted(tmp_path / "search", seconds=1.0, hands_over=False)
    course, took = search.run(press(signal.SIGTERM))
    assert course.given_notice
    assert 0.8 <= took < 5
    assert isinstance(search.ended_by[0], StoppedError)
    assert set(search.endings.values()) == {"interrupted"}


def test_a_second_signal_ends_it_at_once_though_tune_hangs_and_no_row_comes_later(tmp_path: Path):
    search = Conducted(tmp_path / "search")
    search.holds.set()
    course, took = search.run(press(signal.SIGINT, signal.SIGINT))
    assert course.hangs
    assert took < 6
    assert set(search.endings.values()) == {"interrupted"}
    rows = read_lines(search.folder / "trials.jsonl"), read_lines(search.folder / "reports.jsonl")
    search.holds.clear()
    deadline = time.monotonic() + 10
    while not search.ended_by and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isinstance(search.ended_by[0], AbandonedError), "the thread ends as soon as it can"
    assert (read_lines(search.folder / "trials.jsonl"), read_lines(search.folder / "reports.jsonl")) == rows


def test_signals_that_come_together_are_one(tmp_path: Path):
    search = Conducted(tmp_path / "search")
    course, _ = search.run(press(signal.SIGINT, signal.SIGINT, pause=0.05))
    assert course.given_notice
    assert not course.hangs
    assert not search.ended_by, "it ended by itself once all had handed over"


def test_where_ray_is_lost_the_rows_are_closed_without_it(tmp_path: Path):
    watch = Loses()
    search = Conducted(tmp_path / "search", watch=watch)

    def lose() -> None:
        watch.what = "the node's process (raylet) was killed by signal 9"

    course, took = search.run(lose)
    assert course.lost == watch.what
    assert not course.hangs
    assert took < 5
    assert set(search.endings.values()) == {"interrupted"}
    assert search.said == []


def test_a_listener_that_cannot_write_ends_it(tmp_path: Path):
    class Full(Listener):
        is_full = False

        def reported(self, trial: TrialSpec, row: Row) -> None:
            if self.is_full:
                raise OSError(28, "No space left on device")

    full = Full()
    search = Conducted(tmp_path / "search", listeners=[full])

    def fill() -> None:
        full.is_full = True

    course, took = search.run(fill)
    assert not course.given_notice
    assert took < 5
    assert isinstance(search.ended_by[0], StoppedError)
    assert search.twin.parts.monitor.failure is not None


def test_outside_the_main_thread_it_runs_to_its_end(tmp_path: Path):
    search = Conducted(tmp_path / "search")
    courses: list[Course] = []

    def elsewhere() -> None:
        conductor = Conductor(
            search.twin.parts, search.stops, Notice("a-test"), 30.0, search.watch, search.said.append
        )
        with handled_signals():
            courses.append(conductor.run(lambda: time.sleep(0.2)))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(20)
    assert courses == [Course()]


def test_what_tune_raises_by_itself_is_raised(tmp_path: Path):
    search = Conducted(tmp_path / "search")

    def fails() -> None:
        raise RuntimeError("of Tune")

    conductor = Conductor(
        search.twin.parts, search.stops, Notice("a-test"), 30.0, search.watch, search.said.append
    )
    with pytest.raises(RuntimeError, match="of Tune"):
        conductor.run(fails)


@pytest.fixture(autouse=True)
def _handlers_are_put_back() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    assert {number: signal.getsignal(number) for number in before} == before
