"""Time to target and cost of a success: by hand, beside scipy, on published rows, and on simulated truths."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats
from truths import METRICS, coverage, search_of
from truths_times import TRUTHS
from typer.testing import CliRunner

from analysis.costs import cost_of_success, per_success, spent_on_target
from analysis.files.layout import SelectionError
from analysis.rows import SearchRows
from analysis.statistics.dominance import non_dominated
from analysis.times import times
from analysis.times.differences import ratio
from analysis.times.logrank import log_rank
from analysis.times.observed import Observed, observe
from analysis.times.sharing import shared_device, trials_at_a_time
from analysis.times.survival import kaplan_meier

PUBLISHED = Path(__file__).parents[2] / "results" / "published"


def trial(configuration: int, seed: int, ending: str | None, at: float, **more: Any) -> dict[str, Any]:
    """A trial that solved at a step, or ended there without."""
    return {
        "configuration": configuration,
        "seed_index": seed,
        "params": 100 * (configuration + 1),
        "values": {"d_model": configuration + 1},
        "ending": ending,
        "step": at,
        **({"steps_to_target": at} if ending == "solved" else {}),
        **more,
    }


def observed(ends: list[float], reached: list[bool], configurations: list[int] | None = None) -> Observed:
    count = len(ends)
    return Observed(
        times=np.array(ends),
        reached=np.array(reached),
        never=np.zeros(count, dtype=bool),
        used_up=~np.array(reached),
        configurations=np.array(range(count) if configurations is None else configurations),
        weights=np.ones(count),
    )


# Cost of a success


def test_a_success_costs_all_that_was_spent_over_the_successes():
    rows = search_of(
        [trial(0, 0, "solved", 300), trial(0, 1, "finished", 1000), trial(0, 2, "diverged", 200)]
    )
    estimate = times(rows).measured
    assert estimate is not None
    assert estimate.cost_of_success.value == pytest.approx(1500)
    assert estimate.cost_of_success.low < 1500 < estimate.cost_of_success.high < math.inf


def test_what_a_trial_spent_is_that_to_the_target_or_all_and_nothing_if_it_is_not_over():
    endings = ["solved", "finished", "stopped early", "diverged", "failed", "interrupted", None]
    rows = search_of([trial(0, n, ending, 100 + n) for n, ending in enumerate(endings)])
    rows.trials.loc[0, "step"] = 900  # it went on, though it had the target
    spent = spent_on_target(rows, rows.trials, "steps_to_target")
    assert spent.tolist()[:4] == [100, 101, 102, 103]
    assert spent.isna().tolist()[4:] == [True, True, True]


def test_without_a_success_a_lower_bound_is_all_that_is_told():
    spent, none = pd.Series([1000.0, 1000.0]), pd.Series([False, False])
    estimate = cost_of_success(spent, none, "steps")
    assert not estimate.is_known
    # Wilson: a rate of at most 0.658 of two, so at least 0.52 failures for each success.
    assert estimate.low == pytest.approx(1000 * (1 / 0.6576 - 1), rel=1e-3)
    assert estimate.high == math.inf


def test_costs_of_nothing_and_missing_costs_break_nothing():
    free = cost_of_success(pd.Series([0.0, 0.0, 0.0]), pd.Series([True, False, True]))
    assert (free.value, free.low, free.high) == (0.0, 0.0, 0.0)
    missing = per_success(
        pd.Series([math.nan, math.nan, 5.0]), pd.Series([True, False, True]), pd.Series([7, 7, 3])
    )
    assert missing.index.tolist() == [3, 7]
    assert missing.loc[3, "cost"] == 5.0
    assert missing.loc[7, ["cost", "low", "high"]].isna().all()
    nothing = per_success(pd.Series(dtype=float), pd.Series(dtype=bool), pd.Series(dtype=int))
    assert nothing.empty


def test_alike_seeds_make_the_interval_wider_than_as_many_configurations():
    """Four configurations of which two always learn tell less than sixteen of which eight do."""
    solved = pd.Series(([True] * 4 + [False] * 4) * 2)
    spent = pd.Series(np.where(solved, 400.0, 1000.0) + np.tile([0.0, 10.0, 20.0, 30.0], 4))
    alone = cost_of_success(spent, solved, configurations=pd.Series(range(16)))
    alike = cost_of_success(spent, solved, configurations=pd.Series(np.repeat(range(4), 4)))
    assert alone.value == alike.value == pytest.approx((spent.sum()) / 8)
    assert alike.high / alike.low > 2 * alone.high / alone.low


def test_many_groups_at_once_are_each_group_alone():
    rng = np.random.default_rng(0)
    spent, solved = pd.Series(rng.uniform(1, 9, 300)), pd.Series(rng.random(300) < 0.4)
    groups, configurations = pd.Series(rng.integers(0, 5, 300)), pd.Series(rng.integers(0, 60, 300))
    together = per_success(spent, solved, groups, configurations)
    for group, row in together.iterrows():
        part = groups == group
        alone = cost_of_success(spent[part], solved[part], configurations=configurations[part])
        assert (alone.value, alone.low, alone.high) == pytest.approx((row["cost"], row["low"], row["high"]))


# The curve


def test_the_curve_is_scipys():
    rng = np.random.default_rng(1)
    for _ in range(20):
        ends, reached = rng.integers(1, 12, 30).astype(float), rng.random(30) < 0.6
        curve = kaplan_meier(ends, reached, np.arange(30))
        other = stats.ecdf(stats.CensoredData.right_censored(ends, ~reached))
        assert curve.reached == pytest.approx(other.cdf.evaluate(curve.times))


def test_with_one_seed_each_the_band_is_about_that_of_greenwood():
    """Of many trials, jackknife and Greenwood's formula agree."""
    rng = np.random.default_rng(2)
    ends = rng.exponential(800, 400)
    reached = ends < 900
    curve = kaplan_meier(np.minimum(ends, 900), reached, np.arange(400))
    other = stats.ecdf(stats.CensoredData.right_censored(np.minimum(ends, 900), ~reached))
    band = other.cdf.confidence_interval(method="log-log")
    middle = (curve.reached > 0.2) & (curve.reached < 0.6)
    assert curve.low[middle] == pytest.approx(band.low.evaluate(curve.times[middle]), abs=0.01)
    assert curve.high[middle] == pytest.approx(band.high.evaluate(curve.times[middle]), abs=0.01)


