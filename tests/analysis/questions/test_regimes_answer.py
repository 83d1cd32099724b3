"""The answer to the question of the regimes, from the rows of a search."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from helpers.rows import dots
from truths import search_of

from analysis.files.layout import ESTIMATES, SELECTS
from analysis.questions.asked import asked
from analysis.questions.regimes import RegimesAnswer, regimes_answer, values_of
from analysis.rows import SearchRows
from search_spaces.dimensions import Choice, FloatRange, IntRange

SIZES = [4, 8, 16, 32]
RATES = np.geomspace(0.001, 0.1, 21)
BANDS = {8: (0.004, 0.03), 16: (0.0001, 0.012)}
"""Of 4 features nothing works, and 32 were not tried."""


def rows_of(trials: list[dict[str, Any]]) -> SearchRows:
    return search_of(
        trials,
        space={
            "d_model": {"type": "choice", "values": SIZES},
            "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        },
        search={"trials": 400},
        question={"regimes": {"rate": "lr", "by": "d_model", "within": 0.2}},
    )


def trial(
    number: int, seed: int, size: int, rate: float, ending: str, role: str = ESTIMATES
) -> dict[str, Any]:
    return {
        "configuration": number,
        "seed_index": seed,
        "params": 100 * size,
        "values": {"d_model": size, "lr": float(rate)},
        "ending": ending,
        "role": role,
    }


@pytest.fixture(scope="module")
def rows() -> SearchRows:
    trials = []
    for size in SIZES[:3]:
        low, high = BANDS.get(size, (1.0, 1.0))
        for rate in RATES:
            ending = "solved" if low < rate < high else "diverged" if rate > high else "finished"
            number = len(trials) // 2
            trials += [trial(number, seed, size, rate, ending) for seed in (0, 1)]
    number = len(trials) // 2
    trials += [
        trial(number, 0, 4, 0.02, "solved", role=SELECTS),
        trial(number, 1, 4, 0.02, "solved", role=SELECTS),
        trial(number + 1, 0, 8, 0.0011, "interrupted"),
    ]
    return rows_of(trials)


@pytest.fixture(scope="module")
def answer(rows: SearchRows) -> RegimesAnswer:
    found = asked(rows)
    assert found is not None
    assert isinstance(found.answer, RegimesAnswer)
    return found.answer


def test_both_edges_are_told_at_each_size(answer: RegimesAnswer):
    eight = answer.sizes[1]
    assert eight.trials == 42
    assert eight.works is True
    for edge, true in zip(eight.edges, BANDS[8], strict=True):
        assert edge.rate.low < true < edge.rate.high
        assert edge.rate.value == pytest.approx(true, rel=0.25)
        assert edge.is_sharp
    assert eight.is_sharp
    assert eight.trials_left == 0


def test_where_nothing_works_it_says_so(answer: RegimesAnswer):
    four = answer.sizes[0]
    assert four.works is False
    assert four.is_sharp
    assert answer.sentences[1] == "d_model 4: no rate worked (42 trials)."


def test_an_edge_beyond_the_space_has_a_bound(answer: RegimesAnswer):
    lower, upper = answer.sizes[2].edges
    assert not lower.rate.is_known
    assert lower.rate.low == -math.inf
    assert 0.0005 < lower.rate.high < 0.0015
    assert lower.is_sharp
    assert upper.rate.is_bounded
    told = answer.sentences[3]
    assert told.startswith("d_model 16: lr works up to 0.01")
    assert f"its lower edge is not within the space (at most {lower.rate.high:.3g}), 42 trials." in told


def test_a_size_that_was_never_tried_does_not_hold_the_answer_up(answer: RegimesAnswer):
    assert answer.sentences[4] == "d_model 32: not tried yet."
    assert answer.is_sharp, "it may have been excluded"
    assert answer.sentences[0].endswith(
        "; 4 of 4 edges of lr known to ±0.2 decades, no rate works at 1 of 4 values of d_model, 126 trials."
    )


def test_the_first_sentence_has_the_bands_of_all_sizes(answer: RegimesAnswer):
    lower, upper = (edge.rate.value for edge in answer.sizes[1].edges)
    assert answer.sentences[0].startswith(
        f"lr works nowhere at d_model 4, from {lower:.3g} to {upper:.3g} at 8, up to 0.01"
    )


def test_trials_that_chose_and_those_without_an_outcome_are_left_out(answer: RegimesAnswer):
    assert answer.trials == 126


def test_numbers_are_plain_and_tables_say_what_they_mean(rows: SearchRows, answer: RegimesAnswer):
    found = asked(rows)
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert plain["question"] == {"regimes": {"rate": "lr", "by": "d_model", "at": 0.5, "within": 0.2}}
    assert plain["sizes"][1]["lower"]["is_sharp"]
    assert "lower" not in plain["sizes"][0]
    edges, trials = answer.tables
    for table in (edges, trials):
        assert [column.name for column in table.columns] == list(table.frame.columns)
    assert edges.frame["d_model"].tolist() == ["4", "8", "16", "32"]
    assert edges.frame["lower"].isna().tolist() == [True, False, True, True]
    assert trials.frame["known"].sum() == 126


def test_the_picture_has_trials_and_edges(answer: RegimesAnswer):
    [picture] = answer.pictures
    assert len(dots(picture, "edge")) == 3, "two edges of 8 features, one of 16"
    assert len(dots(picture, "works")) + len(dots(picture, "not learned")) == 63


def test_few_trials_say_how_little_is_known():
    answer = regimes_of([trial(0, 0, 8, 0.01, "solved"), trial(1, 0, 8, 0.1, "diverged")])
    assert answer.sizes[1].works is None
    assert answer.trials_left is None
    assert "perhaps none works at all" in answer.sentences[2]
    assert answer.sentences[5] == "Not every edge is known to ±0.2 decades, as was asked."


def test_without_trials_nothing_is_said():
    answer = regimes_of([trial(0, 0, 8, 0.01, "failed")])
    assert answer.sentences == ["No trial has told yet which values of lr work."]
    assert answer.pictures == []
    assert not answer.is_sharp


def regimes_of(trials: list[dict[str, Any]]) -> RegimesAnswer:
    rows = rows_of(trials)
    assert rows.plan.question is not None
    assert rows.plan.question.regimes is not None
    return regimes_answer(rows, rows.plan.question.regimes)


def test_values_are_listed_in_order():
    assert values_of(Choice(values=["b", "a"])) == ["b", "a"]
    assert values_of(IntRange(low=4, high=12, step=4)) == [4, 8, 12]
    assert values_of(FloatRange(low=0.1, high=0.3, step=0.1)) == [0.1, 0.2, 0.3]
    assert values_of(FloatRange(low=0.1, high=0.3)) is None
