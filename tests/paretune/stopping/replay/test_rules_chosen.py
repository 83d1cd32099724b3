"""Which rule is recommended: on curves whose winners are known, and that did not choose it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.curves import search_of

from paretune.errors import InputError
from paretune.stopping.replay.choosing import Trials
from paretune.stopping.replay.curves import CurvesError, NoWinnersError, population_of
from paretune.stopping.replay.finding import Tried, stopping
from paretune.stopping.replay.screening import Spent

SIZES = np.repeat(np.random.default_rng(7).integers(100, 1000, 60), 2)
WINS = np.random.default_rng(8).random(120) < 0.3


def told_from(share, good=0.1, bad=1.0):
    """Losses that say who wins from a share of the 1,000 steps on, and are noise before."""

    def loss(number, step, is_won, rng):
        if step < 1000 * share:
            return rng.random()
        return (good if is_won else bad) + 0.01 * rng.random()

    return loss


def test_a_rule_is_recommended_that_waits_until_winners_are_known_and_then_loses_none():
    found = stopping([search_of(SIZES, WINS, told_from(0.3))], Tried(metrics=["train_loss"]))
    assert found.recommended is not None
    assert min(found.recommended.rule.rungs) >= 0.3
    assert found.recommended.losses.worst <= 0.05
    assert found.recommended.ratio.high < 0.8
    assert found.elsewhere.lost.value < 0.05
    before = [one for one in found.judged if min(one.rule.rungs) < 0.3]
    assert all(one.losses.lost.value > 0.02 for one in before)
    assert found.sentences[0].startswith(f"Recommended: {found.recommended.rule}")
    assert found.early_stopping.startswith("early_stopping:\n  metric: train_loss\n")


def test_no_rule_is_recommended_where_winners_look_like_losers():
    found = stopping([search_of(SIZES, WINS, told_from(0, good=1.0, bad=0.1))], Tried(metrics=["train_loss"]))
    assert found.recommended is None
    assert found.sentences[0].startswith("No rule")
    assert found.elsewhere.lost.value == 0
    assert found.elsewhere.ratio == pytest.approx(1)


def test_noise_does_not_lose_a_recommended_rule_more_winners_than_was_accepted():
    """By chance the best of many rules loses few of those that chose it: not of the others."""
    noise = search_of(SIZES, WINS, lambda number, step, is_won, rng: rng.random())
    found = stopping([noise], Tried(metrics=["train_loss"]))
    best = min(found.judged, key=lambda one: one.losses.worst)
    assert found.recommended is None
    # A factor of 1.25 ends a fifth of the trials, whoever they are, or a little less where it pauses.
    assert 0.1 < best.losses.worst < 0.5
    assert best.ratio.value > 0.9


def test_small_winners_that_are_lost_are_seen_in_their_band():
    """Half of the winners are small, and look worse than those who lose: in all they are half."""
    is_small = np.median(SIZES[WINS]) > SIZES

    def loss(number, step, is_won, rng):
        return (2.0 if is_small[number] else 0.1) if is_won else 1.0 + rng.random() / 10

    found = stopping([search_of(SIZES, WINS, loss)], Tried(metrics=["train_loss"], bands=2, factors=[2.0]))
    small, large = found.best.losses.by_band if found.best else found.judged[0].losses.by_band
    assert small.value > 0.5
    assert large.value < 0.1
    assert found.recommended is None


def test_several_searches_are_left_out_in_turn_and_say_where_most_is_lost():
    kinds = {"like": 0.1, "likewise": 0.1, "otherwise": 2.0}
    searches = [
        search_of(SIZES, WINS, told_from(0.2, good=good), name=name, seed=number)
        for number, (name, good) in enumerate(kinds.items())
    ]
    found = stopping(searches, Tried(metrics=["train_loss"], shares=[0.3, 0.5]))
    assert [part.part for part in found.parts] == [0, 1, 2]
    lost = {name: part.losses.lost.value for name, part in zip(kinds, found.parts, strict=True)}
    assert lost["otherwise"] > 0.9
    assert "Most are lost on otherwise" in " ".join(found.sentences)
    assert found.tables[1].frame["judged_on"].tolist() == [*kinds, "all"]


def test_parts_never_share_a_configuration_and_have_winners_alike():
    people = population_of(search_of(SIZES, WINS, told_from(0.3)))
    trials = Trials([people], 3)
    owners = {}
    for unit, part in zip(trials.unit, trials.part, strict=True):
        assert owners.setdefault(unit, part) == part
    assert len(set(owners.values())) == 5
    winners = np.bincount(trials.part, trials.solved)
    assert winners.max() - winners.min() <= 4
    both = Trials([people, people], 3)
    assert both.part.tolist() == [0] * len(people) + [1] * len(people)
    assert len(np.unique(both.unit)) == 2 * len(np.unique(trials.unit))


def test_glances_without_each_part_are_those_of_the_trials_that_are_not_of_it():
    people = [
        population_of(search_of(SIZES, WINS, told_from(0.3), seed=seed, name=f"s{seed}"))
        for seed in (0, 1, 2)
    ]
    trials = Trials(people, 3)
    rng = np.random.default_rng(0)
    spent = [
        Spent(lost=rng.random(len(one)) * one.solved, steps=one.steps * rng.random(len(one)))
        for one in people
    ]
    *parts, whole = trials.glances({"rule": spent})
    for part, seen in [*enumerate(parts), (None, whole)]:
        some = trials.all if part is None else trials.part != part
        losses = trials.losses(spent, some)
        assert seen["rule"].worst == pytest.approx(losses.worst)
        assert seen["rule"].ratio == pytest.approx(losses.ratio)


def test_the_interval_of_a_loss_counts_seeds_only_as_far_as_they_differ():
    people = population_of(search_of(np.repeat([100, 200, 300, 400], 8), [True] * 32, told_from(0), seeds=8))
    trials = Trials([people], 1)
    steps = [people.steps.astype(float)]
    alike = np.repeat([1.0, 0.0, 1.0, 0.0], 8)
    mixed = np.tile([1.0, 0.0], 16)
    intervals = [trials.of(lost, trials.cost(steps), trials.all).lost for lost in (alike, mixed)]
    assert [one.value for one in intervals] == [0.5, 0.5]
    widths = [one.high - one.low for one in intervals]
    assert widths[0] > 1.5 * widths[1]
    none = trials.of(np.zeros(32), trials.cost(steps), trials.all).lost
    assert none.value == 0
    assert none.high > 0.3, "of four configurations nothing is known so well"


def test_bands_hold_about_as_many_winners_each_and_one_size_is_in_the_middle():
    people = population_of(search_of(SIZES, WINS, told_from(0.3)))
    band = people.bands(3)
    counts = np.bincount(band, people.solved)
    assert counts.sum() == WINS.sum()
    assert counts.max() - counts.min() <= 4
    sizes = [people.params[band == number] for number in range(3)]
    assert sizes[0].max() < sizes[1].min()
    assert sizes[1].max() < sizes[2].min()
    same = population_of(search_of([100] * 6, [True] * 6, told_from(0.3)))
    assert same.bands(3).tolist() == [1] * 6


def test_stopped_trials_left_out_make_the_cliff_look_smaller_and_a_reserve_repairs_it():
    """Success rises with size, and losers are ended: those left over mostly solved."""
    rng = np.random.default_rng(3)
    sizes = np.repeat(np.geomspace(100, 1000, 80).round(), 2)
    wins = rng.random(160) < 1 / (1 + np.exp(-3 * np.log(sizes / 320)))
    rows = search_of(sizes, wins, told_from(0.2))
    found = stopping([rows], Tried(metrics=["train_loss"], shares=[0.3], factors=[2.0, 3.0]))
    for one in found.cliffs:
        assert one.bias < 0.85
        assert abs(math.log(one.bias_with_reserve)) < abs(math.log(one.bias)) / 2
    assert "With stopped trials left out, one would read" in " ".join(found.sentences)


def test_what_cannot_be_judged_is_refused():
    rows = search_of(SIZES, WINS, told_from(0.3))
    cut = rows.plan.model_copy(update={"early_stopping": object()})
    aimless = rows.plan.model_copy(update={"target": None})
    for plan, words in ((cut, "ran with early stopping"), (aimless, "has no target")):
        other = search_of(SIZES, WINS, told_from(0.3))
        other.__dict__["plan"] = plan
        with pytest.raises(CurvesError, match=words):
            stopping([rows, other])
    hopeless = search_of(SIZES, [False] * 120, told_from(0.3), name="hopeless")
    with pytest.raises(NoWinnersError, match="none of the 120 trials of hopeless"):
        stopping([hopeless])
    with pytest.raises(CurvesError, match="none of the 2 searches"):
        stopping([hopeless, hopeless])
    found = stopping([rows, hopeless], Tried(metrics=["train_loss"], shares=[0.5]))
    assert found.without_winners == ["hopeless"]
    with pytest.raises(InputError, match="accepted: exact_match, train_loss"):
        stopping([rows], Tried(metrics=["loss"]))


@pytest.mark.parametrize(
    ("tried", "words"),
    [
        ({"shares": [0.5, 1.0]}, "share between 0 and 1, but got 1"),
        ({"factors": [1.0]}, "factor is above 1, but got 1"),
        ({"steps": [0]}, "step 1 or later, but got 0"),
        ({"bands": 0}, "at least 1 band"),
        ({"most_lost": 1.0}, "a share below 1"),
        ({"slots": 0}, "at least 1 trial"),
        ({"factors": []}, "at least one factor"),
    ],
)
def test_what_cannot_be_tried_is_refused(tried, words):
    with pytest.raises(InputError, match=words):
        Tried(**tried).check()


def test_trials_without_a_known_outcome_are_left_out_and_counted():
    rows = search_of(SIZES, WINS, told_from(0.3))
    rows.trials.loc[:4, "ending"] = "interrupted"
    found = stopping([rows], Tried(metrics=["train_loss"], shares=[0.5]))
    assert found.tables[2].frame[["trials", "not_known"]].iloc[0].tolist() == [115, 5]
    assert "5 trials with an unknown outcome left out" in " ".join(found.sentences)
