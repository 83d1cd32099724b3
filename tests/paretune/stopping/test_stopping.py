"""Early stopping: ASHA as we use it, without starting Ray; Ray's own is the reference."""

from __future__ import annotations

import random
from types import SimpleNamespace

from helpers.plans import bound
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from paretune.plan.rungs import marks_of, rungs_of
from paretune.sampling.queue import TrialQueue
from paretune.stopping.making import entrant_of, stopper_of
from paretune.stopping.stopper import EarlyStopper, Entrant, Standing, Verdict
from search_spaces.parts.early_stopping import EarlyStopping

RULE = {
    "metric": "exact_match",
    "direction": "max",
    "grace_period": 100,
    "reduction_factor": 2,
    "reserve": 0,
}
RUNGS = [100, 200, 400, 800]


def stopper(**changes: object) -> EarlyStopper:
    return stopper_of(bound(early_stopping={**RULE, **changes}, fixed={"steps": 1000}))


def entrant(label: str, *, at: list[int] = RUNGS, params: int = 100, may_stop: bool = True) -> Entrant:
    return Entrant(label=label, params=params, report_at=at, may_stop=may_stop)


def report(
    asha: EarlyStopper,
    label: str,
    step: int,
    value: float,
    *,
    at: list[int] = RUNGS,
    params: int = 100,
    may_stop: bool = True,
    **more: object,
) -> str:
    asha.enter(entrant(label, at=at, params=params, may_stop=may_stop))
    return asha.reported(label, {"step": step, "exact_match": value, **more}).name


def restore(
    asha: EarlyStopper, label: str, rows: list[dict[str, float]], ending: str, *, at: list[int] = RUNGS
) -> None:
    asha.restore(entrant(label, at=at), rows, ending, Standing())


def values(asha: EarlyStopper) -> dict[float, dict[str, float]]:
    """What the one metric was, by rung and label."""
    return {mark: {label: worth for label, (worth,) in here.items()} for mark, here in asha.values.items()}


# Ray's own ASHA is the reference


def curves_of(rng: random.Random, budget: int) -> list[tuple[str, list[dict[str, float]]]]:
    """Random curves, which rise, fall, tie and lack values."""
    curves = []
    for number in range(rng.randint(2, 12)):
        steps = sorted(rng.sample(range(1, budget + 1), rng.randint(1, min(budget, 12))))
        rows = [
            {"step": step} if rng.random() < 0.1 else {"step": step, "loss": round(rng.random(), 1)}
            for step in steps
        ]
        curves.append((f"c{number:03d}-s0", rows))
    return curves


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    grace=st.integers(1, 30),
    factor=st.sampled_from([1.5, 2, 2.5, 3, 4]),
    count=st.integers(1, 5),
    direction=st.sampled_from(["min", "max"]),
)
def test_decisions_are_those_of_rays_asha(seed, grace, factor, count, direction):
    """Trial by trial and report by report, for trials that run side by side in a random order."""
    rng = random.Random(seed)
    marks = [grace * factor**power for power in range(count)]
    # A little more than the last rung: Ray counts its rungs by logarithms, which rounding can rob of one.
    theirs = AsyncHyperBandScheduler(
        time_attr="step",
        metric="loss",
        mode=direction,
        max_t=marks[-1] * 1.001,
        grace_period=grace,
        reduction_factor=factor,
        stop_last_trials=False,
    )
    rule = EarlyStopping(
        metric="loss", direction=direction, grace_period=grace, reduction_factor=factor, reserve=0
    )
    ours = EarlyStopper(rule, marks)
    left = dict(curves_of(rng, int(marks[-1] * 2)))
    for label in left:
        theirs.on_trial_add(None, SimpleNamespace(trial_id=label))
        ours.enter(entrant(label, at=marks))
    stopped = 0
    while left:
        label = rng.choice(list(left))
        row = left[label].pop(0)
        expected = theirs.on_trial_result(None, SimpleNamespace(trial_id=label), row)
        is_stopped = ours.reported(label, row) == Verdict.STOP
        assert is_stopped == (expected == theirs.STOP), (label, row)
        stopped += is_stopped
        if is_stopped or not left[label]:
            del left[label]


