"""The test that ends a race: its error is what was stated, and its first decision stands."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.questions.sequential import Verdict, chances, verdict
from search_spaces.parts.search import LIKELY, UNLIKELY, RacingSeeds


@pytest.mark.parametrize("error", [0.001, 0.01, 0.05, 0.1, 0.25])
def test_the_error_is_at_most_what_was_stated(error: float) -> None:
    rule = RacingSeeds.model_validate({"error": error, "to": 500})
    wrong, right, _ = chances(UNLIKELY, rule.lead, rule.to)
    assert wrong <= error
    assert right >= 1 - error
    assert chances(LIKELY, rule.lead, rule.to)[0] == pytest.approx(right)


def test_what_is_drawn_agrees_with_the_formula() -> None:
    rule = RacingSeeds.model_validate({})
    rng = np.random.default_rng(0)
    found = [verdict((rng.random(rule.to) < 0.4).tolist(), rule.lead) for _ in range(4000)]
    more, less, _ = chances(0.4, rule.lead, rule.to)
    assert found.count(Verdict.MORE) / 4000 == pytest.approx(more, abs=0.02)
    assert found.count(Verdict.LESS) / 4000 == pytest.approx(less, abs=0.02)


def test_the_first_decision_stands() -> None:
    assert verdict([True] * 4 + [False] * 20, 4) == Verdict.MORE
    assert verdict([False, False, True, False, False, False], 4) == Verdict.LESS
    assert verdict([True, False] * 8, 4) == Verdict.OPEN
    assert verdict([], 1) == Verdict.OPEN