def test_weights_are_trials_that_one_stands_for():
    ends, reached = np.array([100.0, 300.0, 500.0, 800.0]), np.array([True, False, True, False])
    weights = np.array([1.0, 3.0, 2.0, 1.0])
    weighted = kaplan_meier(ends, reached, np.arange(4), weights=weights)
    repeated = kaplan_meier(
        np.repeat(ends, weights.astype(int)), np.repeat(reached, weights.astype(int)), np.arange(7)
    )
    assert weighted.reached == pytest.approx(repeated.reached)
    assert weighted.restricted_mean.value == pytest.approx(repeated.restricted_mean.value)


def test_a_reserve_stands_for_what_early_stopping_ended():
    """Two of three that fell below the cut were stopped; the third ran on by a lot of a third."""
    rows = search_of(
        [
            trial(0, 0, "solved", 500, kept_chance=None),
            trial(1, 0, "finished", 1000, kept_chance=1 / 3),
            trial(2, 0, "stopped early", 200, kept_chance=None),
            trial(3, 0, "stopped early", 200, kept_chance=None),
        ]
    )
    measured = times(rows).measured
    assert measured is not None
    assert measured.reached.value == pytest.approx(1 / 4)
    assert any("that ran on by lot are weighted" in sentence for sentence in times(rows).sentences)


