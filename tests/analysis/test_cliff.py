"""The parameter cliff: on rows written by hand, on committed rows, and on searches whose cliff is known."""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import truths_cliff
from scipy.stats import ttest_ind
from truths import coverage, search_of

from analysis.cliff import Cliff, cliff
from analysis.cliff.expected import shrunken_rates
from analysis.cliff.groups import welch
from analysis.files.layout import SelectionError
from analysis.pictures.painting import figure_of
from analysis.rows import SearchRows
from analysis.selection import parse_condition, select
from analysis.statistics.logistic import MOST_GROUPS, coefficients, fit, shares

SWEEP = Path(__file__).parents[2] / "results" / "published" / "gpt_acc_jax_sweep"
S, F, D, X, RUNNING = "solved", "finished", "diverged", "stopped early", None


def search(*configurations: tuple[int, list[Any]], **changes: Any) -> SearchRows:
    """Make rows of configurations, each with its size and the endings of its seeds."""
    trials = [
        {
            "configuration": number,
            "seed_index": seed,
            "params": params,
            "values": {"d_model": params, "n_layers": 1 + number % 2},
            "ending": ending,
            "exact_match": {S: 1.0, F: 0.2}.get(ending),
        }
        for number, (params, endings) in enumerate(configurations)
        for seed, ending in enumerate(endings)
    ]
    return search_of(trials, **changes)


def ramp(*, extra: tuple[tuple[int, list[Any]], ...] = ()) -> SearchRows:
    """Make a search whose success rises from none at 400 to all at 1,600 parameters, half at 800."""
    return search(
        *[(size, [F, F, F, F]) for size in (380, 400, 420, 440)],
        *[(size, [F, S, F, F]) for size in (560, 570, 580)],
        *[(size, [F, S, S, F]) for size in (780, 800, 820)],
        *[(size, [S, S, S, F]) for size in (1120, 1130, 1140)],
        *[(size, [S, S, S, S]) for size in (1500, 1600, 1700, 1800)],
        *extra,
    )


@pytest.fixture(scope="module")
def learned() -> SearchRows:
    return select(SearchRows(SWEEP), [parse_condition("position=learned"), parse_condition("n_layers=1")])


def test_committed_sweep_holds_a_ramp_over_a_factor_of_two_and_a_half(learned: SearchRows):
    found = cliff(learned)
    assert found.verdict == "ramp"
    assert found.fit is not None
    assert (found.fit.trials, found.fit.configurations, found.fit.solved) == (104, 26, 38)
    half = found.size(0.5)
    assert (round(half.value), round(half.low), round(half.high)) == (1056, 935, 1756)
    assert [round(found.size(share).value) for share in (0.1, 0.9)] == [657, 1698]
    assert found.sentences[0] == (
        "A ramp: half of the seeds solve at 1,056 parameters (95 % interval: 935 to 1,756); 10 to 90 % lie "
        "within a factor of 2.58 (1.75 to 24.5), from 657 to 1,698 parameters."
    )
    assert found.sentences[-1].startswith("About 150 more trials, at sizes from 657 to 1,698 parameters")


def test_a_ramp_lies_where_it_was_put():
    found = cliff(ramp())
    assert found.verdict == "ramp"
    assert found.size().low < 800 < found.size().high
    assert found.size().value == pytest.approx(800, rel=0.05)
    assert found.size(0.1).value < found.size(0.5).value < found.size(0.9).value
    assert found.sharpness.low > 1
    assert found.bounds is None
    with pytest.raises(ValueError, match="between 0 and 1, but got 1"):
        found.size(1.0)


def test_sizes_that_separate_the_outcomes_closely_are_a_cliff():
    sizes = [round(800 * 1.03**step) for step in range(14)]
    found = cliff(search(*[(size, [S if size > 960 else F] * 2) for size in sizes]))
    assert found.verdict == "cliff"
    below, above = max(s for s in sizes if s <= 960), min(s for s in sizes if s > 960)
    assert found.sentences[0].startswith(
        f"A cliff: no trial up to {below} parameters solved, every trial from"
    )
    assert found.size().low <= below < above <= found.size().high
    assert math.isinf(found.sharpness.high)


def test_an_edge_between_sizes_far_apart_is_not_called_a_cliff():
    """Nothing is known of the sizes between."""
    sizes = [round(100 * 1.5**step) for step in range(10)]
    found = cliff(search(*[(size, [S if step > 4 else F] * 2) for step, size in enumerate(sizes)]))
    assert found.verdict == "cannot be determined"
    assert "no size between was tried: about" in found.sentences[0]


