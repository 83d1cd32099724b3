"""Questions in space files: what is refused, and what a plan with one means."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.space_files import RIGHT, WITHOUT_TRY_FIRST, changed, load, refusal_of

from search_spaces.parts.question import MOST_TRIALS, Question
from search_spaces.plan import Plan

ASKING = changed("search: {trials: 6, seeds: 2}\n", "question: {cliff: {}}\n", RIGHT)
RIGHT_QUESTION = changed(
    "early_stopping: {metric: token_accuracy, direction: max, grace_period: 100}\n", "", ASKING
)


def asking(question: str, text: str = RIGHT_QUESTION) -> str:
    return changed("question: {cliff: {}}", f"question: {question}", text)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (asking("cliff"), "question", "got 'cliff'; accepted: a map of keys to values"),
        (asking("{clif: {}}"), "question.clif", "did you mean cliff?"),
        (asking("{}"), "question", "state one of cliff, regimes, time_to_target and effects"),
        (asking("{cliff: {}, effects: {}}"), "question", "state one of cliff, regimes"),
        (asking("{cliff: {within: 10}}"), "question.cliff.within", "got 10; accepted: a number of at most 1"),
        (asking("{cliff: {at: 50}}"), "question.cliff.at", "got 50; accepted: a number of at most 0.9"),
        (asking("{cliff: {wthin: 0.1}}"), "question.cliff.wthin", "did you mean within?"),
        (
            changed("target: {exact_match: 0.99}\n", "", RIGHT_QUESTION),
            "question.cliff",
            "needs a target, which says what success is",
        ),
        (ASKING, "early_stopping", "leaves outcomes unknown, but question.cliff is about them"),
        (
            RIGHT_QUESTION + "search: {seeds: 3, trials: 9}\n",
            "search.seeds",
            "is chosen by question.cliff, trial by trial; leave it out",
        ),
        (RIGHT_QUESTION + "search: {sampler: random}\n", "search.sampler", "chooses configurations itself"),
    ],
)
def test_a_wrong_question_is_refused_at_its_key(tmp_path: Path, text: str, key: str, says: str):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    told = str(refusal_of(path))
    assert f"{key}: " in told
    assert says in told


def test_a_question_needs_a_space(tmp_path: Path):
    path = tmp_path / "space.yaml"
    before, after = WITHOUT_TRY_FIRST.index("space:"), WITHOUT_TRY_FIRST.index("constraints:")
    only = "only: [{d_model: 4}, {d_model: 8}]\nquestion: {cliff: {}}\nconstraints: {params: {max: 5000}}\n"
    path.write_text(WITHOUT_TRY_FIRST[:before] + only)
    assert after > before
    assert "question.cliff: needs a space, from which it takes configurations" in str(refusal_of(path))


def test_a_plan_with_a_question_says_how_many_trials_it_may_take(tmp_path: Path):
    path = tmp_path / "space.yaml"
    path.write_text(RIGHT_QUESTION)
    assert load(path).plan.trials == MOST_TRIALS
    assert load(path, trials=40).plan.trials == 40


def test_a_plan_with_a_question_is_written_and_read_as_it_is(tmp_path: Path):
    path = tmp_path / "space.yaml"
    path.write_text(asking("{cliff: {at: 0.8, within: 0.2}}"))
    plan = load(path).plan
    plan.write(path)
    again = load(path).plan
    assert isinstance(again, Plan)
    assert again.question == plan.question == Question.model_validate({"cliff": {"at": 0.8, "within": 0.2}})


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"cliff": {}}, "the size at which 50 % of the seeds learn, to ±10 %"),
        (
            {"regimes": {"by": "d_model"}},
            "both edges of the lr that works, at each d_model, to ±0.15 decades",
        ),
        ({"time_to_target": {}}, "the least cpu_seconds of a success at each params, to ±25 %"),
        (
            {"effects": {"of": "base"}},
            "what changes of base do to the success rate, to ±15 percentage points",
        ),
    ],
)
def test_every_question_can_be_said_in_words(question: dict[str, object], sentence: str):
    assert Question.model_validate(question).sentence == sentence
