"""Early stopping: ASHA as we use it, without starting Ray."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from helpers.plans import bound

from paretune.plan.rungs import marks_of, rungs_of
from paretune.sampling.queue import TrialQueue
from paretune.tune.asha import RungScheduler, make_scheduler
from paretune.tune.run import assignment_of

RULE = {"metric": "exact_match", "direction": "max", "grace_period": 100, "reduction_factor": 2}


def scheduler(**changes: object) -> RungScheduler:
    plan = bound(early_stopping={**RULE, **changes}, fixed={"steps": 1000})
    return make_scheduler(plan)


RUNGS = [100, 200, 400, 800]


def trial(label: str, rungs: list[int] = RUNGS) -> SimpleNamespace:
    return SimpleNamespace(
        trial_id=f"ray-{label}", config={"label": label, "report_at": rungs, "may_stop_early": True}
    )


def report(
    asha: RungScheduler, label: str, step: int, value: float, *, at: list[int] = RUNGS, **more: object
) -> str:
    if label not in asha._trial_info:
        asha.on_trial_add(None, trial(label, at))
    return asha.on_trial_result(None, trial(label, at), {"step": step, "exact_match": value, **more})


def test_weak_trials_end_at_a_rung_and_strong_ones_go_on():
    asha = scheduler()
    assert report(asha, "a", 100, 0.5) == "CONTINUE"
    assert report(asha, "b", 100, 0.9) == "CONTINUE"
    assert report(asha, "c", 50, 0.1) == "CONTINUE", "not before the first rung"
    assert report(asha, "c", 100, 0.1) == "STOP"


def test_rungs_multiply_up_to_the_budget_and_trials_report_at_each():
    plan = bound(early_stopping=RULE, fixed={"steps": 1000})
    assert rungs_of(plan, plan.plan.fixed) == [100, 200, 400, 800]
    assert sorted(step for step, _ in make_scheduler(plan)._brackets[0]._rungs) == [100, 200, 400, 800]
    late = bound(early_stopping={**RULE, "max_steps": 300}, fixed={"steps": 1000})
    assert rungs_of(late, late.plan.fixed) == [100, 200]
    assert len(make_scheduler(late)._brackets[0]._rungs) == 2


def test_trial_that_says_how_it_ends_is_not_stopped_over_it():
    asha = scheduler()
    report(asha, "a", 100, 0.9)
    assert report(asha, "b", 100, 0.1, ending="finished") == "CONTINUE"


def test_missing_metric_is_no_reason_to_stop():
    asha = scheduler()
    report(asha, "a", 100, 0.9)
    asha.on_trial_add(None, trial("b"))
    assert asha.on_trial_result(None, trial("b"), {"step": 100}) == "CONTINUE"


def test_solved_trial_counts_at_every_later_rung():
    """Without that, later trials would be compared with the unsolved ones alone."""
    asha = scheduler()
    report(asha, "winner", 100, 1.0)
    asha.on_trial_complete(None, trial("winner"), {"step": 150, "exact_match": 1.0, "ending": "solved"})
    assert report(asha, "other", 100, 1.0) == "CONTINUE"
    assert report(asha, "other", 200, 0.6) == "STOP"


def test_unsolved_end_counts_only_where_it_was_reached():
    asha = scheduler()
    report(asha, "a", 100, 1.0)
    asha.on_trial_complete(None, trial("a"), {"step": 150, "exact_match": 1.0, "ending": "finished"})
    assert report(asha, "other", 100, 1.0) == "CONTINUE"
    assert report(asha, "other", 200, 0.6) == "CONTINUE"


def test_rungs_are_refilled_from_rows_of_an_earlier_session():
    before, after = scheduler(), scheduler()
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
    assert after._brackets[0]._rungs == before._brackets[0]._rungs


def test_resumed_trial_does_not_enter_its_old_rungs_again():
    asha = scheduler()
    asha.replay("a", RUNGS, [{"step": 100, "exact_match": 0.1}], "interrupted")
    report(asha, "a", 150, 0.9)
    rungs = dict(asha._brackets[0]._rungs)
    assert rungs[100] == {"a": 0.1}


def test_trial_that_goes_on_after_its_target_is_compared_with_and_never_stopped():
    """Stopped early it would not be solved any more, though it was."""
    asha = scheduler()
    report(asha, "other", 100, 1.0)
    assert report(asha, "solved", 100, 0.5, steps_to_target=50) == "CONTINUE"
    assert dict(asha._brackets[0]._rungs)[100] == {"other": 1.0, "solved": 0.5}
    assert report(asha, "late", 100, 0.5) == "STOP"


def test_baseline_is_compared_with_and_never_stopped():
    asha = scheduler()
    report(asha, "strong", 100, 1.0)
    baseline = trial("baseline")
    baseline.config["may_stop_early"] = False
    asha.on_trial_add(None, baseline)
    for step in (100, 200, 400, 800):
        assert asha.on_trial_result(None, baseline, {"step": step, "exact_match": 0.3}) == "CONTINUE"
    rungs = dict(asha._brackets[0]._rungs)
    assert rungs[100] == {"strong": 1.0, "baseline": 0.3}
    assert rungs[800] == {"baseline": 0.3}
    assert report(asha, "weak", 100, 0.2) == "STOP"


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
    told = [assignment_of(plan, spec, Path("results/x"))["may_stop_early"] for spec in specs]
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
    asha = make_scheduler(plan)
    assert report(asha, "short", 10, 0.6, at=short) == "CONTINUE"
    assert report(asha, "long", 240, 0.1, at=long) == "CONTINUE", "at steps, it would be judged by now"
    assert report(asha, "weak", 250, 0.5, at=long) == "STOP"
    assert report(asha, "weaker", 10, 0.4, at=short) == "STOP"
    assert report(asha, "long", 250, 0.7, at=long) == "CONTINUE"
    rungs = dict(asha._brackets[0]._rungs)
    assert rungs[0.25] == {"short": 0.6, "weak": 0.5, "weaker": 0.4, "long": 0.7}


def test_rungs_at_shares_are_refilled_with_each_trials_own_steps():
    plan = bound(early_stopping=SHARES, space=HORIZONS, fixed={})
    asha = make_scheduler(plan)
    for steps, value, ending in ((1000, 0.9, "stopped early"), (40, 0.8, "solved")):
        rungs = rungs_of(plan, {"steps": steps})
        asha.replay(str(steps), rungs, [{"step": rungs[1], "exact_match": value}], ending)
    rungs = dict(asha._brackets[0]._rungs)
    assert rungs[0.25] == {"1000": 0.9, "40": 0.8}
    assert rungs[0.5] == {"40": 0.8}, "a solved trial counts at later rungs too"
