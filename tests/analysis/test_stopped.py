"""The winners that early stopping cost a search: counted by hand, and in searches whose truth is known."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.rows import METRICS, PLAN
from helpers.stopped_searches import HALF, Simulated, plan_of, simulate
from scipy.stats import hypergeom

from analysis.answer import answer
from analysis.cliff import cliff
from analysis.cliff.counts import count
from analysis.cliff.fit import fit_sizes
from analysis.outcomes import halted, with_outcomes
from analysis.report.content import content_of
from analysis.rows import SearchRows
from analysis.statistics.intervals import of_the_rest
from analysis.stopped import Stopped, stopped
from paretune.plan.binding import BoundPlan
from search_spaces.plan import Plan

RULE = {"metric": "exact_match", "direction": "max", "grace_period": 100}

UNLIKELY = 3.5
"""Standard errors; without a bias a mean is farther off once in 2,000."""

# What early stopping can have done to a trial: ending, rungs below the cut, chance.
ENDED = ("stopped early", [100], None)
WAITS = ("interrupted", [100], None)
WAITS_NOW = (None, [100], None)
KEPT_SOLVED = ("solved", [100], 0.1)
KEPT_FINISHED = ("finished", [100, 300], 0.1)
KEPT_RUNS = (None, [100], 0.1)
KEPT_FAILED = ("failed", [100], 0.1)
WENT_ON = ("solved", None, 1.0)
ABOVE = ("finished", None, None)
WINNER = ("solved", None, None)
RUNS = ("interrupted", None, None)


def search_of(*trials: tuple[Any, ...], **changes: Any) -> SearchRows:
    """Return a search of such trials, each of a configuration of its own, 100 parameters larger than the
    last."""
    plan = PLAN | {"early_stopping": RULE, "search": {"trials": len(trials), "seeds": 1}} | changes
    rows = [
        {
            "trial": f"c{number:03d}-s0",
            "configuration": number,
            "seed_index": 0,
            "seed": 0,
            "params": 100 * (number + 1),
            "values": {"d_model": number + 1},
            "ending": ending,
            "step": 400,
            "exact_match": 0.5,
            "below_cut_at": rungs,
            "kept_chance": np.nan if chance is None else chance,
        }
        for number, (ending, rungs, chance) in enumerate(trials)
    ]
    return SearchRows.of_frames(Plan.model_validate(plan), METRICS, pd.DataFrame(rows))


def found_in(*trials: tuple[Any, ...], **changes: Any) -> Stopped:
    found = stopped(search_of(*trials, **changes))
    assert found is not None
    return found


# Intervals


def test_an_interval_holds_what_neither_tail_of_the_lot_rules_out() -> None:
    for drawn, rest in ((1, 9), (3, 9), (7, 40), (20, 13)):
        for successes in range(drawn + 1):
            possible = []
            for more in range(rest + 1):
                lot = hypergeom(drawn + rest, successes + more, drawn)
                if lot.cdf(successes) > 0.025 and lot.sf(successes - 1) > 0.025:
                    possible.append(more)
            assert of_the_rest(successes, drawn, rest) == (possible[0], possible[-1])


def test_whatever_the_truth_an_interval_holds_it_in_95_of_100_lots() -> None:
    for whole in (12, 40):
        for winners in range(whole + 1):
            for drawn in (1, 3, 8):
                held = 0.0
                for successes in range(max(0, drawn - (whole - winners)), min(drawn, winners) + 1):
                    low, high = of_the_rest(successes, drawn, whole - drawn)
                    if low <= winners - successes <= high:
                        held += hypergeom(whole, winners, drawn).pmf(successes)
                assert held >= 0.95


# Counts


def test_a_trial_is_counted_by_what_early_stopping_did_to_it() -> None:
    everything = [ENDED, ENDED, WAITS, WAITS_NOW, KEPT_SOLVED, KEPT_FINISHED, KEPT_RUNS, KEPT_FAILED]
    whole = found_in(*everything, WENT_ON, ABOVE, WINNER, RUNS).whole
    assert whole is not None
    assert (whole.ended, whole.waiting, whole.halted) == (2, 2, 4)
    assert (whole.kept, whole.kept_solved, whole.undecided) == (2, 1, 2)
    assert (whole.solved, whole.trials) == (3, 12)
    # Half of the four halted ones, beside the three winners that are there.
    assert whole.lost.value == 2
    assert whole.share_lost.value == pytest.approx(2 / 5)
    assert whole.rate.value == pytest.approx(1 / 2)
    assert whole.share_lost.low <= 2 / 5 <= whole.share_lost.high


def test_rows_from_before_there_was_a_reserve_are_counted_by_their_endings() -> None:
    rows = search_of(ENDED, ENDED, WINNER)
    older = rows.trials.drop(columns=["below_cut_at", "kept_chance"])
    found = stopped(SearchRows.of_frames(rows.plan, METRICS, older))
    assert found is not None
    assert found.whole is not None
    assert (found.whole.halted, found.whole.kept) == (2, 0)
    assert not found.whole.lost.is_known


def test_bands_part_the_trials_below_the_cut_and_together_are_all() -> None:
    found = found_in(*[ENDED, ABOVE, ENDED, KEPT_SOLVED, WINNER] * 6)
    small, large = found.bands
    assert found.whole is not None
    assert small.smallest == 100
    assert small.largest < large.smallest
    assert large.largest == 3000
    for name in ("trials", "solved", "ended", "kept", "kept_solved"):
        assert getattr(small, name) + getattr(large, name) == getattr(found.whole, name)
    assert small.halted + small.kept == large.halted + large.kept == 9
    assert found_in(*[ENDED, ABOVE, KEPT_SOLVED] * 5).bands == []


# Sentences


def test_the_first_sentence_says_what_was_lost() -> None:
    found = found_in(*[ENDED] * 9, KEPT_SOLVED, KEPT_FINISHED, KEPT_FINISHED, *[WINNER] * 6)
    first, rests_on, *_ = found.sentences
    assert first == (
        "Early stopping ended 9 trials; of 3 like them that ran on by lot, 1 solved: about 3 winners lost "
        "(95 % interval: 0 to 9), 30 % of all that there would have been (0 to 56 %)."
    )
    assert "hypergeometric" in rests_on
    assert found.sentences[-1].startswith("About ")
    (table,) = found.tables
    assert table.frame["lost"].iloc[-1] == 3
    assert {column.name for column in table.columns} == set(table.frame.columns)


def test_one_that_ran_on_and_one_that_was_ended_are_told_in_the_singular() -> None:
    assert found_in(ENDED, KEPT_FINISHED, WINNER).sentences[0] == (
        "Early stopping ended 1 trial; one like it ran on by lot, and did not solve: 0 winners lost (95 % "
        "interval: 0 to 1), 0 % of all that there would have been (0 to 50 %)."
    )


def test_where_none_ran_on_it_says_how_many_more_trials_would_tell() -> None:
    first = found_in(*[ENDED] * 5, *[ABOVE] * 5).sentences[0]
    assert "cannot be determined, because no trial below the cut ran on by lot" in first
    # Half of the trials come below the cut, and a tenth of them runs on: ten take 200.
    assert "with the reserve of 10 %, about 200 more trials would bring 10 that do" in first


def test_without_a_reserve_it_says_how_to_have_one() -> None:
    first = found_in(ENDED, ABOVE, early_stopping={**RULE, "reserve": 0.0}).sentences[0]
    assert "reserve: 0.1" in first


def test_those_that_wait_may_go_on_and_it_says_so() -> None:
    said = " ".join(found_in(WAITS, WAITS_NOW, KEPT_FINISHED, KEPT_RUNS, WINNER).sentences)
    assert said.startswith("Early stopping let 2 trials wait below the cut; ")
    assert "2 trials below the cut wait and may still go on" in said
    assert "1 more trial below the cut ran on by lot and has no outcome yet" in said


def test_a_rule_that_halted_nothing_cost_nothing() -> None:
    assert found_in(ABOVE, WINNER).sentences == ["Early stopping ended no trial, so it has cost no winner."]
    assert "so far" in found_in(RUNS, WINNER).sentences[0]


def test_without_a_winner_there_is_no_share_of_winners() -> None:
    assert "no trial solved, so there is no share" in found_in(ENDED, KEPT_FINISHED, ABOVE).sentences[0]


def test_it_is_a_finding_only_where_the_plan_has_early_stopping_and_a_target() -> None:
    rows = search_of(ENDED, KEPT_SOLVED, ABOVE)
    assert "Early stopping ended 1 trial" in " ".join(answer(rows).sentences)
    content = answer(rows).as_json()["findings"]["stopped"]
    assert content["all"]["lost"]["value"] == 1
    sections = {section.key: section for section in content_of(rows).sections}
    assert sections["stopped"].title == "Winners lost to early stopping"
    assert stopped(search_of(ABOVE, early_stopping=None)) is None
    without = [answer(search_of(ABOVE, **{name: None})) for name in ("early_stopping", "target")]
    assert not any("stopped" in found.as_json()["findings"] for found in without)


# Other findings of the same search


def test_halted_trials_are_represented_in_the_cliff_and_the_times_and_doubted_only_where_they_are_not() -> (
    None
):
    trials = [ENDED, ABOVE, KEPT_FINISHED, WINNER, ABOVE, ENDED, WINNER, KEPT_SOLVED, WINNER, WINNER]
    said = " ".join(cliff(search_of(*trials)).sentences)
    assert "are weighted" in said
    assert "is not known" not in said
    # One that was interrupted is represented by none.
    said = " ".join(cliff(search_of(*trials, RUNS)).sentences)
    assert "The outcome of 1 trial is not known (1 interrupted)" in said
    unrepresented = [trial for trial in trials if trial not in (KEPT_FINISHED, KEPT_SOLVED)]
    said = " ".join(cliff(search_of(*unrepresented)).sentences)
    assert "2 trials" in said
    assert "is not known" in said


# Searches whose truth is known


def searches(bound: BoundPlan, number: int, slots: int = 1) -> list[Simulated]:
    found = []
    for seed in range(number):
        settings = bound.plan.search.model_copy(update={"seed": seed})
        plan = bound.plan.model_copy(update={"search": settings})
        found.append(
            simulate(dataclasses.replace(bound, plan=plan), np.random.default_rng(seed), slots=slots)
        )
    return found


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("below_cut", ["stop", "pause"])
def test_what_was_lost_is_estimated_without_bias_and_its_interval_holds_it(
    below_cut: str, slots: int
) -> None:
    bound = plan_of(30, at=[0.2, 0.5], reduction_factor=2, below_cut=below_cut, reserve=0.2)
    off, holds, beyond = [], [], []
    for search in searches(bound, 100, slots):
        found = stopped(search.rows)
        assert found is not None
        assert found.whole is not None
        trials = with_outcomes(search.rows)
        weighted = float(trials.loc[trials["outcome"] == "solved", "weight"].sum())
        # All that solve, were all trained to their end.
        beyond.append(weighted - search.would_solve.sum())
        if found.whole.kept:
            off.append(found.whole.lost.value - search.lost)
            holds.append(found.whole.lost.low <= search.lost <= found.whole.lost.high)
    assert abs(np.mean(off)) < UNLIKELY * np.std(off) / math.sqrt(len(off))
    assert abs(np.mean(beyond)) < UNLIKELY * np.std(beyond) / math.sqrt(len(beyond))
    # An interval that holds in 95 of 100 does so in less than 88 of 100 once in 600.
    assert np.mean(holds) >= 0.88
    # Leaving the halted out, as if none of them had solved, would be far off.
    left_out = [-search.lost for search in searches(bound, 30, slots)]
    assert abs(np.mean(left_out)) > UNLIKELY * np.std(left_out) / math.sqrt(len(left_out))


def test_the_cliff_under_a_rule_with_a_reserve_is_unbiased_where_leaving_trials_out_is_not() -> None:
    bound = plan_of(60, at=[0.3], reduction_factor=2, reserve=0.2)
    weighted, left_out, holds = [], [], []
    for search in searches(bound, 50):
        trials = with_outcomes(search.rows)
        size = cliff(search.rows).size()
        naive = fit_sizes(count(trials.assign(weight=np.minimum(trials["weight"], 1.0))))
        assert naive is not None
        weighted.append(math.log(size.value / HALF))
        left_out.append(math.log(naive.size().value / HALF))
        holds.append(size.low <= HALF <= size.high)
        assert halted(trials).sum() > 20
    error = np.std(weighted) / math.sqrt(len(weighted))
    assert abs(np.mean(weighted)) < UNLIKELY * error
    assert np.mean(left_out) < -UNLIKELY * error
    # The jackknife's interval; 95 in 100 would hold in less than 85 % of 50 once in 300.
    assert np.mean(holds) >= 0.85
