"""How many trials ran at a time: measured on events, and when it is said that they were too few."""

from __future__ import annotations

import pytest
from helpers.plans import bound

from paretune.record.concurrency import Concurrency, ConcurrencyMeter
from paretune.record.endings import TrialEnding
from paretune.sampling.history import TrialSpec
from paretune.sampling.queue import TrialQueue


class Timeline:
    """Trials told to a meter at chosen times."""

    def __init__(self, asked: int, slots: int) -> None:
        self.now = 0.0
        self.meter = ConcurrencyMeter(asked, slots, clock=lambda: self.now)
        self._queue = TrialQueue(bound(search={"trials": 500, "sampler": "random"}))

    def start(self, at: float) -> TrialSpec:
        spec = self._queue.next()
        assert spec is not None
        self.now = at
        self.meter.announced(spec)
        self.meter.started(spec)
        return spec

    def end(self, spec: TrialSpec, at: float, ending: TrialEnding = TrialEnding.FINISHED) -> None:
        self.now = at
        self.meter.ended(spec, ending, {}, None)

    def run(self, slots: int, trials: int, seconds: float, begin: float = 0.0) -> None:
        """Run trials one after the other in each slot."""
        for number in range(trials):
            at = begin + number * seconds
            running = [self.start(at) for _ in range(slots)]
            for spec in running:
                self.end(spec, at + seconds)


def test_slots_that_are_always_full_count_whole():
    time = Timeline(asked=3, slots=3)
    time.run(slots=3, trials=20, seconds=4)
    measured = time.meter.measured
    assert measured.mean == pytest.approx(3)
    assert measured.seconds == pytest.approx(76)
    assert measured.trial_seconds == pytest.approx(4)
    assert measured.summary == "3.0 trials at a time of 3"
    assert measured.advice is None


def test_one_at_a_time_of_two_is_said_with_what_to_do():
    time = Timeline(asked=2, slots=2)
    time.run(slots=1, trials=60, seconds=1)
    measured = time.meter.measured
    assert measured.mean == pytest.approx(1)
    assert measured.is_short
    assert "--concurrency" in str(measured.advice)


def test_end_of_a_search_where_no_trial_waits_does_not_count():
    time = Timeline(asked=2, slots=2)
    time.run(slots=2, trials=10, seconds=5)
    long = time.start(50)
    time.end(long, 5000)
    measured = time.meter.measured
    assert measured.mean == pytest.approx(2)
    assert not measured.is_short


def test_trials_that_wait_for_the_first_workers_do_not_count_from_the_beginning():
    """The second worker came up a minute after the first, whose trial was long."""
    time = Timeline(asked=2, slots=2)
    first = time.start(0)
    second = time.start(60)
    time.end(first, 70)
    time.end(second, 70)
    time.run(slots=2, trials=20, seconds=2, begin=70)
    assert time.meter.measured.mean == pytest.approx(2)


@pytest.mark.parametrize("trials", [1, 2])
def test_no_more_trials_than_slots_are_not_judged(trials: int):
    time = Timeline(asked=4, slots=2)
    time.run(slots=1, trials=trials, seconds=1000)
    measured = time.meter.measured
    assert (measured.mean, measured.summary, measured.advice) == (None, None, None)


def test_short_search_is_not_judged():
    time = Timeline(asked=2, slots=2)
    time.run(slots=1, trials=20, seconds=1)
    assert time.meter.measured.mean == pytest.approx(1)
    assert time.meter.measured.advice is None


def test_trial_that_is_tried_again_is_one_trial():
    time = Timeline(asked=2, slots=2)
    first, second = time.start(0), time.start(0)
    time.now = 30
    time.meter.started(first)
    time.end(first, 60)
    third = time.start(60)
    assert time.meter.measured.mean == pytest.approx(2)
    time.end(second, 90, TrialEnding.INTERRUPTED)
    time.end(third, 90, TrialEnding.INTERRUPTED)
    assert time.meter.measured.trial_seconds == pytest.approx(60), "an interrupted trial has no length"


def test_trial_that_never_started_can_end():
    time = Timeline(asked=1, slots=1)
    spec = TrialQueue(bound()).next()
    assert spec is not None
    time.meter.announced(spec)
    time.end(spec, 5, TrialEnding.FAILED)
    assert time.meter.measured.trial_seconds is None


@pytest.mark.parametrize(
    ("mean", "slots", "trial_seconds", "words"),
    [
        (1.95, 2, 9.0, "there is room for 2; give each trial less with --cpu"),
        (1.0, 2, 9.0, "is the machine or cluster busy"),
        (1.0, 2, 0.02, "a trial took 0.02 s, little more than handing it over"),
    ],
)
def test_advice_names_the_likely_cause(mean: float, slots: int, trial_seconds: float, words: str):
    measured = Concurrency(asked=4, slots=slots, mean=mean, seconds=300, trial_seconds=trial_seconds)
    assert measured.is_short
    assert words in str(measured.advice)
