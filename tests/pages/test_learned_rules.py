"""Learned stopping rules are replayed as they would run: the benchmark's own parts, on real curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from learned_rules import FEATURES, Linear, Option, Pool, at_once, in_order, ridge

from analysis.rows import SearchRows
from paretune.stopping.replay.curves import population_of
from paretune.stopping.replay.rules import SHARES

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
SIZE = 1 + FEATURES.index("size")


@pytest.fixture(scope="module")
def pool() -> Pool:
    rows = SearchRows(PUBLISHED / "quickstart")
    return Pool([rows], [population_of(rows)])


def model_of(column: int, slope: float) -> Linear:
    slopes = np.zeros((len(SHARES), 1 + len(FEATURES)))
    slopes[:, column] = slope
    return Linear(slopes=slopes)


def test_a_rule_that_compares_with_nobody_is_the_same_in_any_order(pool: Pool) -> None:
    model, option = model_of(SIZE, 1.0), Option(rungs=(1, 3), threshold=0.0)
    lost, steps = at_once(pool, model(pool), option)
    assert 0 < lost.sum() < pool.trials.solved.sum()
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(steps)).tolist()
        in_turn = in_order(pool, model, option, order)
        assert np.array_equal(in_turn[0], lost)
        assert np.array_equal(in_turn[1], steps)


def test_by_ranks_the_first_is_compared_with_nobody_and_the_last_with_all(pool: Pool) -> None:
    model, option = model_of(1, 1.0), Option(rungs=(0,), threshold=-1.0)
    below = at_once(pool, model(pool), option)[1] < pool.steps
    worst = int(np.argmin(np.where(np.isfinite(pool.at[:, 0]), pool.values[:, 0, 0], np.inf)))
    others = [trial for trial in range(len(below)) if trial != worst]
    assert below[worst]
    first, last = (in_order(pool, model, option, order)[1] for order in ([worst, *others], [*others, worst]))
    assert first[worst] == pool.steps[worst]
    assert last[worst] == pool.at[worst, 0]


def test_fitted_chances_add_up_to_those_that_solved_and_tell_them_apart(pool: Pool) -> None:
    model = ridge([0, 5])(pool, pool.trials.all)
    score, solved = model(pool)[:, 3], pool.trials.solved
    there = np.isfinite(score)
    chance = 1 / (1 + np.exp(-score[there]))
    assert chance.sum() == pytest.approx(solved[there].sum(), abs=0.1)
    assert np.median(score[there & solved]) > np.quantile(score[there & ~solved], 0.9)
