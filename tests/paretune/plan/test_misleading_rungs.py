"""Early stopping that is valid and misleads: what check and search say of it before anything is trained."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import run_cli
from helpers.plans import bound
from helpers.training import ScriptedTask

from analysis.outcomes import with_outcomes
from analysis.rows import SearchRows
from paretune.plan.binding import BoundPlan
from paretune.plan.checks.misleading import warnings_of
from paretune.plan.summary import summarise
from paretune.stopping.stopper import EarlyStopper, Entrant, Verdict
from search_spaces.parts.early_stopping import EarlyStopping
from search_spaces.plan import Plan
from trainables.config import TrainingConfig

PUBLISHED = Path(__file__).parents[3] / "results" / "published" / "gpt_acc_jax_sweep"

CURRICULUM = [
    {"digits": [1, 3], "share": 2000},
    {"digits": [1, 6], "share": 5000},
    {"digits": [1, 10], "share": 20000},
]
FIXED: dict[str, Any] = {"digits": 10, "steps": 27_000, "curriculum": CURRICULUM}
MANY = {"trials": 300}


def warned(rule: dict[str, Any], **changes: Any) -> list[str]:
    """Return what is said of a rule in a plan with the published curriculum and 300 trials."""
    directed = {"train_loss": "min", "val_loss": "min", "token_accuracy": "max"}
    metric = rule.get("metric", "train_loss")
    given = rule if "metrics" in rule else {"metric": metric, "direction": directed[metric], **rule}
    return warnings_of(bound(**{"fixed": FIXED, "search": MANY, "early_stopping": given, **changes}))


# Rungs before the last phase


def test_a_rung_before_the_last_phase_is_named_with_its_step_and_the_phases() -> None:
    (said,) = warned({"at": [0.1, 0.3]})
    assert "a rung at 10 % (step 2,700) lies before the last phase" in said
    assert "begins after step 7,000: it compares" in said
    (said,) = warned({"grace_period": 5000})
    assert "a rung at step 5,000 lies before" in said
    (said,) = warned({"at": [0.05, 0.1, 0.2, 0.5]})
    assert "rungs at 5 % (step 1,350), 10 % (step 2,700) and 20 % (step 5,400) lie before" in said


def test_a_rung_in_the_last_phase_is_not_warned_of() -> None:
    assert warned({"at": [0.3]}) == []
    assert warned({"metric": "val_loss", "grace_period": 7001}) == []
    # At its last step the phase before has been trained, and nothing of the last.
    assert len(warned({"grace_period": 7000})) == 1
    assert warned({"at": [0.1]}, fixed={"digits": 10, "steps": 27_000}) == []


def test_no_early_stopping_nothing_to_say() -> None:
    assert warnings_of(bound(fixed=FIXED)) == []


def test_phases_of_some_configurations_only_are_told_with_their_share() -> None:
    space = {
        "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        "curriculum": {"type": "choice", "values": [[], CURRICULUM]},
    }
    (said,) = warned({"at": [0.1]}, fixed={"digits": 10, "steps": 27_000}, space=space)
    share = int(said.partition("in ")[2].partition(" %")[0])
    assert 30 <= share <= 70, said


def test_steps_of_phases_follow_the_budgets() -> None:
    space = {"steps": {"type": "choice", "values": [2700, 27_000]}}
    (said,) = warned({"at": [0.1]}, fixed={"digits": 10, "curriculum": CURRICULUM}, space=space)
    assert "(step 2,700)" in said, "the longest stands for all"
    (said,) = warned({"grace_period": 2000}, fixed={"digits": 10, "curriculum": CURRICULUM}, space=space)
    share = int(said.partition("in ")[2].partition(" %")[0])
    assert 30 <= share <= 70, "the short ones have come to their last phase by then"


def test_any_task_can_state_that_its_data_change() -> None:
    """Nothing goes by a task's name."""

    class Changing(TrainingConfig):
        @property
        def data_changes_at(self) -> Sequence[int]:
            return [301, 601]

    class Task(ScriptedTask):
        config_class = Changing

    def said(step: int) -> list[str]:
        rule = {"metric": "score", "direction": "max", "grace_period": step, "max_steps": step}
        plan = {
            "name": "own",
            "task": "scripted",
            "objectives": [{"metric": "score", "direction": "max"}],
            "fixed": {"steps": 1000},
            "space": {"lr": {"type": "float", "low": 0.1, "high": 0.2}},
            "search": {"trials": 100},
            "early_stopping": rule,
        }
        return warnings_of(BoundPlan(Plan.model_validate(plan), Task()))

    (early,) = said(500)
    assert "step 500 lies before the last phase of the curriculum, which begins after step 600" in early
    assert said(601) == []


# Metrics that mislead there


def test_a_loss_of_validation_before_the_last_phase_is_warned_of_by_name() -> None:
    said = warned({"metric": "val_loss", "at": [0.1, 0.3]})
    assert len(said) == 2
    assert "val_loss misleads before the last phase" in said[1]
    assert "Compare train_loss" in said[1]
    several = [
        {"metric": "token_accuracy", "direction": "max"},
        {"metric": "val_loss", "direction": "min"},
        {"metric": "train_loss", "direction": "min"},
    ]
    assert "val_loss misleads" in warned({"metrics": several, "at": [0.1]})[1]