def test_a_diverged_trial_stays_at_risk_and_a_stopped_one_leaves():
    early = [trial(1, 0, "solved", 600), trial(2, 0, "finished", 1000)]
    diverged = times(search_of([trial(0, 0, "diverged", 100), *early])).measured
    stopped = times(search_of([trial(0, 0, "stopped early", 100), *early])).measured
    assert diverged is not None
    assert stopped is not None
    assert diverged.reached.value == pytest.approx(1 / 3)
    assert stopped.reached.value == pytest.approx(1 / 2)
    assert diverged.curve.censored.tolist() == [1000.0]


def test_median_and_restricted_mean_by_hand():
    measured = times(
        search_of([trial(n, 0, "solved", at) for n, at in enumerate([100, 200, 300, 700])])
    ).measured
    assert measured is not None
    assert measured.median.value == 200
    assert measured.restricted_mean.value == pytest.approx(325)
    # Half of four is anything between the first and, for all that is known, none of them.
    assert measured.median.low <= 100
    assert measured.median.high >= 300


def test_a_median_that_is_not_reached_is_later_than_the_upper_band_allows():
    trials = [trial(n, 0, "solved" if n < 3 else "finished", 500 if n < 3 else 1000) for n in range(20)]
    found = times(search_of(trials))
    assert found.measured is not None
    assert not found.measured.median.is_known
    assert found.measured.median.low == 1000
    assert found.sentences[0].startswith("Fewer than half of the trials reach exact match 0.99")
    assert "15 % do" in found.sentences[0]


# Log-rank


def test_exact_permutation_by_hand():
    """Of the 20 ways to deal six into halves, two are as far apart as three soon ones and three late ones."""
    test = log_rank(observed([1, 2, 3, 11, 12, 13], [True] * 6), np.array([0, 0, 0, 1, 1, 1]))
    assert test.p_value == pytest.approx(2 / 20)
    assert "exact permutation of 6 trials" not in test.test
    assert "exact permutation of 6 configurations" in test.test


def test_configurations_are_dealt_out_not_their_seeds():
    """Two configurations each of three alike seeds: only 3 ways to pair four, so p cannot be small."""
    ends = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 11.0, 11.1, 11.2, 11.3, 11.4, 11.5]
    group = np.repeat([0, 1], 6)
    alike = log_rank(observed(ends, [True] * 12, list(np.repeat(range(4), 3))), group)
    alone = log_rank(observed(ends, [True] * 12), group)
    assert alike.p_value == pytest.approx(2 / 6)
    assert alone.p_value < 0.01


def test_p_values_of_permutations_and_of_their_limit_agree_with_scipy():
    rng = np.random.default_rng(3)
    first, second = rng.exponential(500, 60), rng.exponential(800, 60)
    ends = np.concatenate([first, second])
    reached = ends < 1000
    ends = np.minimum(ends, 1000)
    groups = np.repeat([0, 1], 60)
    ours = log_rank(observed(ends.tolist(), reached.tolist()), groups)
    samples = [stats.CensoredData.right_censored(ends[groups == n], ~reached[groups == n]) for n in (0, 1)]
    assert "10,000 permutations" in ours.test
    assert ours.p_value == pytest.approx(stats.logrank(*samples).pvalue, abs=0.01)
    assert ours == log_rank(observed(ends.tolist(), reached.tolist()), groups)  # drawn, but always the same
    many = np.tile(ends, 10)
    limit = log_rank(observed(many.tolist(), np.tile(reached, 10).tolist()), np.tile(groups, 10))
    assert limit.p_value < ours.p_value


