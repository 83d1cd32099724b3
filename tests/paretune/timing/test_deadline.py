"""A deadline, with a clock that the test moves."""

from __future__ import annotations

from typing import Any

from helpers.plans import bound

from paretune.plan.binding import BoundPlan
from paretune.record.endings import TrialEnding
from paretune.sampling.history import TrialSpec
from paretune.timing.costs import costly_of
from paretune.timing.deadline import Deadline
from paretune.timing.measuring import Measured, Measurement
from paretune.timing.times import TrialTimes

VALUES = {"digits": 3, "d_model": 8, "lr": 0.01, "engine": "torch", "steps": 100, "eval_every": 100}
"""With steps of 0.1 s, a trial of 10 s."""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def spec(configuration: int, seed: int = 0, resume_from: str | None = None) -> TrialSpec:
    return TrialSpec(
        label=TrialSpec.label_of(configuration, seed),
        configuration=configuration,
        seed_index=seed,
        seed=seed,
        values=VALUES,
        params=800,
        resume_from=resume_from,
    )


def deadline(ends_at: float, *, known: bool = True, slots: int = 2, **search: Any) -> tuple[Deadline, Clock]:
    plan: BoundPlan = bound(search={"trials": 40, **search})
    one = costly_of(plan, VALUES)
    found = (Measured(costly=one, step=0.1, evaluation=0.0, start=0.0, compiling=None),) if known else ()
    clock = Clock()
    return Deadline(
        plan,
        TrialTimes([one], Measurement(found=found)),
        slots=slots,
        ends_at=ends_at + 4.0,
        closing=4.0,
        expected={"within": ends_at, "forecast": None},
        clock=clock,
    ), clock


def run(keeper: Deadline, clock: Clock, trial: TrialSpec, seconds: float, *, steps: int = 100) -> None:
    """Let a trial run and end after so many seconds, all of them steps."""
    begin(keeper, trial)
    clock.now += seconds
    row = {"step": steps, "wall_seconds": seconds}
    keeper.reported(trial, row)
    keeper.ended(trial, TrialEnding.FINISHED, row, None)


def begin(keeper: Deadline, trial: TrialSpec) -> None:
    keeper.announced(trial)
    keeper.started(trial)


def test_a_trial_begins_only_if_it_is_expected_to_end_in_time():
    keeper, clock = deadline(30)
    assert keeper.may_begin(spec(0))
    clock.now = 15
    assert keeper.may_begin(spec(0))
    clock.now = 22
    assert not keeper.may_begin(spec(0))
    assert keeper.ended_the_search
    assert not keeper.is_over()


def test_all_seeds_of_a_new_configuration_have_to_end_in_time_and_those_of_a_begun_one_may():
    keeper, clock = deadline(30, seeds=4)
    # Four trials of 10 s need 20 s on two slots.
    assert keeper.may_begin(spec(0))
    clock.now = 12
    assert not keeper.may_begin(spec(0))
    begin(keeper, spec(0))
    assert keeper.may_begin(spec(0, 1))


def test_trials_that_run_hold_their_slots():
    keeper, clock = deadline(30, seeds=2)
    clock.now = 12
    assert keeper.may_begin(spec(0))
    begin(keeper, spec(1))
    # One seed could begin at once, the other after the trial that runs.
    assert not keeper.may_begin(spec(0))


def test_trials_that_took_longer_make_the_next_ones_seem_longer():
    keeper, clock = deadline(100)
    for number in range(3):
        run(keeper, clock, spec(number), 20)
    clock.now = 82
    assert not keeper.may_begin(spec(3))
    quick, clock = deadline(100)
    for number in range(3):
        run(quick, clock, spec(number), 5)
    clock.now = 90
    assert quick.may_begin(spec(3))


def test_where_most_trials_end_early_one_may_begin_that_would_be_late_with_its_whole_budget():
    keeper, clock = deadline(200)
    for number in range(15):
        run(keeper, clock, spec(number), 3, steps=30)
    clock.now = 195
    assert keeper.may_begin(spec(20))
    clock.now = 198
    assert not keeper.may_begin(spec(20))


def test_without_measurements_trials_begin_until_one_has_told_how_long_it_takes():
    keeper, clock = deadline(30, known=False)
    clock.now = 25
    assert keeper.may_begin(spec(0))
    run(keeper, clock, spec(0), 4)
    clock.now = 29
    assert not keeper.may_begin(spec(1))


def test_when_the_time_is_over_what_runs_is_ended_and_counted():
    keeper, clock = deadline(30)
    begin(keeper, spec(0))
    clock.now = 29
    assert not keeper.is_over()
    clock.now = 30
    assert keeper.is_over()
    assert not keeper.may_begin(spec(1))
    keeper.ended(spec(0), TrialEnding.INTERRUPTED, {}, None)
    assert (keeper.ended_count, keeper.cut) == (0, 1)
    assert keeper.ended_the_search


def test_a_search_that_somebody_interrupts_was_not_ended_by_its_deadline():
    keeper, clock = deadline(30)
    begin(keeper, spec(0))
    clock.now = 20
    assert not keeper.may_begin(spec(1))
    keeper.ended(spec(0), TrialEnding.INTERRUPTED, {}, None)
    assert not keeper.ended_the_search
    assert keeper.cut == 0


def test_a_resumed_trial_says_nothing_of_a_whole_one():
    keeper, clock = deadline(100)
    run(keeper, clock, spec(0, resume_from="somewhere"), 0.5)
    clock.now = 95
    assert not keeper.may_begin(spec(1))


def test_provenance_keeps_what_was_expected_and_what_came():
    keeper, clock = deadline(30)
    run(keeper, clock, spec(0), 10)
    assert keeper.as_record() == {
        "within": 30,
        "forecast": None,
        "ended": 1,
        "still_running": 0,
        "ended_the_search": False,
    }


def test_a_resumed_trial_needs_the_time_of_its_rest():
    plan: BoundPlan = bound(search={"trials": 40})
    one = costly_of(plan, VALUES)
    found = (Measured(costly=one, step=0.1, evaluation=0.0, start=0.0, compiling=None),)
    keeper = Deadline(
        plan,
        TrialTimes([one], Measurement(found=found)),
        slots=2,
        ends_at=3.0,
        closing=0.0,
        begun={"c000-s0": 0.8},
        clock=Clock(),
    )
    assert keeper.may_begin(spec(0, resume_from="its checkpoint"))
    assert not keeper.may_begin(spec(1))