def test_the_reference_does_stop_trials():
    """Were no trial of the random ones stopped, the comparison would say nothing."""
    rng = random.Random(0)
    rule = EarlyStopping(metric="loss", direction="min", grace_period=5, reduction_factor=2, reserve=0)
    ours = EarlyStopper(rule, [5, 10])
    verdicts = set()
    for label, rows in curves_of(rng, 20):
        ours.enter(entrant(label, at=[5, 10]))
        verdicts |= {ours.reported(label, row) for row in rows}
    assert verdicts == {Verdict.STOP, Verdict.CONTINUE}


# The rungs


def test_weak_trials_end_at_a_rung_and_strong_ones_go_on():
    asha = stopper()
    assert report(asha, "a", 100, 0.5) == "CONTINUE"
    assert report(asha, "b", 100, 0.9) == "CONTINUE"
    assert report(asha, "c", 50, 0.1) == "CONTINUE", "not before the first rung"
    assert report(asha, "c", 100, 0.1) == "STOP"


def test_rungs_multiply_up_to_the_budget_and_trials_report_at_each():
    plan = bound(early_stopping=RULE, fixed={"steps": 1000})
    assert rungs_of(plan, plan.plan.fixed) == [100, 200, 400, 800]
    assert list(stopper_of(plan).values) == [100, 200, 400, 800]
    late = bound(early_stopping={**RULE, "max_steps": 300}, fixed={"steps": 1000})
    assert rungs_of(late, late.plan.fixed) == [100, 200]
    assert len(stopper_of(late).values) == 2


def test_trial_that_says_how_it_ends_is_not_stopped_over_it():
    asha = stopper()
    report(asha, "a", 100, 0.9)
    assert report(asha, "b", 100, 0.1, ending="finished") == "CONTINUE"


def test_missing_metric_is_no_reason_to_stop():
    asha = stopper()
    report(asha, "a", 100, 0.9)
    assert report(asha, "b", 100, None) == "CONTINUE"
    assert report(asha, "c", 100, float("nan")) == "CONTINUE"
    assert values(asha)[100] == {"a": 0.9}


def test_solved_trial_counts_at_every_later_rung():
    """Without that, later trials would be compared with the unsolved ones alone."""
    asha = stopper()
    report(asha, "winner", 100, 1.0)
    asha.ended("winner", {"step": 150, "exact_match": 1.0, "ending": "solved"})
    assert report(asha, "other", 100, 1.0) == "CONTINUE"
    assert report(asha, "other", 200, 0.6) == "STOP"


def test_unsolved_end_counts_only_where_it_was_reached():
    asha = stopper()
    report(asha, "a", 100, 1.0)
    asha.ended("a", {"step": 150, "exact_match": 1.0, "ending": "finished"})
    assert report(asha, "other", 100, 1.0) == "CONTINUE"
    assert report(asha, "other", 200, 0.6) == "CONTINUE"


def test_rungs_are_refilled_from_rows_of_an_earlier_session():
    before, after = stopper(), stopper()
    history = {
        "a": [(100, 0.9), (200, 0.95), (400, 0.97)],
        "b": [(100, 0.2)],
        "c": [(100, 0.8), (200, 0.85)],
    }
    for label, told in history.items():
        for step, value in told:
            report(before, label, step, value)
    for label, told in history.items():
        rows = [{"step": step, "exact_match": value, "val_loss": None} for step, value in told]
        restore(after, label, rows, {"a": "finished", "b": "stopped early", "c": None}[label])
    assert values(after) == values(before)


def test_resumed_trial_does_not_enter_its_old_rungs_again():
    asha = stopper()
    restore(asha, "a", [{"step": 100, "exact_match": 0.1}], None)
    report(asha, "a", 150, 0.9)
    assert values(asha)[100] == {"a": 0.1}


