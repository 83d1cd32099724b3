"""What every way of placing trials keeps, whatever it is asked: with a question or without."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.plans import bound
from helpers.simulated import run_queue

from analysis.files.layout import ROLES, DamagedError, TrialEnding
from paretune.plan.binding import BoundPlan, canonical
from paretune.sampling.history import TrialSpec
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.queue import TrialQueue
from search_spaces.parts.search import MAX_SEEDS

TRIALS = 60
TARGET = {"exact_match": 0.99}
PARAMS = [{"metric": "exact_match", "direction": "max"}, {"metric": "params", "direction": "min"}]
WIDE = {
    "d_model": {"type": "int", "low": 4, "high": 24, "step": 2},
    "d_ff": {"type": "int", "low": 8, "high": 40, "step": 8},
    "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
}
RATES = {"d_model": {"type": "choice", "values": [8, 16]}, "lr": WIDE["lr"]}

PLANS: dict[str, dict[str, object]] = {
    "a sampler": {"space": WIDE, "search": {"trials": TRIALS, "seeds": 2}},
    "racing seeds": {
        "space": WIDE,
        "search": {"trials": TRIALS, "seeds": {"from": 2, "to": 8, "error": 0.1}},
    },
    "cliff": {
        "space": WIDE,
        "question": {"cliff": {"within": 0.3}},
        "search": {"trials": TRIALS},
    },
    "effects": {
        "space": {},
        "only": [{"d_model": 12, "lr": 0.01}, *({"d_model": d, "lr": 0.02} for d in (8, 12, 16, 20))],
        "baselines": {"base": {"d_model": 12, "lr": 0.01}},
        "question": {"effects": {"of": "base", "within": 0.4}},
        "search": {"trials": TRIALS},
    },
    "time to target": {
        "objectives": [*PARAMS, {"metric": "cpu_seconds_to_target", "direction": "min"}],
        "space": WIDE,
        "question": {"time_to_target": {}},
        "search": {"trials": TRIALS},
    },
    "regimes": {
        "space": RATES,
        "question": {"regimes": {"by": "d_model", "within": 0.3}},
        "search": {"trials": TRIALS},
    },
}

pytestmark = pytest.mark.parametrize("kind", PLANS)


def plan_of(kind: str, **changes: object) -> BoundPlan:
    return bound(**{"objectives": PARAMS, "target": TARGET, **PLANS[kind], **changes})


def outcome(spec: TrialSpec) -> SeedOutcome:
    """Return the outcome of a trial, always the same one of the same configuration and seed."""
    rng = np.random.default_rng([spec.params, spec.seed % MAX_SEEDS, len(str(spec.values))])
    rate = math.log10(float(spec.values["lr"]) / 0.01)  # type: ignore[arg-type]
    odds = 6 * math.log(spec.params / 1000) - 9 * rate**2 + 2
    is_solved = rng.random() < 1 / (1 + math.exp(-odds))
    metrics = {"exact_match": 1.0 if is_solved else 0.2, "cpu_seconds": 10.0, "cpu_seconds_to_target": 10.0}
    return SeedOutcome(
        ending=TrialEnding.SOLVED if is_solved else TrialEnding.FINISHED, step=10, metrics=metrics
    )


def labels(kind: str, at_a_time: int, trials: int = 1000) -> list[str]:
    done = run_queue(TrialQueue(plan_of(kind)), outcome, at_a_time, trials)
    return [trial.spec.label for trial in done if trial.outcome is not None]


def test_trials_are_different_complete_and_no_more_than_allowed(kind: str):
    plan = plan_of(kind, constraints={"params": {"max": 4000}})
    done = run_queue(TrialQueue(plan), outcome)
    assert 8 <= len(done) <= TRIALS
    assert len({trial.spec.label for trial in done}) == len(done)
    by_number: dict[int, str] = {}
    for trial in done:
        spec = trial.spec
        assert by_number.setdefault(spec.configuration, canonical(spec.values)) == canonical(spec.values)
        assert spec.seed == plan.plan.trial_seed(spec.seed_index)
        assert spec.params <= 4000
        assert spec.params == plan.params(spec.values)
        assert spec.role in ROLES
    assert len(set(by_number.values())) == len(by_number), "no configuration has two numbers"
    assert sorted(by_number) == list(range(len(by_number)))


def test_seeds_of_a_configuration_come_one_after_the_other(kind: str):
    seen: dict[int, int] = {}
    for trial in run_queue(TrialQueue(plan_of(kind)), outcome):
        assert trial.spec.seed_index == seen.get(trial.spec.configuration, 0)
        seen[trial.spec.configuration] = trial.spec.seed_index + 1


def test_the_same_seed_decides_the_same(kind: str):
    assert labels(kind, 2, trials=30) == labels(kind, 2, trials=30)


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_a_resumed_search_decides_as_an_uninterrupted_one(kind: str, at_a_time: int):
    whole = labels(kind, at_a_time)
    for cut in (1, 9, 25):
        begun = run_queue(TrialQueue(plan_of(kind)), outcome, at_a_time, trials=cut)
        rest = run_queue(TrialQueue(plan_of(kind), begun), outcome, at_a_time)
        told = [trial.spec.label for trial in begun if trial.outcome is not None]
        assert told + [trial.spec.label for trial in rest] == whole


def test_what_is_tried_first_comes_first(kind: str):
    if kind == "effects":
        pytest.skip("what is listed is all there is")
    first = {"d_model": 16, "lr": 0.02}
    spec = TrialQueue(plan_of(kind, baselines={"known": first})).next()
    assert spec is not None
    assert {name: spec.values[name] for name in first} == first


@pytest.mark.parametrize("ending", list(TrialEnding))
def test_every_ending_is_coped_with(kind: str, ending: TrialEnding):
    if ending == TrialEnding.INTERRUPTED:
        pytest.skip("what was interrupted is run again, and never told")
    done = run_queue(
        TrialQueue(plan_of(kind)),
        lambda spec: SeedOutcome(ending=ending, step=10, metrics={"exact_match": 0.1}),
        trials=TRIALS,
    )
    assert len(done) <= TRIALS


def test_a_search_that_is_over_has_nothing_left_when_it_is_resumed(kind: str):
    queue = TrialQueue(plan_of(kind))
    done = run_queue(queue, outcome)
    assert queue.exhausted
    again = TrialQueue(plan_of(kind), done)
    assert again.exhausted
    assert again.next() is None


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_a_configuration_whose_rows_are_lost_is_no_riddle(kind: str, at_a_time: int):
    """Its number goes to nobody else, what is known keeps its numbers and seeds, and the search ends."""
    begun = run_queue(TrialQueue(plan_of(kind)), outcome, at_a_time, trials=12)
    numbers = sorted({trial.spec.configuration for trial in begun})
    lost = numbers[1]
    assert lost < numbers[-1]
    left = [trial for trial in begun if trial.spec.configuration != lost]
    known = {trial.spec.label: trial.spec for trial in left}
    queue = TrialQueue(plan_of(kind), left)
    rest = run_queue(queue, outcome, at_a_time)
    assert queue.exhausted
    done = known | {trial.spec.label: trial.spec for trial in rest}
    assert len(done) <= TRIALS
    by_number: dict[int, str] = {}
    for spec in done.values():
        assert by_number.setdefault(spec.configuration, canonical(spec.values)) == canonical(spec.values)
    assert len(set(by_number.values())) == len(by_number), "no configuration has two numbers"
    # What its trials told is told by others where the question places them by what is known.
    given_up = {lost} if kind in ("cliff", "regimes") else set()
    assert set(range(len(by_number) + len(given_up))) - by_number.keys() == given_up
    if kind == "effects":
        before = next(trial.spec.values for trial in begun if trial.spec.configuration == lost)
        assert by_number[lost] == canonical(before)


def test_a_trial_whose_rows_are_lost_runs_again_with_its_own_seed(kind: str):
    begun = run_queue(TrialQueue(plan_of(kind)), outcome, trials=20)
    several = [trial.spec for trial in begun if trial.spec.seed_index > 0]
    gone = next(
        t.spec for t in begun if (t.spec.configuration, t.spec.seed_index) == (several[0].configuration, 0)
    )
    queue = TrialQueue(plan_of(kind), [trial for trial in begun if trial.spec != gone])
    again = queue.next()
    assert again is not None
    assert (again.label, again.seed, again.values) == (gone.label, gone.seed, gone.values)
    queue.ended(again.label, outcome(again))
    rest = run_queue(queue, outcome)
    assert queue.exhausted
    assert gone.label not in {trial.spec.label for trial in rest}


def test_too_few_rows_of_too_many_trials_are_refused(kind: str):
    begun = run_queue(TrialQueue(plan_of(kind)), outcome, trials=2)
    far = replace(begun[0], spec=replace(begun[0].spec, configuration=10**8, label="c100000000-s0"))
    with pytest.raises(DamagedError, match=r"those of at least 99,999,99\d are missing; restore it"):
        TrialQueue(plan_of(kind), [*begun, far])