def test_permutation_keeps_its_level_where_configurations_differ():
    """Without a difference p is below 0.05 in 6 of 120 simulations; in more than 15 with odds of 1 in 3,000.
    Taking seeds for independent, it is so in many more."""
    rng = np.random.default_rng(4)
    small = {"configurations": 0, "trials": 0}
    group = np.repeat([0, 1], 20)
    for _ in range(120):
        ends = 500 * np.exp(np.repeat(rng.normal(size=10), 4) + 0.2 * rng.normal(size=40))
        alike = observed(ends.tolist(), [True] * 40, list(np.repeat(range(10), 4)))
        small["configurations"] += log_rank(alike, group).p_value < 0.05
        samples = [stats.CensoredData(uncensored=ends[group == n]) for n in (0, 1)]
        small["trials"] += stats.logrank(*samples).pvalue < 0.05
    assert small["configurations"] <= 15
    assert small["trials"] > 30


def test_nothing_to_compare_has_no_p_value():
    assert math.isnan(log_rank(observed([1, 2], [False, False]), np.array([0, 1])).p_value)
    assert math.isnan(log_rank(observed([1, 2], [True, True]), np.array([0, 0])).p_value)


# The finding


def test_published_costs_of_a_success_are_not_means_of_those_that_made_it():
    rows = SearchRows(PUBLISHED / "under-777")
    found = times(rows, cost="steps_to_target")
    by_size = found.by_size.set_index("params")["cost"]
    assert (by_size[690], by_size[672]) == (23_000, 10_750)  # means of those that made it: 9,000 and 10,750
    assert found.frontier["params"].tolist() == [672]
    sweep = SearchRows(PUBLISHED / "gpt_acc_jax_sweep")
    slow = [
        n
        for n, v in zip(sweep.trials["configuration"], sweep.trials["values"], strict=True)
        if v["lr"] == 0.003
    ]
    costs = times(sweep.of_configurations(slow), cost="steps_to_target").by_size
    assert costs.loc[costs["params"] == 1360, "cost"].tolist() == [102_500]


def test_published_language_model_the_smallest_is_also_the_soonest():
    found = times(SearchRows(PUBLISHED / "gpt2-laptop"))
    assert found.cost == "cpu_seconds_to_target"
    assert found.frontier["params"].tolist() == [457_651]
    assert [picture.x.title for picture in found.pictures] == [
        "processor time spent (s)",
        "size (parameters)",
    ]
    assert found.pictures[1].y.title == "processor time per success (s)"
    assert found.frontier["cost"].iloc[0] == pytest.approx(25.26, abs=0.01)
    second = found.by_size.sort_values("cost").iloc[1]
    assert (second["params"], second["cost"]) == (688_130, pytest.approx(25.77, abs=0.01))
    assert set(found.whole.measured) == {
        "steps_to_target",
        "tokens_to_target",
        "cpu_seconds_to_target",
        "seconds_to_target",
    }


def test_elapsed_times_of_trials_that_shared_a_device_are_labelled():
    rows = SearchRows(PUBLISHED / "gpt2-laptop")
    assert trials_at_a_time(rows) == 2
    label = "Two trials at a time: elapsed times include waiting for each other."
    assert label in times(rows, cost="seconds_to_target").sentences
    assert label not in times(rows).sentences
    titles = [table.title for table in times(rows).tables]
    assert [title for title in titles if "two trials at a time" in title] == [
        title for title in titles if "elapsed time" in title
    ]
    assert shared_device(SearchRows(PUBLISHED / "explore-777")) is None
    assert shared_device(search_of([trial(0, 0, "solved", 5)])) is None


def test_groups_have_times_of_their_own_and_a_test():
    trials = [trial(n, 0, "solved", 100 + n) for n in range(6)]
    trials += [trial(n, 0, "finished", 1000) for n in range(6, 12)]
    for row in trials:
        row["values"] = {"norm": "a" if row["configuration"] < 6 else "b"}
    found = times(search_of(trials), by="norm")
    assert [group.name for group in found.groups] == ["norm=a", "norm=b"]
    assert found.log_rank is not None
    assert found.log_rank.p_value == pytest.approx(2 / math.comb(12, 6))
    assert found.tables[0].frame["of"].tolist() == ["all", "norm=a", "norm=b"]
    assert any(sentence.startswith("norm=b: no trial reached") for sentence in found.sentences)
    assert len(found.pictures) == 2


