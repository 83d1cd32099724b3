"""Forecasts of searches whose trials take known times, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from helpers.plans import bound

from paretune.errors import InputError
from paretune.timing.costs import costly_of
from paretune.timing.estimate import Clocked, estimate_of
from paretune.timing.forecast import Simulation, Slots
from paretune.timing.measuring import Measured, Measurement
from paretune.timing.outlook import Opened, opened, outlook_of
from paretune.timing.times import TrialTime, TrialTimes


def lasting(*seconds: float, compiles: str | None = None) -> list[TrialTime]:
    return [TrialTime(seconds=s, deviation=0.0, compiles=compiles, compiling=5.0) for s in seconds]


def simulated(
    times: list[TrialTime], *, seeds: int = 1, slots: int = 2, start_up: float = 10.0
) -> Simulation:
    where = Slots(count=slots, start_up=start_up)
    return Simulation(times, first=0, is_list=True, seeds=seeds, slots=where)


def test_a_search_lasts_its_start_and_its_trials_on_their_slots():
    seconds = simulated(lasting(10, 10, 10, 10)).seconds(4)
    assert seconds.low < seconds.value < seconds.high
    assert seconds.value == pytest.approx(30, rel=0.05)
    assert simulated(lasting(10), seeds=3).seconds(1).value == pytest.approx(30, rel=0.05)
    assert simulated(lasting(10, 10, 10, 10), slots=4).seconds(4).value == pytest.approx(20, rel=0.05)


def test_what_is_compiled_once_is_waited_for_by_all_seeds():
    alone = simulated(lasting(1, compiles="a"), seeds=2, start_up=0.0).seconds(1)
    assert alone.value == pytest.approx(6, rel=0.05)
    twice = simulated(lasting(1, 1, compiles="a"), seeds=2, start_up=0.0).seconds(2)
    assert twice.value == pytest.approx(7, rel=0.05)


def test_trials_count_with_all_seeds_of_their_configuration():
    search = simulated(lasting(*[10.0] * 20), seeds=2, slots=1)
    assert search.trials(20, 75).value == 6
    assert search.trials(2, 1000).value == 4
    assert search.trials(20, 12).high == 0


def clock(step: float = 0.001, *, changes: dict[str, Any] | None = None, slots: int = 2) -> Clocked:
    plan = bound(**{"target": {"exact_match": 0.99}, **(changes or {})})
    stands = [
        costly_of(plan, {"digits": 3, "d_model": width, "lr": 0.01, "engine": "torch"})
        for width in range(4, 33, 4)
    ]
    found = tuple(
        Measured(costly=one, step=step, evaluation=0.0, start=0.0, compiling=None) for one in stands[::3]
    )
    measurement = Measurement(found=found, at_a_time=2, ready=2.0, seconds=4.0)
    return Clocked(
        bound=plan,
        stands=tuple(stands),
        measurement=measurement,
        times=TrialTimes(stands, measurement),
        slots=Slots(count=slots, start_up=10.0),
    )


def test_an_estimate_says_how_long_and_on_what_it_rests():
    found = estimate_of(clock(changes={"search": {"trials": 40, "seeds": 2}}))
    # 40 trials of 2,000 steps of a millisecond, two at a time.
    assert found.seconds == pytest.approx(52, rel=0.1)
    told = dict(found.sentences)
    assert told["time"].startswith("at most about 5")
    assert "2 trials at a time" in told["time"]
    assert "end sooner" in told["time"]
    assert told["measured"] == "3 configurations in 4.0 s"
    whole = estimate_of(clock(changes={"stop_at_target": False}))
    assert dict(whole.sentences)["time"].startswith("about ")


def test_a_plan_that_fits_is_run_whole():
    outlook = outlook_of(clock(changes={"search": {"trials": 40, "seeds": 2}}), within=600, spent=5.0)
    assert outlook.is_whole
    assert "All 40 trials are expected to end within 10 min 00 s, after at most" in outlook.sentences[0]
    assert outlook.compared(40, 0, 55).endswith("40 ended in 55 s of 10 min 00 s.")


def test_of_a_plan_that_does_not_fit_as_many_configurations_as_do_are_expected():
    outlook = outlook_of(clock(changes={"search": {"trials": 400, "seeds": 4}}), within=120, spent=10.0)
    assert not outlook.is_whole
    assert outlook.trials % 4 == 0
    assert 60 < outlook.low < outlook.trials < outlook.high < 120
    told = " ".join(outlook.sentences)
    assert f"about {outlook.trials} of 400 trials" in told
    assert "4 seeds of each configuration" in told
    assert "the size at which half of the seeds learn" in told
    compared = outlook.compared(90, 2, 118)
    assert compared == (
        f"Forecast: at least {outlook.trials} trials in 2 min. 90 ended in 1 min 58 s of 2 min 00 s; "
        "2 still ran when the time was over."
    )


def test_a_time_in_which_nothing_ends_is_refused_with_one_in_which_something_does():
    with pytest.raises(InputError, match="not even one configuration with its 2 seeds") as refused:
        outlook_of(clock(step=1.0, changes={"search": {"trials": 40, "seeds": 2}}), within=600, spent=5.0)
    assert "give more time, or train fewer steps with --budget" in str(refused.value)


def test_what_the_file_leaves_open_is_decided_by_the_time():
    short, long = opened(clock(), 60.0), opened(clock(), 3600.0)
    assert short.seeds == 2
    assert long.seeds == 4
    assert short.trials is not None
    assert long.trials is not None
    assert short.trials % 2 == 0
    # They can end early, so twice as many as are expected are planned.
    assert 2 * 45 * 0.8 < short.trials < 2 * 60 * 1.2
    assert 20 * short.trials < long.trials
    assert opened(clock(step=0.01), 60.0).seeds == 1
    assert opened(clock(changes={"search": {"seeds": 2}}), 3600.0).seeds is None


def test_what_the_file_states_stays():
    assert opened(clock(changes={"search": {"trials": 40}}), 3600.0) == Opened()
    only = {"space": {}, "only": [{"d_model": 4}, {"d_model": 8}]}
    assert opened(clock(changes=only), 3600.0) == Opened()


def test_no_more_trials_are_planned_than_there_are_configurations():
    few = {"space": {"d_model": {"type": "int", "low": 4, "high": 32, "step": 4}}}
    found = opened(clock(changes=few), 3600.0)
    assert (found.trials, found.seeds) == (8 * 4, 4)


def test_without_a_target_there_is_no_edge_to_find():
    outlook = outlook_of(clock(changes={"target": None, "search": {"trials": 40}}), within=600, spent=5.0)
    assert outlook.chance is None
    assert len(outlook.sentences) == 1


def test_on_a_busy_machine_a_forecast_is_called_rough():
    busy = replace(clock(changes={"search": {"trials": 400, "seeds": 4}}), load=9.0)
    told = outlook_of(busy, within=120, spent=10.0).sentences
    assert told[1] == "This is rough: the machine is busy with other work, a load of 9 for each core."
    assert "this is rough, as the machine is busy" in dict(estimate_of(busy).sentences)["time"]
