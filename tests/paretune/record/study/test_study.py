"""A search as a study of Optuna's, read from its rows."""

from __future__ import annotations

import json
import random
from pathlib import Path

import optuna
import pytest
from helpers.plans import bound
from helpers.rows import PLAN, write_search
from optuna.trial import TrialState

from analysis.files.layout import DamagedError, TrialEnding
from paretune.plan.binding import BoundPlan, bind
from paretune.record.events import Row
from paretune.record.recorder import Recorder
from paretune.record.run_folder import RunFolder
from paretune.record.study.storage import LEARNED_ID, ReadOnlyError, RowsStorage
from paretune.sampling.outcomes import SeedOutcome
from paretune.sampling.proposals import Proposer
from paretune.sampling.queue import TrialQueue, TrialSpec
from search_spaces.plan import Plan

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

PUBLISHED = Path(__file__).parents[4] / "results" / "published"
MIXED = {
    "fixed": {"digits": 3, "steps": 1000},
    "space": {
        "d_model": {"type": "int", "low": 4, "high": 32, "step": 4},
        "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        "curriculum": {"type": "choice", "values": [[], [{"digits": [1, 2], "share": 1}]]},
        "schedule": {"type": "choice", "values": ["constant", "warmup_cosine"]},
        "warmup": {
            "type": "float",
            "low": 0.0,
            "high": 0.3,
            "step": 0.1,
            "when": {"schedule": "warmup_cosine"},
        },
    },
    "search": {"trials": 24, "seeds": 2},
}
TWO = [{"metric": "exact_match", "direction": "max"}, {"metric": "params", "direction": "min"}]


def study_of(folder: RunFolder, plan: BoundPlan) -> optuna.Study:
    return optuna.load_study(study_name=folder.name, storage=RowsStorage(folder, plan))


def states(study: optuna.Study) -> list[str]:
    return [trial.state.name for trial in study.get_trials()]


def outcome_of(rng: random.Random) -> SeedOutcome:
    ending = rng.choice(["solved", "finished", "stopped early", "diverged", "failed"])
    metrics = {} if ending == "diverged" else {"exact_match": rng.random(), "cpu_seconds": rng.random()}
    if ending == "solved":
        metrics["cpu_seconds_to_target"] = 0.5
    return SeedOutcome(ending=TrialEnding(ending), step=rng.randrange(100, 1000), metrics=metrics)


def rows_of(outcome: SeedOutcome) -> Row:
    return {"step": outcome.step, **outcome.metrics}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"objectives": TWO, "target": {"exact_match": 0.99}},
        {
            "objectives": [{"metric": "cpu_seconds_to_target", "direction": "min"}],
            "target": {"exact_match": 0.9},
        },
        {"early_stopping": {"metric": "exact_match", "direction": "max", "at": [0.25, 0.5]}},
    ],
    ids=["one", "target", "cost", "stopping"],
)
def test_the_study_holds_what_the_sampler_was_told(tmp_path: Path, changes: dict):
    """Trial by trial: parameters, ranges, values, state, constraint and what a pruned one came to."""
    plan = bound(**{**MIXED, **changes})
    folder = RunFolder.create(tmp_path, plan, "")
    recorder = Recorder(folder.store, 1)
    proposer, rng = Proposer(plan), random.Random(1)
    for _ in range(12):
        proposal = proposer.propose()
        assert proposal is not None
        outcomes = [outcome_of(rng) for _ in range(2)]
        for index, outcome in enumerate(outcomes):
            spec = TrialSpec(
                label=TrialSpec.label_of(proposal.number, index),
                configuration=proposal.number,
                seed_index=index,
                seed=index,
                values=proposal.values,
                params=plan.params(proposal.values),
            )
            recorder.announced(spec)
            recorder.ended(spec, outcome.ending, rows_of(outcome), None)
        proposer.tell(proposal.number, outcomes)
    told = [t for t in proposer._study.get_trials() if "reason" in t.user_attrs]
    shown = study_of(folder, plan).get_trials()
    assert len(told) == len(shown) == 12
    for theirs, ours in zip(told, shown, strict=True):
        assert (ours.params, ours.distributions) == (theirs.params, theirs.distributions)
        assert (ours.state, ours.values) == (theirs.state, theirs.values)
        assert ours.intermediate_values == theirs.intermediate_values
        assert list(ours.constraints.values()) == list(theirs.constraints.values())
        assert ours.user_attrs["reason"] == theirs.user_attrs["reason"]