def test_two_configurations_do_not_make_an_edge():
    found = cliff(search((100, [F, F]), (200, [S, S])))
    assert found.verdict == "cannot be determined"
    assert "do not show that success rises with size" in found.sentences[0]


@pytest.mark.parametrize(
    ("rows", "verdict", "begins"),
    [
        ([(500, [S])], "cannot be determined", "all trials with a known outcome have 500 parameters"),
        ([(500, [RUNNING])], "cannot be determined", "no outcome of 1 trial is known (1 not ended)"),
        ([(n * 100, [X, X]) for n in range(1, 5)], "cannot be determined", "no outcome of 8 trials"),
        ([(n * 100, [S, S]) for n in range(1, 12)], "no edge", "all 22 trials solved, a success rate of at"),
        ([(n * 100, [F, D]) for n in range(1, 12)], "no edge", "none of 22 trials solved, a success rate of"),
        (
            [(n * 100, [D]) for n in range(1, 4)],
            "cannot be determined",
            "none of 3 trials solved, which a success",
        ),
        ([(n * 100, [S, F]) for n in range(1, 40)], "no edge", "Other parameters than the size decide"),
        ([(n * 100, [F, S][n < 20 :][:1]) for n in range(1, 40)], "no edge", "success falls with size"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_said(rows: list[tuple[int, list[Any]]], verdict: str, begins: str):
    found = cliff(search(*rows))
    assert found.verdict == verdict
    assert begins in found.sentences[0]
    assert "nan" not in " ".join(found.sentences).lower()
    json.dumps(found.as_json(), allow_nan=False)


def test_a_search_without_trials_or_without_a_target_says_so():
    rows = ramp()
    empty = SearchRows.of_frames(rows.plan, list(rows.metrics.values()), rows.trials.iloc[:0])
    assert cliff(empty, "d_model").sentences[0].endswith("cannot be determined: there are no trials yet.")
    assert cliff(empty).pictures == []
    aimless = cliff(search((100, [F]), (200, [F]), target=None))
    assert "the search has no target" in aimless.sentences[0]
    assert all(table.frame.empty for table in aimless.tables)


def test_unknown_outcomes_are_left_out_and_bound_the_answer():
    """Unknown trials at sizes where half solve: nothing else may move the answer."""
    plain, found = (
        cliff(ramp()),
        cliff(ramp(extra=tuple((size, [X, X, RUNNING]) for size in (790, 800, 810)))),
    )
    assert found.size().value == pytest.approx(plain.size().value)
    assert found.bounds is not None
    solved, failed = (half.value for half in found.bounds)
    assert solved < found.size().value < failed
    assert found.sentences[0].endswith(
        "This leaves out 9 trials whose outcome is not known; had none of them solved, the 50 % size would "
        f"be {failed:,.0f} parameters."
    )
    begin = "The outcome of 9 trials is not known (6 stopped early, 3 not ended), and left out. "
    said = next(sentence for sentence in found.sentences if sentence.startswith(begin))
    assert f"half of the seeds solve between {solved:,.0f} and {failed:,.0f} parameters" in said


def test_a_trial_that_went_on_by_lot_stands_for_those_that_were_ended():
    trials = ramp().trials
    rows = ramp()
    chance = np.where(trials["ending"] == "finished", 0.25, np.nan)
    kept = SearchRows.of_frames(rows.plan, list(rows.metrics.values()), trials.assign(kept_chance=chance))
    assert cliff(kept).size().value > cliff(rows).size().value * 1.1
    assert any("that ran on by lot are weighted" in sentence for sentence in cliff(kept).sentences)


def test_the_best_recipe_is_judged_by_the_seed_that_did_not_choose_it():
    """Two recipes at each size: of the good one all seeds solve above 1,000, of the other none ever."""
    sizes = [round(200 * 1.07**step) for step in range(48)]
    found = cliff(
        search(*[(size, [S if step % 2 and size > 1000 else F] * 2) for step, size in enumerate(sizes)])
    )
    assert found.best is not None
    assert found.best.fit is not None
    counts = found.best.counts
    chosen_large = counts.params > 1000 * found.best.factor
    assert (counts.solved[chosen_large] == counts.known[chosen_large]).all()
    assert counts.solved[counts.params <= 1000].sum() == 0
    # Every seed of every bin judges once.
    assert found.best.fit.trials == 2 * found.best.bins


def test_with_one_seed_the_best_recipe_cannot_be_told():
    found = cliff(search(*[(100 * n, [S if n > 5 else F]) for n in range(1, 12)]))
    assert any("search with seeds of 2 or more" in sentence for sentence in found.sentences)


def test_groups_have_cliffs_of_their_own_and_a_test(learned: SearchRows):
    rows = ramp()
    twice = pd.concat(
        [
            rows.trials.assign(values=[{"n_layers": 1}] * len(rows.trials)),
            rows.trials.assign(
                values=[{"n_layers": 2}] * len(rows.trials),
                configuration=rows.trials["configuration"] + 100,
                params=rows.trials["params"] * 2,
            ),
        ]
    )
    found = cliff(SearchRows.of_frames(rows.plan, list(rows.metrics.values()), twice), "n_layers")
    assert [group.name for group in found.groups] == ["n_layers=1", "n_layers=2"]
    first, second = found.groups
    assert second.size().value == pytest.approx(2 * first.size().value)
    sizes, slopes = found.tests
    assert sizes.p_value < 0.001
    assert slopes.p_value == pytest.approx(1, abs=1e-6)
    assert any(s.startswith("The 50 % size differs between the 2 groups") for s in found.sentences)
    ratio, sharpness, best, _ = second.difference_from(first)
    assert ratio.change.value == pytest.approx(2)
    assert ratio.change.low > 1
    assert ratio.is_significant
    assert not sharpness.is_significant
    assert not best.change.is_known
    with pytest.raises(SelectionError, match="--by got 'depth', not a parameter here"):
        cliff(rows, "depth")
    # A number with many values is looked at in thirds.
    thirds = cliff(rows, "d_model").groups
    assert [group.name for group in thirds] == [
        "d_model from 380 to 560",
        "d_model from 570 to 1120",
        "d_model from 1130 to 1800",
    ]
    assert sum(len(group.counts) for group in thirds) == 17


def test_welch_test_is_that_of_two_samples_where_there_are_two():
    a, b = np.array([1, 2, 3, 4, 7.0]), np.array([3, 5, 9, 4, 11, 2.0])
    found = welch("x", [(a.mean(), a.var(ddof=1) / 5), (b.mean(), b.var(ddof=1) / 6)], [4, 5])
    assert found.p_value == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue)


def test_tables_and_plain_values_hold_what_the_sentences_say(learned: SearchRows):
    found = cliff(learned, "lr")
    sizes = found.table.set_index(["of", "share"])
    assert round(sizes.loc[("all", 0.5), "size"]) == 1056
    for table in found.tables:
        assert list(table.frame.columns) == [column.name for column in table.columns]
    rates = found.tables[2].frame
    assert (rates["solved"].sum(), rates["known"].sum()) == (38, 104)
    plain = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert plain["fit"]["size_50"]["value"] == pytest.approx(found.size().value)
    assert [group["of"] for group in plain["groups"]] == [group.name for group in found.groups]


def test_pictures_show_dots_curve_band_and_the_half(learned: SearchRows):
    found = cliff(ramp(extra=((800, [X, X]),)))
    (picture, *_) = found.pictures
    roles = {type(mark).__name__: mark for mark in picture.marks}
    assert roles["Rule"].value == pytest.approx(found.size().value)
    assert {"Points", "Line", "Band"} <= set(roles)
    assert any(getattr(mark, "label", "") == "not known: 2 trials" for mark in picture.marks)
    assert re.search(r"68 trials with a known outcome, and 2 without, of 18 configurations", picture.caption)
    assert figure_of(found.pictures) is not None
    grouped = cliff(learned, "lr").pictures[0]
    assert {mark.role for mark in grouped.marks} == {f"series {number}" for number in range(5)}
    # Of trials that all failed there is no curve, and the name stands by the dots.
    (failed,) = cliff(search(*[(100 * n, [F, D]) for n in range(1, 12)]), "n_layers").pictures[:1]
    assert [(type(m).__name__, m.label) for m in failed.marks] == [
        ("Points", "n_layers=1"),
        ("Points", "n_layers=2"),
    ]


def test_further_trials_sharpen_the_edge_as_far_as_was_said():
    """30 searches are planned and carried out; 8 in 10 should come out. Fewer than 18 of 30: 1 in 300."""
    rng = np.random.default_rng(3)
    reached: list[bool] = []
    while len(reached) < 30:
        rows = truths_cliff.draw(rng, configurations=20, seeds=3, slope=6.0, spread=0.5)
        more = cliff(rows).more
        if more is None or more.trials is None or more.is_assumed:
            continue
        logs = np.linspace(math.log(more.smallest), math.log(more.largest), more.trials // 3)
        rates = shares(6.0 * (logs - math.log(1000)) + rng.normal(0, 0.5, len(logs)))
        further = [
            (round(math.exp(log)), [S if rng.random() < rate else F for _ in range(3)])
            for log, rate in zip(logs, rates, strict=True)
        ]
        trials = search(*further).trials
        trials["configuration"] += 1000
        whole = pd.concat([rows.trials, trials])
        half = cliff(SearchRows.of_frames(rows.plan, list(rows.metrics.values()), whole)).size()
        reached.append(
            half.low > 0 and max(half.value / half.low, half.high / half.value) <= 1 + more.precision
        )
    assert np.mean(reached) >= 0.6


@pytest.mark.parametrize("truth", truths_cliff.TRUTHS, ids=lambda truth: truth.name)
def test_intervals_hold_what_is_true(truth: truths_cliff.Truth):
    """At 92 % coverage, fewer than 41 of 50 come out once in 100; ``benchmarks/coverage.py`` runs 500."""
    for found in coverage(truth, 50, seed=1):
        if found.quantity.startswith("naive"):
            assert found.share < 0.9, found
        else:
            assert found.share >= 41 / 50, found


def test_smallest_expected_to_solve_is_not_the_luckiest():
    """The winner's curse: of many configurations of two seeds, the smallest that solved both is lucky."""
    rng = np.random.default_rng(0)
    for spread in (0.0, 0.5, 1.0):
        own, expected = truths_cliff.true_rates_of_smallest(
            rng, configurations=100, seeds=2, slope=4.0, spread=spread, searches=150
        )
        assert np.mean(own) < 0.45
        assert np.mean(expected) > 0.47
        assert len(expected) >= 140


def test_expected_rates_lie_between_the_own_seeds_and_the_sizes_around():
    params, solved, known = np.array([500, 600, 700, 800, 900]), np.array([0, 0, 1, 2, 2]), np.full(5, 2)
    rates = shrunken_rates(params, solved, known)
    assert (np.diff(rates) > 0).all()
    assert 0 < rates[0] < 0.5 < rates[-1] < 1
    # Without trials of its own it is what is usual at its size.
    more = shrunken_rates(np.append(params, 850), np.append(solved, 0), np.append(known, 0))
    assert rates[3] < more[-1] < rates[4]
    assert shrunken_rates(np.array([]), np.array([]), np.array([])).shape == (0,)
    assert shrunken_rates(np.array([100]), np.array([2]), np.array([2]))[0] > 0.5
    # Success that falls with size is chance: nothing is gained by being small.
    falling = shrunken_rates(params, solved[::-1], known)
    assert falling[1] == pytest.approx(falling[0])


def test_a_hundred_thousand_trials_take_seconds():
    rng = np.random.default_rng(0)
    configurations, seeds = 25_000, 4
    sizes = np.repeat(rng.integers(300, 3000, configurations), seeds)
    wins = rng.random(len(sizes)) < shares(4 * np.log(sizes / 1000))
    trials = pd.DataFrame(
        {
            "configuration": np.repeat(np.arange(configurations), seeds),
            "seed_index": np.tile(np.arange(seeds), configurations),
            "params": sizes,
            "ending": np.where(rng.random(len(sizes)) < 0.05, X, np.where(wins, S, F)),
            "exact_match": np.where(wins, 1.0, 0.3),
        }
    )
    rows = ramp()
    began = time.perf_counter()
    found: Cliff = cliff(SearchRows.of_frames(rows.plan, list(rows.metrics.values()), trials))
    assert found.size().low < 1000 < found.size().high
    assert found.sentences
    assert time.perf_counter() - began < 5


def test_one_step_of_the_jackknife_is_the_jackknife_where_trials_are_many(monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 3000)
    predictors, trials = np.column_stack([np.ones(len(x)), x]), np.full(len(x), 2.0)
    solved = rng.binomial(2, shares(3 * x)).astype(float)
    quick = fit(predictors, solved, trials)
    monkeypatch.setattr("analysis.statistics.logistic._MOST_EXACT", 10**9)
    exact = fit(predictors, solved, trials)
    assert quick.groups == exact.groups == MOST_GROUPS
    assert quick.covariance == pytest.approx(exact.covariance, rel=0.02, abs=1e-5)
    assert coefficients(predictors, solved, trials) == pytest.approx(exact.coefficients, abs=1e-6)
