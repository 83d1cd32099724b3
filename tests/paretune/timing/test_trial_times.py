"""What trials take, learned from few measurements of costs that are known here."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from helpers.plans import bound

from paretune.timing.costs import Costly, configurations_there, costly_of, spread, stand_ins, varied_traits
from paretune.timing.measuring import Measured, Measurement
from paretune.timing.regression import Regression
from paretune.timing.times import TrialTimes


def costly(
    params: int, batch: int = 128, *, steps: float = 1000, compiles: str | None = None, **traits: Any
) -> Costly:
    return Costly(
        key=f"{params} {batch} {traits}",
        config={"steps": int(steps)},
        params=params,
        batch=batch,
        traits={"batch": batch, **traits},
        steps=steps,
        evaluations=10,
        compiles=compiles,
    )


def regression_of(truth: Any, seen: list[Costly]) -> Regression:
    found = Regression(varied_traits(seen))
    for one in seen:
        found.add(one, truth(one))
    return found


def within(found: Regression, truth: Any, asked: list[Costly], share: float) -> bool:
    predicted, _ = found.predict(asked)
    return all(
        abs(math.log(p / truth(one))) < math.log(1 + share) for p, one in zip(predicted, asked, strict=True)
    )


def test_one_measurement_is_scaled_as_usual():
    found = regression_of(lambda one: 0.001, [costly(1000)])
    (same, larger, longer), deviations = found.predict([costly(1000), costly(4000), costly(1000, 512)])
    assert same == pytest.approx(0.001, rel=0.01)
    assert larger == pytest.approx(0.001 * 4**0.6, rel=0.05)
    assert longer == pytest.approx(0.001 * 4**0.8, rel=0.05)
    # The farther from what was measured, the less is known.
    assert deviations[0] < deviations[1]


@pytest.mark.parametrize("exponent", [0.1, 0.5, 1.0])
def test_three_sizes_show_how_time_grows(exponent: float):
    def truth(one: Costly) -> float:
        return 1e-6 * one.params**exponent * one.batch

    found = regression_of(truth, [costly(size) for size in (300, 1500, 8000)])
    assert within(found, truth, [costly(size) for size in (200, 700, 4000, 16000)], 0.15)


def test_an_engine_that_is_slower_is_told_apart():
    def truth(one: Costly) -> float:
        return 1e-6 * one.params**0.8 * (6 if one.traits["engine"] == "torch" else 1)

    seen = [costly(size, engine=engine) for size in (500, 5000) for engine in ("torch", "native")]
    found = regression_of(truth, seen)
    assert within(found, truth, [costly(1500, engine="torch"), costly(1500, engine="native")], 0.35)


def test_the_error_is_that_of_configurations_left_out():
    rng = random.Random(0)
    sizes = [300, 600, 1200, 2400, 4800, 9600]
    exact = regression_of(lambda one: 1e-6 * one.params**0.6, [costly(size) for size in sizes])
    noisy = regression_of(
        lambda one: 1e-6 * one.params**0.6 * math.exp(rng.gauss(0, 0.3)), [costly(size) for size in sizes]
    )
    assert exact.left_out() < 0.02
    assert 0.15 < noisy.left_out() < 0.6
    assert regression_of(lambda one: 1.0, [costly(1), costly(2), costly(3)]).left_out() is None


def measured(one: Costly, step: float, compiling: float | None = None) -> Measured:
    return Measured(costly=one, step=step, evaluation=0.02, start=0.5, compiling=compiling)


def test_a_trial_is_its_start_its_steps_and_its_evaluations():
    one = costly(1000, steps=1000)
    times = TrialTimes([one], Measurement(found=(measured(one, 0.01),)))
    (time,) = times.of([one])
    assert time.seconds == pytest.approx(0.5 + 0.1 + 10 + 10 * 0.02, rel=0.01)
    assert time.compiles is None


def test_compiling_is_told_beside_it_and_learned():
    one = costly(1000, compiles="kernel")
    times = TrialTimes([one], Measurement(found=(measured(one, 0.01, compiling=4.0),)))
    (time,) = times.of([one])
    assert (time.compiles, time.compiling) == ("kernel", 4.0)
    times.waited(8.0)
    assert times.compiling == 6.0


def test_trials_that_ended_correct_what_was_measured():
    one = costly(1000, steps=1000)
    times = TrialTimes([one], Measurement(found=(measured(one, 0.01),)))
    for number in range(10):
        times.observed(f"c{number}", one, step=0.02, beside=3.0)
    (time,) = times.of([one])
    assert 18 < time.seconds < 24


def test_without_measurements_the_first_trials_tell():
    times = TrialTimes([costly(1000)])
    assert not times.is_known
    times.observed("c0", costly(1000, steps=1000), step=0.01)
    assert times.is_known
    (time,) = times.of([costly(1000, steps=1000)])
    assert time.seconds == pytest.approx(10, rel=0.1)


def test_a_configuration_s_time_depends_on_what_it_computes_and_not_on_its_rates():
    plan = bound()
    some = {"digits": 3, "d_model": 8, "lr": 0.01}
    one, other = costly_of(plan, some), costly_of(plan, {**some, "lr": 0.02, "steps": 100})
    wide = costly_of(plan, {**some, "d_model": 16})
    assert one.key == other.key != wide.key
    assert (one.steps, other.steps) == (2000, 100)
    assert wide.params > one.params
    second = {"second_pass": {"share": 0.5, "lr": 0.001, "batch": 512}}
    assert costly_of(plan, {**some, **second}).steps == 1000 + 1000 * 2
    assert costly_of(plan, {**some, "eval_every": 500}).evaluations == 4


def test_rungs_are_evaluations_too():
    rule = {"metric": "exact_match", "direction": "max", "grace_period": 150}
    assert costly_of(bound(early_stopping=rule), {"digits": 3, "d_model": 8, "lr": 0.01}).evaluations > 20


def test_what_stands_for_a_space_begins_with_what_is_tried_first_and_keeps_to_limits():
    plan = bound(try_first=[{"d_model": 32}], constraints={"params": {"min": 500}})
    stands = stand_ins(plan, 50)
    assert len(stands) == 50
    assert stands[0].config["d_model"] == 32
    assert min(one.params for one in stands) >= 500
    listed = bound(space={}, only=[{"d_model": 8}, {"d_model": 16}])
    assert [one.config["d_model"] for one in stand_ins(listed)] == [8, 16]


def test_what_is_measured_is_spread_over_sizes():
    chosen = spread([costly(size) for size in range(100, 3000, 10)], 3)
    sizes = [one.params for one in chosen]
    assert 1000 < sizes[0] < 2000
    assert sizes[1:] == [2990, 100]


def test_one_of_those_to_compile_is_measured_if_others_are_at_hand():
    stands = [costly(size, compiles=None if size < 500 else str(size)) for size in range(100, 1000, 100)]
    assert [one.compiles is not None for one in spread(stands, 3)] == [False, True, False, False]
    assert len(spread([costly(size, compiles=str(size)) for size in (100, 200, 300)], 2)) == 2


def test_a_small_space_is_counted_and_a_continuous_one_is_not():
    assert configurations_there(bound()) is None
    discrete = {"d_model": {"type": "int", "low": 4, "high": 32, "step": 4}}
    assert configurations_there(bound(space=discrete)) == 8
    assert configurations_there(bound(space=discrete, constraints={"params": {"min": 5000}})) < 8