def test_wrong_names_are_refused_with_what_there_is():
    rows = search_of([trial(0, 0, "solved", 100)])
    with pytest.raises(SelectionError, match=r"--cost got 'step_to_target'.*steps_to_target"):
        times(rows, cost="step_to_target")
    with pytest.raises(SelectionError, match="--by got 'd_modle'"):
        times(rows, by="d_modle")


def test_the_plans_objective_is_the_cost():
    objectives = [
        {"metric": "exact_match", "direction": "max"},
        {"metric": "steps_to_target", "direction": "min"},
    ]
    made = trial(0, 0, "solved", 100, cpu_seconds=3.0, cpu_seconds_to_target=2.0)
    assert times(search_of([made], objectives=objectives)).cost == "steps_to_target"
    assert times(search_of([made])).cost == "cpu_seconds_to_target"
    assert times(search_of([trial(0, 0, "solved", 100)])).cost == "steps_to_target"


SEARCHES: Mapping[str, list[dict[str, Any]]] = {
    "one solved": [trial(0, 0, "solved", 100)],
    "one failed to learn": [trial(0, 0, "finished", 1000)],
    "all solved": [trial(n, s, "solved", 100 + n + s) for n in range(3) for s in range(2)],
    "all solved at once": [trial(n, 0, "solved", 100) for n in range(5)],
    "none solved": [trial(n, s, "finished", 1000) for n in range(3) for s in range(2)],
    "all diverged": [trial(n, 0, "diverged", 10.0 * n) for n in range(3)],
    "all diverged at once": [trial(n, 0, "diverged", 0.0) for n in range(3)],
    "all stopped": [trial(n, 0, "stopped early", 100) for n in range(3)],
    "all failed": [trial(n, 0, "failed", math.nan) for n in range(3)],
    "running": [trial(0, 0, None, math.nan), trial(1, 0, None, 50)],
    "free": [trial(0, 0, "solved", 0.0), trial(1, 0, "solved", 0.0)],
    "solved without a cost": [trial(0, 0, "solved", math.nan), trial(1, 0, "finished", 1000)],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("by", [None, "d_model"])
def test_every_search_has_an_answer(name: str, by: str | None):
    found = times(search_of(SEARCHES[name]), by)
    check(found)


@pytest.mark.filterwarnings("error")
def test_searches_without_target_trials_or_costs_have_an_answer(tmp_path: Path):
    rows = search_of([trial(0, 0, "finished", 100)], target=None)
    assert "no target" in times(rows).sentences[0]
    check(times(rows, by="d_model"))
    none = SearchRows.of_frames(rows.plan, METRICS, rows.trials.iloc[:0])
    check(times(none))
    aimed = search_of([trial(0, 0, "finished", 100)])
    check(times(SearchRows.of_frames(aimed.plan, METRICS[:3], aimed.trials)))


def check(found: Any) -> None:
    """What holds of every finding."""
    assert found.sentences
    assert all(sentence.endswith(".") and "nan" not in sentence for sentence in found.sentences)
    json.dumps(found.as_json(), allow_nan=False)
    for table in found.tables:
        assert {column.name for column in table.columns} == set(table.frame.columns)
    for index in range(len(found.pictures)):
        figure = Figure()
        found.plot(figure.subplots(), index)
        figure.canvas.draw()


def test_two_searches_differ_by_ratios_and_a_test():
    slow = times(search_of([trial(n, 0, "solved", 400 + 10 * n) for n in range(8)]))
    soon = times(search_of([trial(n, 0, "solved", 200 + 5 * n) for n in range(8)]))
    cost, median = soon.difference_from(slow)
    assert cost.change.value == pytest.approx(0.5)
    assert cost.change.low < 0.5 < cost.change.high < 1
    assert median.change.value == pytest.approx(0.5)
    assert median.p_value == pytest.approx(2 / math.comb(16, 8))
    assert cost.first == slow.measured.cost_of_success  # type: ignore[union-attr]
    none = times(search_of([trial(0, 0, "finished", 100)]))
    assert not none.difference_from(slow)[0].change.is_known
    unbounded = slow.measured.cost_of_success  # type: ignore[union-attr]
    assert ratio(unbounded, unbounded).value == 1


def test_non_dominated_points_are_those_that_no_other_beats():
    rng = np.random.default_rng(5)
    for width in (1, 2, 3):
        for _ in range(60):
            costs = rng.integers(0, 5, (int(rng.integers(0, 12)), width)).astype(float)
            costs[rng.random(costs.shape) < 0.1] = math.nan
            known = ~np.isnan(costs).any(axis=1)
            beaten = [
                any(
                    known[j] and (costs[j] <= row).all() and (costs[j] < row).any() for j in range(len(costs))
                )
                for row in costs
            ]
            assert non_dominated(costs).tolist() == (known & ~np.array(beaten, dtype=bool)).tolist()


def test_a_hundred_thousand_trials_take_seconds():
    rng = np.random.default_rng(6)
    count = 100_000
    ends = rng.exponential(900, count)
    trials = pd.DataFrame(
        {
            "configuration": np.repeat(range(count // 2), 2),
            "seed_index": np.tile([0, 1], count // 2),
            "params": np.repeat(rng.integers(100, 5000, count // 2), 2),
            "values": [{"d_model": int(n)} for n in np.repeat(rng.integers(1, 5, count // 2), 2)],
            "ending": np.where(ends < 1000, "solved", "finished"),
            "cpu_seconds": np.minimum(ends, 1000),
            "cpu_seconds_to_target": np.where(ends < 1000, ends, np.nan),
        }
    )
    rows = SearchRows.of_frames(search_of([trial(0, 0, "solved", 1)]).plan, METRICS, trials)
    found = times(rows, by="d_model")
    assert len(found.pictures[1].marks) >= 2
    assert found.measured is not None
    # The truth is 900 · log 2 = 624; four standard errors are 14.
    assert found.measured.median.value == pytest.approx(624, abs=14)


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.name)
def test_intervals_hold_what_is_true(truth: Any):
    """Of 40 intervals of 95 %, fewer than 33 hold the truth with odds of 1 in 1,000."""
    for found in coverage(truth, 40, seed=8):
        if found.quantity == "naive mean of those that made it":
            assert found.held < 33, found
        elif not found.quantity.startswith("naive"):
            assert found.held >= 33, found


def test_command_prints_and_writes(tmp_path: Path):
    import typer

    from paretune.cli.answers.times import times as command

    app = typer.Typer()
    app.command()(command)
    shown = CliRunner().invoke(
        app,
        [
            *("under-777", "--results", str(PUBLISHED), "--cost", "steps_to_target", "--by", "norm"),
            *("--export", str(tmp_path / "times.csv"), "--figure", str(tmp_path / "times.png"), "--json"),
        ],
    )
    assert shown.exit_code == 0, shown.output
    answer = json.loads(shown.output)
    assert answer["cost"] == "steps_to_target"
    assert answer["frontier"][0]["params"] == 672
    assert (tmp_path / "times.png").stat().st_size > 10_000
    table = pd.read_csv(tmp_path / "times.csv")
    assert table["of"].tolist() == ["all", "norm=layernorm", "norm=rmsnorm"]


def test_observed_trials_without_a_known_time_are_left_out():
    rows = search_of([trial(0, 0, None, math.nan), trial(1, 0, "finished", 10)])
    assert observe(rows, rows.trials, "steps_to_target").times.tolist() == [10]