def test_a_search_that_runs_is_interrupted_and_resumed(tmp_path: Path):
    plan = bound(objectives=TWO, target={"exact_match": 0.99}, search={"trials": 4, "seeds": 2})
    folder = RunFolder.create(tmp_path, plan, "")
    study = study_of(folder, plan)
    assert states(study) == []

    recorder, queue = Recorder(folder.store, 1), TrialQueue(plan)
    first, second, third = (queue.next() for _ in range(3))
    assert first is not None
    assert second is not None
    assert third is not None
    recorder.announced(first)
    assert states(study) == ["RUNNING"]
    recorder.started(first)
    recorder.ended(first, TrialEnding.SOLVED, {"step": 5, "exact_match": 1.0}, None)
    assert states(study) == ["RUNNING"], "its second seed is to come"
    recorder.announced(second)
    recorder.ended(second, TrialEnding.SOLVED, {"step": 5, "exact_match": 1.0}, None)
    assert states(study) == ["COMPLETE"]
    (trial,) = study.get_trials()
    assert trial.values == [first.params]
    assert trial.user_attrs["trials"] == "c000-s0, c000-s1"
    assert trial.user_attrs["endings"] == "2 solved"
    assert trial.user_attrs["exact_match"] == 1.0

    recorder.announced(third)
    recorder.started(third)
    with (folder.path / "trials.jsonl").open("a") as file:
        file.write('{"trial": "c001-s1", "conf')  # killed while it wrote
    assert states(study) == ["COMPLETE", "RUNNING"]
    folder.store.mend()
    again = Recorder(folder.store, 2)
    again.announced(third)
    again.ended(third, TrialEnding.INTERRUPTED, {}, None)
    assert states(study) == ["COMPLETE", "WAITING"]
    again.announced(third)
    assert states(study) == ["COMPLETE", "RUNNING"]
    again.ended(third, TrialEnding.FAILED, {}, "RuntimeError: no")
    again.announced(fourth := queue.next())
    again.ended(fourth, TrialEnding.FAILED, {}, "RuntimeError: no")
    assert states(study) == ["COMPLETE", "FAIL"]
    again.announced(fourth)
    assert states(study) == ["COMPLETE", "RUNNING"], "a resumed search tries a failed trial again"


def test_configurations_that_a_question_placed(tmp_path: Path):
    """With as many seeds as it wants, some for a choice and some for an estimate."""
    cliff = {"cliff": {"at": 0.5, "within": 0.1}}
    plan = bound(objectives=TWO, target={"exact_match": 0.99}, question=cliff)
    folder = RunFolder.create(tmp_path, plan, "")
    recorder, values = Recorder(folder.store, 1), {"digits": 3, "d_model": 8, "lr": 0.01}
    study = study_of(folder, plan)
    for index, role in enumerate(("selects", "estimates", "estimates")):
        label = TrialSpec.label_of(0, index)
        spec = TrialSpec(
            label=label, configuration=0, seed_index=index, seed=index, values=values, params=9, role=role
        )
        recorder.announced(spec)
        assert states(study) == ["RUNNING"]
        recorder.ended(spec, TrialEnding.SOLVED, {"step": 5, "exact_match": 1.0}, None)
        assert states(study) == ["COMPLETE"]
    assert study.trials[0].user_attrs["roles"] == "1 selects, 2 estimates"
    assert study.trials[0].user_attrs["endings"] == "3 solved"


def test_rows_that_take_the_place_of_others_are_read_anew(tmp_path: Path):
    write_search(tmp_path)
    folder, plan = RunFolder(tmp_path), bind(Plan.model_validate(PLAN))
    study = study_of(folder, plan)
    assert len(states(study)) == 6
    rows = tmp_path / "trials.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:4]))
    assert len(states(study)) == 1
    rows.unlink()
    assert states(study) == []


def test_every_ending_by_hand(tmp_path: Path):
    write_search(tmp_path)
    study = study_of(RunFolder(tmp_path), bind(Plan.model_validate(PLAN)))
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4, 5]
    assert study.trials[5].state == TrialState.WAITING
    assert study.best_trial.number == 0, "the smallest that reached the target, not the smallest"
    assert [trial.user_attrs["endings"] for trial in study.trials[:2]] == ["2 solved", "1 solved, 1 finished"]
    frame = study.trials_dataframe()
    assert frame["user_attrs_trials"][3] == "c003-s0, c003-s1"


@pytest.mark.parametrize("folder", sorted(PUBLISHED.glob("*/plan.json")), ids=lambda path: path.parent.name)
def test_published_searches_are_studies(folder: Path):
    search = RunFolder(folder.parent)
    study = study_of(search, bind(search.plan))
    numbers = {row["configuration"] for row in search.store.trials().values()}
    assert {trial.number for trial in study.trials} == numbers
    assert all(trial.state != TrialState.RUNNING for trial in study.trials)
    assert study.metric_names is not None
    assert len(study.metric_names) == len(study.directions)


def test_nothing_can_be_written(tmp_path: Path):
    write_search(tmp_path)
    study = study_of(RunFolder(tmp_path), bind(Plan.model_validate(PLAN)))
    for change in (
        lambda: study.ask(),
        lambda: study.set_user_attr("a", 1),
        lambda: study.add_trial(study.trials[0]),
        lambda: optuna.create_study(storage=study._storage),
        lambda: optuna.delete_study(study_name=study.study_name, storage=study._storage),
    ):
        with pytest.raises(ReadOnlyError, match="add_trials"):
            change()
    copy = optuna.create_study(directions=study.directions)
    copy.add_trials(trial for trial in study.trials if trial.state.is_finished())
    assert len(copy.trials) == 5


def test_a_damaged_row_is_named(tmp_path: Path):
    write_search(tmp_path)
    rows = tmp_path / "trials.jsonl"
    for broken in ("nonsense\n", json.dumps({"trial": "c000-s0"}) + "\n"):
        rows.write_text(broken + rows.read_text())
        with pytest.raises(DamagedError, match=r"trials\.jsonl:1: is not a row"):
            RowsStorage(RunFolder(tmp_path), bind(Plan.model_validate(PLAN)))


def test_a_search_that_learned_nothing_has_one_study(tmp_path: Path):
    write_search(tmp_path)
    storage = RowsStorage(RunFolder(tmp_path), bind(Plan.model_validate(PLAN)))
    assert [study.study_name for study in storage.get_all_studies()] == [tmp_path.name]
    with pytest.raises(KeyError):
        storage.get_all_trials(LEARNED_ID)