def test_trial_that_goes_on_after_its_target_is_compared_with_and_never_stopped():
    """Stopped early it would not be solved any more, though it was."""
    asha = stopper()
    report(asha, "other", 100, 1.0)
    assert report(asha, "solved", 100, 0.5, steps_to_target=50) == "CONTINUE"
    assert values(asha)[100] == {"other": 1.0, "solved": 0.5}
    assert report(asha, "late", 100, 0.5) == "STOP"


def test_baselines_are_the_only_trials_that_may_not_be_stopped():
    plan = bound(
        early_stopping=RULE,
        fixed={"steps": 1000},
        baselines={"narrow": {"d_model": 4}, "wide": {"d_model": 16}},
        try_first=[{"d_model": 8}],
        search={"trials": 8, "seeds": 2},
    )
    queue = TrialQueue(plan)
    specs = [queue.next() for _ in range(8)]
    told = [entrant_of(plan, spec).may_stop for spec in specs]
    assert [spec.configuration for spec in specs] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert told == [False] * 4 + [True] * 4


def test_a_baseline_below_the_cut_goes_on_and_is_compared_with():
    asha = stopper()
    report(asha, "strong", 100, 1.0)
    for step in RUNGS:
        assert report(asha, "baseline", step, 0.3, may_stop=False) == "CONTINUE"
    assert report(asha, "weak", 100, 0.2) == "STOP"
    assert str(asha) == "100: 3, 200: 1, 400: 1, 800: 1"


# Rungs at shares of each trial's own steps

HORIZONS = {"d_model": {"type": "int", "low": 4, "high": 32, "step": 4},
            "steps": {"type": "choice", "values": [1000, 40, 7, 1]}}  # fmt: skip
SHARES = {"metric": "exact_match", "direction": "max", "at": [0.07, 0.25, 0.5], "reduction_factor": 2}


def test_rungs_at_shares_lie_at_the_first_step_that_is_no_less():
    plan = bound(early_stopping=SHARES, space=HORIZONS, fixed={})
    expected = {1000: [70, 250, 500], 40: [3, 10, 20], 7: [1, 2, 4], 1: [1, 1, 1]}
    assert {steps: rungs_of(plan, {"steps": steps}) for steps in expected} == expected
    # 0.07 times 100 is a little more than 7 in floating point.
    assert rungs_of(plan, {"steps": 100})[0] == 7
    assert marks_of(plan) == [0.07, 0.25, 0.5]


def test_trials_with_different_horizons_are_compared_at_equal_shares():
    plan = bound(early_stopping=SHARES, space=HORIZONS, fixed={})
    long, short = (rungs_of(plan, {"steps": steps}) for steps in (1000, 40))
    asha = stopper_of(plan)
    assert report(asha, "short", 10, 0.6, at=short) == "CONTINUE"
    assert report(asha, "long", 240, 0.1, at=long) == "CONTINUE", "at steps, it would be judged by now"
    assert report(asha, "weak", 250, 0.5, at=long) == "STOP"
    assert report(asha, "weaker", 10, 0.4, at=short) == "STOP"
    assert report(asha, "long", 250, 0.7, at=long) == "CONTINUE"
    assert values(asha)[0.25] == {"short": 0.6, "weak": 0.5, "weaker": 0.4, "long": 0.7}


def test_rungs_at_shares_are_refilled_with_each_trials_own_steps():
    plan = bound(early_stopping=SHARES, space=HORIZONS, fixed={})
    asha = stopper_of(plan)
    for steps, value, ending in ((1000, 0.9, "stopped early"), (40, 0.8, "solved")):
        at = rungs_of(plan, {"steps": steps})
        restore(asha, str(steps), [{"step": at[1], "exact_match": value}], ending, at=at)
    assert values(asha)[0.25] == {"1000": 0.9, "40": 0.8}
    assert values(asha)[0.5] == {"40": 0.8}, "a solved trial counts at later rungs too"
