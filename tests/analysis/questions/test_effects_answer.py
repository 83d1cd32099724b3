"""The answer to the question of effects: counts, differences, sentences; and how it is stated in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import truths

import paretune
from analysis.questions.asked import asked
from analysis.rows import SearchRows
from search_spaces.plan import Plan

ONLY = [
    {"d_model": 8},
    {"d_model": 8, "norm": "rmsnorm"},
    {"d_model": 8, "n_layers": 2, "norm": "none"},
]
PLAN: dict[str, Any] = {
    "space": {},
    "only": ONLY,
    "baselines": {"as it is": {"d_model": 8}},
    "question": {"effects": {"of": "as it is", "within": 0.4}},
    "search": {},
}


def rows_of(counts: list[tuple[int, int]], **changes: Any) -> SearchRows:
    """Return a search: of each configuration, how many of how many seeds solved."""
    trials = [
        {
            "configuration": number,
            "seed_index": seed,
            "params": 100,
            "values": {"digits": 3, **ONLY[number]},
            "ending": "solved" if seed < solved else "finished",
            "exact_match": float(seed < solved),
        }
        for number, (solved, seeds) in enumerate(counts)
        for seed in range(seeds)
    ]
    rows = truths.search_of(trials, **{**PLAN, **changes})
    rows.__dict__["defaults"] = {"norm": "layernorm", "n_layers": 1}
    return rows


def test_each_change_is_a_sentence_with_its_interval_and_both_numbers_of_seeds() -> None:
    found = asked(rows_of([(15, 16), (4, 9), (0, 12)]))
    assert found is not None
    assert found.sentences == [
        "as it is: 15 of 16 seeds solved; of 2 changes, 2 are known to ±0.4, as differences of rates; "
        "n_layers 2 instead of 1 and norm none instead of layernorm: -0.94 (-0.99 to -0.61), 12 seeds "
        "against 16; norm rmsnorm instead of layernorm: -0.49 (-0.75 to -0.13), 9 seeds against 16."
    ]
    assert found.is_sharp
    (table,) = found.tables
    assert table.frame["known"].tolist() == [9, 12]
    assert len(found.pictures) == 1
    assert json.loads(json.dumps(found.as_json()))["effects"][0]["known"] == 9


@pytest.mark.parametrize("counts", [[(0, 0)], [(1, 2)], [(2, 4), (1, 3)], [(0, 4), (0, 4), (4, 4)]])
def test_whatever_is_there_is_told(counts: list[tuple[int, int]]) -> None:
    if counts == [(0, 0)]:
        return
    found = asked(rows_of(counts))
    assert found is not None
    assert not found.is_sharp
    assert all(sentence.endswith(".") for sentence in found.sentences)
    json.dumps(found.as_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": {}}, "question.effects.of: got 'as it is', not a baseline; name one under baselines"),
        ({"baselines": {"as it was": {"d_model": 8}}}, "did you mean as it was?"),
        (
            {"baselines": {"as it is": {"d_model": 9}}},
            "baselines.as it is: is none of the configurations under",
        ),
        ({"search": {"seeds": 3}}, "search.seeds: is chosen by question.effects"),
        (
            {"only": [], "space": {"d_model": {"type": "int", "low": 4, "high": 8}}},
            "question.effects: compares",
        ),
        ({"only": ONLY[:1]}, "only: lists no change of the baseline"),
        ({"target": None}, "question.effects: needs a target"),
    ],
)
def test_what_cannot_be_compared_is_said(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    plan = {**rows_of([(1, 1)]).plan.stated(), "name": "effects", **changes}
    (tmp_path / "space.yaml").write_text(json.dumps({key: value for key, value in plan.items() if value}))
    with pytest.raises(paretune.Error) as caught:
        paretune.check(tmp_path / "space.yaml")
    assert message in str(caught.value)


def test_a_file_with_a_named_configuration_is_written_and_read_again() -> None:
    plan = rows_of([(1, 1)]).plan
    assert plan.named_only == {"as it is": 0}
    assert plan.tried_first == {}
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