@pytest.mark.parametrize("metric", ["train_loss", "token_accuracy"])
def test_what_does_not_turn_around_before_the_last_phase_is_not(metric: str) -> None:
    assert len(warned({"metric": metric, "at": [0.1]})) == 1


@pytest.mark.parametrize(("metric", "least", "most"), [("val_loss", 35, 37), ("train_loss", 1, 3)])
def test_the_winners_that_the_warning_tells_of_are_those_of_the_published_sweep(
    metric: str, least: float, most: float
) -> None:
    """One rung at the end of the phase of six digits, factor 2, in 20 orders of the trials."""
    rows = SearchRows(PUBLISHED)
    outcomes = with_outcomes(rows).set_index("trial")["outcome"]
    reports = rows.reports.sort_values("step")
    at_rung = dict(reports[reports["step"] <= 7000].groupby("trial")[metric].last().items())
    rule = EarlyStopping(
        metric=metric, direction="min", grace_period=7000, max_steps=7000, reduction_factor=2
    )
    lost = []
    for seed in range(20):
        stopper = EarlyStopper(rule.model_copy(update={"reserve": 0.0}), [7000])
        trials = list(at_rung)
        random.Random(seed).shuffle(trials)
        ended = []
        for trial in trials:
            stopper.enter(Entrant(label=trial, params=700, report_at=[7000]))
            row = {"step": 7000, metric: at_rung[trial]}
            if stopper.reported(trial, row) is Verdict.STOP:
                ended.append(trial)
        lost.append(sum(outcomes[trial] == "solved" for trial in ended))
    assert (outcomes == "solved").sum() == 40
    assert least <= np.mean(lost) <= most


# What the reserve tells


def test_no_reserve_is_warned_of() -> None:
    (said,) = warned({"at": [0.5], "reserve": 0})
    assert "nothing will tell how many winners it costs" in said


def test_a_reserve_for_too_few_trials_is_warned_of_with_what_would_do() -> None:
    (said,) = warned({"at": [0.5], "reduction_factor": 2}, search={"trials": 20})
    assert "about 1.0 of 20 trials" in said
    assert "reserve 0.3, or 60 trials, would let 3 do so" in said
    assert warned({"at": [0.5], "reduction_factor": 2, "reserve": 0.3}, search={"trials": 20}) == []
    assert warned({"at": [0.5], "reduction_factor": 2}, search={"trials": 60}) == []
    # With two rungs more trials come below a cut.
    (said,) = warned({"at": [0.3, 0.5], "reduction_factor": 2}, search={"trials": 20})
    assert "about 1.5 of 20 trials" in said


def test_baselines_are_never_below_the_cut() -> None:
    names = {f"number {number}": {"d_model": 4 * number, "lr": 0.01} for number in range(1, 8)}
    (said,) = warned({"at": [0.5], "reduction_factor": 2}, search={"trials": 47}, baselines=names)
    assert "about 2.0 of 47 trials" in said
    assert "or 67 trials" in said
    assert warned({"at": [0.5], "reduction_factor": 2}, search={"trials": 67}, baselines=names) == []


def test_a_reserve_of_half_the_trials_is_not_recommended() -> None:
    (said,) = warned({"at": [0.5], "reduction_factor": 2}, search={"trials": 4})
    assert "60 trials would let 3 do so" in said
    assert "reserve 0.1, about" in said
    assert "or 60 trials" not in said


# Where it is said

SPACE = """
name: misleading
task: gpt2
objectives: [{metric: bits_per_byte, direction: min}]
fixed: {data: not/here, d_model: 16, n_heads: 2, n_layers: 1, d_ff: 32, context: 16, batch: 2, steps: 30}
space: {lr: {type: float, low: 0.001, high: 0.01}}
early_stopping: {metric: bits_per_byte, direction: min, at: [0.5], reserve: 0}
search: {trials: 4, concurrency: 1}
"""


def test_check_warns_and_the_file_is_valid(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    done = run_cli("check", "space.yaml", cwd=tmp_path)
    assert done.code == 0
    assert done.out.count("nothing will tell how many winners it costs") == 1
    told = json.loads(run_cli("check", "space.yaml", "--json", cwd=tmp_path).out)
    assert told["valid"] is True
    assert [words.partition(":")[0] for words in told["warnings"]] == ["early stopping"]


def test_search_warns_before_anything_else_happens(tmp_path: Path) -> None:
    """Its data are not here, so it ends before Ray would start."""
    (tmp_path / "space.yaml").write_text(SPACE)
    done = run_cli("search", "space.yaml", cwd=tmp_path)
    assert done.code == 2
    assert "Starting Ray" not in done.out + done.err
    assert (done.out + done.err).count("nothing will tell how many winners it costs") == 1


def test_the_summary_has_the_warnings() -> None:
    rule = {"metric": "val_loss", "direction": "min", "at": [0.1]}
    plan = bound(fixed=FIXED, search=MANY, early_stopping=rule)
    assert summarise(plan).warnings == warnings_of(plan)
    assert len(warnings_of(plan)) == 2
