"""Early stopping beyond plain ASHA: bands, several metrics, pause and promotion, the reserve."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.plans import bound
from hypothesis import given
from hypothesis import strategies as st

from paretune.sampling.history import Standing
from paretune.stopping.bands import band_of, edges_between, edges_of
from paretune.stopping.making import stopper_of
from paretune.stopping.rungs import layers, quantile, rung_for
from paretune.stopping.stopper import EarlyStopper, Entrant, Verdict
from search_spaces.parts.early_stopping import EarlyStopping

LOSS = {"metric": "train_loss", "direction": "min", "at": [0.5], "reduction_factor": 2, "reserve": 0}


def stopper(edges: list[float] | None = None, seed: int = 0, **changes: object) -> EarlyStopper:
    rule = EarlyStopping.model_validate({**LOSS, **changes})
    return EarlyStopper(rule, rule.at, edges or [], seed)


def report(asha: EarlyStopper, label: str, loss: float, *, step: int = 50, params: int = 100, **more) -> str:
    at = [round(100 * share) for share in asha._rule.at]
    asha.enter(Entrant(label=label, params=params, report_at=at))
    return asha.reported(label, {"step": step, "train_loss": loss, **more})


# The cut


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values, share):
    assert quantile(sorted(values), share) == np.quantile(values, share)


@pytest.mark.parametrize(
    ("worths", "expected"),
    [
        ([(1, 1), (2, 2), (3, 3)], [2, 1, 0]),
        ([(1, 3), (2, 2), (3, 1)], [0, 0, 0]),
        ([(1, 1), (1, 1), (0, 2), (0, 0)], [0, 0, 0, 1]),
        ([(5, 5)], [0]),
    ],
    ids=["a chain", "a front", "ties and one dominated", "one alone"],
)
def test_layers_of_non_dominated_sorting(worths, expected):
    assert layers(np.array(worths, dtype=float)).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25))
def test_a_trial_lies_one_layer_below_the_lowest_that_dominates_it(worths):
    found = layers(np.array(worths, dtype=float))
    for own, layer in zip(worths, found, strict=True):
        above = [
            other_layer
            for other, other_layer in zip(worths, found, strict=True)
            if other != own and all(a >= b for a, b in zip(other, own, strict=True))
        ]
        assert layer == (max(above) + 1 if above else 0)


SEVERAL = [{"metric": "train_loss", "direction": "min"}, {"metric": "token_accuracy", "direction": "max"}]


def test_without_weights_nobody_is_below_the_cut_whom_no_other_dominates():
    asha = stopper(metric=None, direction=None, metrics=SEVERAL)
    for n in range(10):
        verdict = report(asha, f"front {n}", loss=n, token_accuracy=n / 10)
        assert verdict == Verdict.CONTINUE, "better in one, worse in the other"
    assert report(asha, "dominated", loss=5.5, token_accuracy=0.3) == Verdict.STOP


def test_weights_say_which_of_two_metrics_decides():
    def verdict(weights: tuple[float, float]) -> str:
        metrics = [{**one, "weight": weight} for one, weight in zip(SEVERAL, weights, strict=True)]
        asha = stopper(metric=None, direction=None, metrics=metrics)
        for n in range(5):
            report(asha, f"c{n}", loss=n, token_accuracy=n / 10)
        return report(asha, "low loss, low accuracy", loss=-1, token_accuracy=-1)

    assert verdict((10, 1)) == Verdict.CONTINUE
    assert verdict((1, 10)) == Verdict.STOP


def test_a_trial_of_which_one_metric_is_missing_is_not_compared():
    asha = stopper(metric=None, direction=None, metrics=SEVERAL)
    report(asha, "a", loss=1, token_accuracy=0.9)
    assert report(asha, "b", loss=9) == Verdict.CONTINUE
    assert list(asha.values[0.5]) == ["a"]


def test_shares_beaten_count_ties_as_half():
    rung = rung_for(EarlyStopping.model_validate(LOSS))
    for label, worth in {"a": 1.0, "b": 2.0, "c": 2.0, "d": 3.0}.items():
        rung.add(label, (worth,))
    assert [rung.share_beaten(label) for label in "abcd"] == [0, 0.5, 0.5, 1]


# Bands


def test_small_trials_are_compared_with_small_ones():
    asha = stopper([500])
    report(asha, "large", loss=0.1, params=900)
    assert report(asha, "small", loss=2.0, params=400) == Verdict.CONTINUE
    assert report(asha, "smaller and worse", loss=3.0, params=300) == Verdict.STOP
    assert report(asha, "at the edge", loss=3.0, params=500) == Verdict.STOP


def test_bands_of_a_plan_lie_between_its_sizes():
    rule = {**LOSS, "within": "params", "bands": 3}
    small, large = edges_of(bound(early_stopping=rule))
    sizes = (
        bound().params({"digits": 3, "d_model": 4, "lr": 0.01}),
        bound().params({"digits": 3, "d_model": 32, "lr": 0.01}),
    )
    assert sizes[0] < small < large < sizes[1]
    assert small / sizes[0] == pytest.approx(large / small) == pytest.approx(sizes[1] / large)
    assert edges_of(bound(early_stopping={**rule, "bands": [700, 900]})) == [700, 900]
    assert edges_of(bound(early_stopping=LOSS)) == ()


def test_edges_and_bands():
    assert edges_between(100, 1600, 4) == pytest.approx([200, 400, 800])
    assert [band_of(size, [200, 400]) for size in (100, 200, 399, 400, 1e9)] == [0, 1, 1, 2, 2]


# Pause and promotion


def test_a_paused_trial_goes_on_once_it_is_above_the_cut():
    asha = stopper(below_cut="pause")
    report(asha, "good", loss=1)
    assert report(asha, "middling", loss=2) == Verdict.PAUSE
    assert asha.promoted() is None
    report(asha, "bad", loss=3)
    report(asha, "worse", loss=4)
    assert asha.promoted() == "middling", "of the three others, two are worse"
    asha.goes_on("middling")
    assert asha.promoted() is None
    assert asha.paused == ["bad", "worse"]


def test_the_best_at_the_latest_rung_goes_on_first():
    asha = stopper(below_cut="pause", at=[0.2, 0.5])
    for label, loss in {"a": 1, "b": 5, "c": 4}.items():
        report(asha, label, loss=loss, step=20)
    report(asha, "d", loss=0.5, step=20)
    report(asha, "a", loss=1, step=50)
    report(asha, "d", loss=2, step=50)
    assert asha.paused == ["b", "c", "d"]
    assert asha.best_paused() == "d", "its rung is later"
    asha.goes_on("d")
    assert asha.best_paused() == "c"


def test_a_trial_that_went_on_below_the_cut_says_so_and_may_be_paused_again():
    asha = stopper(below_cut="pause", at=[0.2, 0.5])
    report(asha, "a", loss=1, step=20)
    report(asha, "b", loss=2, step=20)
    asha.goes_on("b")
    assert asha.runs_below_cut("b")
    assert asha.standing("b") == Standing(below_cut_at=(0.2,))
    report(asha, "a", loss=1, step=50)
    assert report(asha, "b", loss=2, step=50) == Verdict.PAUSE
    assert asha.standing("b") == Standing(below_cut_at=(0.5,), is_paused=True)
    assert not asha.runs_below_cut("b")


def test_a_paused_trial_whose_report_is_lost_comes_to_its_rung_again():
    asha = stopper(below_cut="pause")
    standing = Standing(below_cut_at=(0.5,), is_paused=True)
    asha.restore(Entrant(label="a", params=100, report_at=[50]), [], None, standing)
    assert asha.paused == []
    assert asha.best_paused() is None
    report(asha, "b", loss=1)
    assert report(asha, "a", loss=2) == Verdict.PAUSE


# The reserve


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_so_many_trials_are_drawn_as_is_said(share):
    asha = stopper(reserve=share)
    for n in range(4000):
        asha.enter(Entrant(label=f"c{n:03d}-s0", params=1, report_at=[50]))
    drawn = sum(asha.is_in_reserve(f"c{n:03d}-s0") for n in range(4000))
    # Five standard deviations: by chance once in two million. The draws are the same each time.
    assert abs(drawn - 4000 * share) < 5 * np.sqrt(4000 * share * (1 - share))


def test_lots_depend_on_the_seed_and_the_trial_alone():
    def drawn(seed: int) -> list[bool]:
        asha = stopper(reserve=0.3, seed=seed)
        labels = [f"c{n:03d}-s0" for n in range(60)]
        for label in reversed(labels):
            asha.enter(Entrant(label=label, params=1, report_at=[50]))
        return [asha.is_in_reserve(label) for label in labels]

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def reserved(asha: EarlyStopper, *, is_drawn: bool = True) -> str:
    """A label of a trial that is drawn, or not."""
    for n in range(100):
        label = f"c{n:03d}-s0"
        asha.enter(Entrant(label=label, params=1, report_at=[50]))
        if label not in asha.values[0.5] and asha.is_in_reserve(label) == is_drawn:
            return label
    raise AssertionError


def test_a_drawn_trial_runs_on_below_the_cut_and_stands_for_others():
    asha = stopper(reserve=0.5)
    first = reserved(asha, is_drawn=False)
    report(asha, first, loss=1)
    drawn = reserved(asha)
    assert report(asha, drawn, loss=9) == Verdict.CONTINUE
    assert asha.take_changes() == {drawn: Standing(below_cut_at=(0.5,), kept_chance=0.5)}
    assert asha.take_changes() == {}


def test_a_drawn_trial_above_the_cut_stands_for_itself():
    asha = stopper(reserve=0.5)
    report(asha, reserved(asha, is_drawn=False), loss=1)
    drawn = reserved(asha)
    assert report(asha, drawn, loss=0.1) == Verdict.CONTINUE
    assert asha.standing(drawn) == Standing()


def test_where_trials_are_promoted_a_drawn_one_that_would_be_too_stands_for_itself():
    asha = stopper(reserve=0.3, below_cut="pause")
    report(asha, reserved(asha, is_drawn=False), loss=1)
    drawn = reserved(asha)
    report(asha, drawn, loss=2)
    assert asha.promoted() is None
    assert asha.standing(drawn).kept_chance == 0.3
    for _ in range(2):
        report(asha, reserved(asha, is_drawn=False), loss=5)
    asha.promoted()
    assert asha.standing(drawn) == Standing(kept_chance=1.0)


def test_what_goes_on_for_want_of_better_takes_better_drawn_ones_along():
    asha = stopper(reserve=0.3, below_cut="pause")
    report(asha, reserved(asha, is_drawn=False), loss=1)
    better, worse = reserved(asha), None
    report(asha, better, loss=5)
    worse = reserved(asha)
    report(asha, worse, loss=9)
    paused = reserved(asha, is_drawn=False)
    assert report(asha, paused, loss=7) == Verdict.PAUSE
    asha.goes_on(paused)
    assert asha.standing(better).kept_chance == 1.0
    assert asha.standing(worse).kept_chance == 0.3


# What a plan says


def test_a_plan_without_early_stopping_has_no_stopper():
    assert stopper_of(bound()) is None
