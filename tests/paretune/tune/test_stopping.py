"""Early stopping: ASHA as we use it, without starting Ray; Ray's own is the reference."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

from helpers.plans import bound
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler

from paretune.plan.rungs import marks_of, rungs_of
from paretune.sampling.queue import TrialQueue
from paretune.sampling.stopping import Rungs, rungs_for
from paretune.tune.asha import RungScheduler
from paretune.tune.assignment import TrialAssignment, assignment_of
from search_spaces.parts.early_stopping import EarlyStopping

RULE = {"metric": "exact_match", "direction": "max", "grace_period": 100, "reduction_factor": 2}
RUNGS = [100, 200, 400, 800]


def rungs(**changes: object) -> Rungs:
    return rungs_for(bound(early_stopping={**RULE, **changes}, fixed={"steps": 1000}))


def report(asha: Rungs, label: str, step: int, value: float, *, at: list[int] = RUNGS, **more: object) -> str:
    return "STOP" if asha.reported(label, {"step": step, "exact_match": value, **more}, at) else "CONTINUE"


def trial(label: str, **changes: object) -> SimpleNamespace:
    """What Tune knows of a trial, as far as a scheduler may look at it."""
    assignment = TrialAssignment(
        **{
            "label": label,
            "task": "addition",
            "config": {},
            "target": None,
            "stop_at_target": True,
            "report_at": tuple(RUNGS),
            "may_stop_early": True,
            "cpu": 1.0,
            "gpu": 0.0,
            "resume_from": None,
            "prefixes": None,
            **changes,
        }
    )
    return SimpleNamespace(trial_id=f"ray-{label}", config=assignment.as_config())


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


@settings(deadline=None, max_examples=150)
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
    rule = EarlyStopping(metric="loss", direction=direction, grace_period=grace, reduction_factor=factor)
    ours = Rungs(rule, marks)
    left = dict(curves_of(rng, int(marks[-1] * 2)))
    for label in left:
        theirs.on_trial_add(None, SimpleNamespace(trial_id=label))
    stopped = 0
    while left:
        label = rng.choice(list(left))
        row = left[label].pop(0)
        expected = theirs.on_trial_result(None, SimpleNamespace(trial_id=label), row)
        is_stopped = ours.reported(label, row, marks)
        assert is_stopped == (expected == theirs.STOP), (label, row)
        stopped += is_stopped
        if is_stopped or not left[label]:
            del left[label]


def test_the_reference_does_stop_trials():
    """Were no trial of the random ones stopped, the comparison would say nothing."""
    rng = random.Random(0)
    ours = Rungs(EarlyStopping(metric="loss", direction="min", grace_period=5, reduction_factor=2), [5, 10])
    verdicts = [ours.reported(label, row, [5, 10]) for label, rows in curves_of(rng, 20) for row in rows]
    assert any(verdicts)
    assert not all(verdicts)


# The scheduler that Tune calls


def test_scheduler_stops_what_the_rungs_call_weak_and_no_baseline():
    asha = RungScheduler(rungs())
    strong, weak, baseline = trial("strong"), trial("weak"), trial("baseline", may_stop_early=False)
    for each in (strong, weak, baseline):
        asha.on_trial_add(None, each)
    assert asha.on_trial_result(None, strong, {"step": 100, "exact_match": 1.0}) == "CONTINUE"
    for step in RUNGS:
        assert asha.on_trial_result(None, baseline, {"step": step, "exact_match": 0.3}) == "CONTINUE"
    assert asha.on_trial_result(None, weak, {"step": 100, "exact_match": 0.2}) == "STOP"
    assert asha.debug_string() == "ASHA, trials by rung: 100: 3, 200: 1, 400: 1, 800: 1"


def test_scheduler_tells_the_rungs_of_solved_trials():
    book = rungs()
    asha = RungScheduler(book)
    asha.on_trial_complete(None, trial("a"), {"step": 50, "exact_match": 1.0, "ending": "solved"})
    assert book.values[800] == {"a": 1.0}
    assert asha.on_trial_result(None, trial("b"), {"step": 100, "exact_match": 0.9}) == "STOP"


# The rungs


def test_weak_trials_end_at_a_rung_and_strong_ones_go_on():
    asha = rungs()
    assert report(asha, "a", 100, 0.5) == "CONTINUE"
    assert report(asha, "b", 100, 0.9) == "CONTINUE"
    assert report(asha, "c", 50, 0.1) == "CONTINUE", "not before the first rung"
    assert report(asha, "c", 100, 0.1) == "STOP"


def test_rungs_multiply_up_to_the_budget_and_trials_report_at_each():
    plan = bound(early_stopping=RULE, fixed={"steps": 1000})
    assert rungs_of(plan, plan.plan.fixed) == [100, 200, 400, 800]
    assert list(rungs_for(plan).values) == [100, 200, 400, 800]
    late = bound(early_stopping={**RULE, "max_steps": 300}, fixed={"steps": 1000})
    assert rungs_of(late, late.plan.fixed) == [100, 200]
    assert len(rungs_for(late).values) == 2


def test_trial_that_says_how_it_ends_is_not_stopped_over_it():
    asha = rungs()
    report(asha, "a", 100, 0.9)
    assert report(asha, "b", 100, 0.1, ending="finished") == "CONTINUE"


def test_missing_metric_is_no_reason_to_stop():
    asha = rungs()
    report(asha, "a", 100, 0.9)
    assert not asha.reported("b", {"step": 100}, RUNGS)
    assert report(asha, "c", 100, float("nan")) == "CONTINUE"
    assert asha.values[100] == {"a": 0.9}


def test_solved_trial_counts_at_every_later_rung():
    """Without that, later trials would be compared with the unsolved ones alone."""
    asha = rungs()
    report(asha, "winner", 100, 1.0)
    asha.ended("winner", {"step": 150, "exact_match": 1.0, "ending": "solved"})
    assert report(asha, "other", 100, 1.0) == "CONTINUE"
    assert report(asha, "other", 200, 0.6) == "STOP"


def test_unsolved_end_counts_only_where_it_was_reached():
    asha = rungs()
    report(asha, "a", 100, 1.0)
    asha.ended("a", {"step": 150, "exact_match": 1.0, "ending": "finished"})
    assert report(asha, "other", 100, 1.0) == "CONTINUE"
    assert report(asha, "other", 200, 0.6) == "CONTINUE"


def test_rungs_are_refilled_from_rows_of_an_earlier_session():
    before, after = rungs(), rungs()
    history = {
        "a": [(100, 0.9), (200, 0.95), (400, 0.97)],
        "b": [(100, 0.2)],
        "c": [(100, 0.8), (200, 0.85)],
    }
    for label, values in history.items():
        for step, value in values:
            report(before, label, step, value)
    for label, values in history.items():
        rows = [{"step": step, "exact_match": value, "val_loss": None} for step, value in values]
        after.replay(label, RUNGS, rows, {"a": "finished", "b": "stopped early", "c": "interrupted"}[label])
    assert after.values == before.values


def test_resumed_trial_does_not_enter_its_old_rungs_again():
    asha = rungs()
    asha.replay("a", RUNGS, [{"step": 100, "exact_match": 0.1}], "interrupted")
    report(asha, "a", 150, 0.9)
    assert asha.values[100] == {"a": 0.1}


def test_trial_that_goes_on_after_its_target_is_compared_with_and_never_stopped():
    """Stopped early it would not be solved any more, though it was."""
    asha = rungs()
    report(asha, "other", 100, 1.0)
    assert report(asha, "solved", 100, 0.5, steps_to_target=50) == "CONTINUE"
    assert asha.values[100] == {"other": 1.0, "solved": 0.5}
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
    told = [assignment_of(plan, spec, Path("results/x")).may_stop_early for spec in specs]
    assert [spec.configuration for spec in specs] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert told == [False] * 4 + [True] * 4


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
    asha = rungs_for(plan)
    assert report(asha, "short", 10, 0.6, at=short) == "CONTINUE"
    assert report(asha, "long", 240, 0.1, at=long) == "CONTINUE", "at steps, it would be judged by now"
    assert report(asha, "weak", 250, 0.5, at=long) == "STOP"
    assert report(asha, "weaker", 10, 0.4, at=short) == "STOP"
    assert report(asha, "long", 250, 0.7, at=long) == "CONTINUE"
    assert asha.values[0.25] == {"short": 0.6, "weak": 0.5, "weaker": 0.4, "long": 0.7}


def test_rungs_at_shares_are_refilled_with_each_trials_own_steps():
    plan = bound(early_stopping=SHARES, space=HORIZONS, fixed={})
    asha = rungs_for(plan)
    for steps, value, ending in ((1000, 0.9, "stopped early"), (40, 0.8, "solved")):
        at = rungs_of(plan, {"steps": steps})
        asha.replay(str(steps), at, [{"step": at[1], "exact_match": value}], ending)
    assert asha.values[0.25] == {"1000": 0.9, "40": 0.8}
    assert asha.values[0.5] == {"40": 0.8}, "a solved trial counts at later rungs too"
