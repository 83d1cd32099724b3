"""What the question of the regimes asks of a space, and what is said of one that cannot have it."""

from __future__ import annotations

import pytest
from helpers.plans import bound
from pydantic import ValidationError

LR = {"type": "float", "low": 0.001, "high": 0.1, "log": True}
WIDTH = {"type": "choice", "values": [8, 16]}


def mistakes(**changes: object) -> list[str]:
    content: dict[str, object] = {
        "target": {"exact_match": 0.99},
        "space": {"d_model": WIDTH, "lr": LR},
        "question": {"regimes": {"by": "d_model"}},
        **changes,
    }
    try:
        bound(**content)
    except ValidationError as error:
        return str(error.errors()[0]["msg"]).split("; ")
    return []


def test_a_rate_and_what_it_is_asked_by_are_all_it_takes():
    assert mistakes() == []
    assert mistakes(space={"d_model": {"type": "int", "low": 4, "high": 16, "step": 4}, "lr": LR}) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"question": {"regimes": {"by": "width"}}},
            "question.regimes.by: is not searched",
        ),
        ({"question": {"regimes": {"by": "lr"}}}, "question.regimes.by: is the rate already, lr"),
        (
            {"question": {"regimes": {"rate": "muon_lr", "by": "lr"}}},
            "question.regimes.rate: is not searched",
        ),
        (
            {"space": {"d_model": WIDTH, "lr": LR, "d_ff": WIDTH}},
            "space.d_ff: is more than question.regimes can have",
        ),
        (
            {"space": {"d_model": WIDTH, "lr": {"type": "choice", "values": [0.1, 0.01]}}},
            "space.lr: must be a range",
        ),
        (
            {"space": {"d_model": WIDTH, "lr": {"type": "float", "low": 0.0, "high": 0.1}}},
            "space.lr.low: must be above 0",
        ),
        (
            {"space": {"d_model": WIDTH, "lr": {"type": "float", "low": 0.1, "high": 0.1}}},
            "space.lr: is one value",
        ),
        (
            {"space": {"d_model": {"type": "int", "low": 4, "high": 64}, "lr": LR}},
            "space.d_model: has 61 values, and edges can be asked for at 20 at most",
        ),
        (
            {
                "space": {"dropout": {"type": "float", "low": 0.0, "high": 0.5}, "lr": LR},
                "question": {"regimes": {"by": "dropout"}},
            },
            "space.dropout: must have values that can be listed",
        ),
        (
            {"space": {"d_model": WIDTH, "lr": {**LR, "when": {"d_model": 8}}}},
            "space.lr.when: leaves it out of some configurations",
        ),
    ],
)
def test_what_it_cannot_have_is_said(changes: dict[str, object], said: str):
    found = mistakes(**changes)
    assert any(said in one for one in found), found
