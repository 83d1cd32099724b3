"""Learning-rate regimes: curves drawn by hand, bands whose truth is known, and the published rows."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from truths import coverage, search_of
from truths_regimes import RATES, SIZES, TRUTHS, Bands

from analysis.files.layout import SelectionError
from analysis.pictures.marks import Points as Dots
from analysis.regimes import REGIMES, Regimes, classify, regimes
from analysis.regimes.band import combined
from analysis.regimes.points import points_of
from analysis.rows import SearchRows

PUBLISHED = Path(__file__).parents[2] / "results" / "published"

Curve = tuple[str | None, list[float], list[float]]
"""An ending, the losses of reports at equal steps, and their exact match."""

FALLING = [3.0 * 0.97**step for step in range(20)]
PLATEAU = [3.0, 2.5, *[2.0 + 0.004 * (step % 3) for step in range(18)]]
LEARNED = [3.0 * 0.5**step for step in range(20)]
NONE = [0.0] * 20
HELD = [0.0] * 10 + [1.0] * 10
LOST = [0.0] * 10 + [1.0] * 8 + [0.9, 0.5]


def curves(*drawn: Curve, **changes: Any) -> SearchRows:
    trials, reports = [], []
    for number, (ending, losses, matches) in enumerate(drawn):
        for step, (loss, match) in enumerate(zip(losses, matches, strict=True), start=1):
            reports.append(
                {
                    "trial": f"c{number:03d}-s0",
                    "configuration": number,
                    "seed": 0,
                    "step": 50 * step,
                    "val_loss": loss,
                    "exact_match": match,
                }
            )
        trials.append(
            {
                "configuration": number,
                "seed_index": 0,
                "params": 1000,
                "values": {"lr": 0.01, "d_model": number + 1},
                "ending": ending,
                "val_loss": losses[-1] if losses else None,
                "exact_match": matches[-1] if matches else None,
            }
        )
    return search_of(trials, reports, **changes)


def test_every_regime_is_told_from_the_others():
    found = classify(
        curves(
            ("solved", LEARNED, HELD),
            ("solved", LEARNED, LOST),
            ("finished", FALLING, NONE),
            ("finished", PLATEAU, NONE),
            ("finished", [3.0, 1.0, *[0.5] * 10, *[1.2] * 8], NONE),
            ("finished", [3.0, *[7.0] * 19], NONE),
            ("diverged", [3.0, 2.9], [0.0, 0.0]),
            ("finished", [3.0, 2.9], [0.0, 0.0]),
            ("stopped early", FALLING[:5], NONE[:5]),
            ("failed", PLATEAU, NONE),
            ("interrupted", PLATEAU, NONE),
            (None, PLATEAU, NONE),
        )
    )
    assert found.loss == "val_loss"
    assert list(found.regime) == [
        "works",
        "unstable",
        "too slow",
        "stuck",
        "unstable",
        "diverges",
        "diverges",
        "not learned",
        *["unknown"] * 4,
    ]
    assert found.weight.tolist() == [1.0] * 8 + [0.0] * 4


def test_one_that_blew_up_before_its_first_report_diverges_even_if_early_stopping_ended_it():
    """Its loss falls from 70 to 13, which is far above the usual loss of a first report."""
    usual = [("finished", PLATEAU, NONE)] * 3
    found = classify(curves(*usual, ("stopped early", [70.0, 40.0, 13.0], [0.0] * 3)))
    assert list(found.regime) == ["stuck"] * 3 + ["diverges"]


def test_scatter_on_a_plateau_is_not_a_fall():
    """A line through noise of 5 % falls by 2 % in one plateau of four, by two standard errors in one of
    forty; in none of twenty more than four times has odds of 1 in 7,000."""
    rng = np.random.default_rng(0)
    drawn = [("finished", list(2.0 + 0.1 * rng.standard_normal(50)), [0.0] * 50) for _ in range(20)]
    assert sum(classify(curves(*drawn)).regime == "too slow") <= 4
    falls = [
        ("finished", list(2.0 * 0.99 ** np.arange(50) + 0.01 * rng.standard_normal(50)), [0.0] * 50)
        for _ in range(20)
    ]
    assert sum(classify(curves(*falls)).regime == "too slow") >= 18


def test_target_on_a_loss_is_lost_when_the_loss_is_above_it():
    target = {"target": {"val_loss": 0.5}}
    found = classify(curves(("solved", LEARNED, NONE), ("solved", [3.0, 0.4, 0.4, 0.6], NONE[:4]), **target))
    assert list(found.regime) == ["works", "unstable"]


def test_order_of_reports_does_not_matter():
    rows = curves(("finished", FALLING, NONE), ("solved", LEARNED, LOST), ("finished", PLATEAU, NONE))
    mixed = SearchRows.of_frames(
        rows.plan, list(rows.metrics.values()), rows.trials, rows.reports.sample(frac=1, random_state=1)
    )
    assert list(classify(mixed).regime) == list(classify(rows).regime) == ["too slow", "unstable", "stuck"]


def test_a_trial_kept_by_lot_stands_for_those_that_were_not():
    rows = curves(("finished", PLATEAU, NONE), ("solved", LEARNED, HELD))
    rows.trials["kept_chance"] = [0.25, None]
    assert classify(rows).weight.tolist() == [4.0, 1.0]


# The band


def band_of(**changes: Any) -> Regimes:
    return regimes(Bands(design="map", steepness=6.0, **changes).simulate(np.random.default_rng(1)))


@pytest.fixture(scope="module")
def found() -> Regimes:
    return band_of()


def test_edges_best_rate_and_exponent_are_near_the_truth(found: Regimes):
    for size in (SIZES[0], SIZES[-1]):
        lower, best, upper = Bands(design="map", steepness=6.0).edges(size)
        assert found.edge("lower", size).value == pytest.approx(lower, rel=0.35)
        assert found.edge("upper", size).value == pytest.approx(upper, rel=0.35)
        assert found.rate_for(size).value == pytest.approx(best, rel=0.35)
    assert found.exponent.low < -0.4 < found.exponent.high < 0


def test_first_sentence_names_the_band_at_both_ends_and_the_power_law(found: Regimes):
    first = found.sentences[0]
    assert first.startswith("At 876 parameters rates of 0.00")
    assert "at 4,256 parameters rates of 0.00" in first
    assert "work for at least half of the seeds" in first
    assert "falls as params^-0." in first
    assert any(text.startswith("Recommended: ") and "extrapolated" in text for text in found.sentences)


def test_a_rate_at_a_new_size_follows_the_power_law(found: Regimes):
    near, far = found.rate_for(1000).value, found.rate_for(16_000).value
    assert far / near == pytest.approx(16**found.exponent.value)
    with pytest.raises(ValueError, match="above 0"):
        found.rate_for(0)


def test_one_size_says_nothing_of_others():
    found = regimes(
        Bands(design="one size", steepness=6.0, seeds=4).simulate(np.random.default_rng(0)),
    )
    assert found.rate_for(1360).is_known
    assert not found.rate_for(2720).is_known
    assert not found.exponent.is_known
    assert "geometric middle" in found.sentences[0]


def test_an_edge_beyond_all_rates_is_not_reached():
    found = band_of(middle_rate=0.08)
    text = " ".join(found.sentences)
    assert "0.1 (the highest tried)" in found.sentences[0]
    assert "above 0.1, the highest rate tried" in text
    assert "To reach the upper edge, try rates of" in text


def test_where_no_rate_works_for_half_it_is_said():
    rows = grid(
        lambda rate, size, seed: 0.005 < rate < 0.05 and (size > 2000 or (seed == 0 and rate == 0.01))
    )
    found = regimes(rows)
    assert "At 876 parameters no rate that was tried works for half of its seeds" in found.sentences[0]
    assert not found.has_band(SIZES[0])
    assert found.has_band(SIZES[-1])


def grid(solves: Any, rates: Any = RATES, ending: str = "finished", **changes: Any) -> SearchRows:
    trials = [
        {
            "configuration": number,
            "seed_index": seed,
            "params": size,
            "values": {"lr": rate, "d_model": number + 1},
            "ending": "solved" if solves(rate, size, seed) else ending,
        }
        for number, (rate, size) in enumerate((rate, size) for rate in rates for size in SIZES)
        for seed in range(3)
    ]
    return search_of(trials, **changes)


def test_separated_outcomes_bound_the_edge_between_them():
    """All fail at 0.003 and all work at 0.005: nobody doubts that the lower edge lies about there."""
    found = regimes(grid(lambda rate, size, seed: 0.004 < rate < 0.04))
    lower, upper = found.edge("lower", 1360), found.edge("upper", 1360)
    assert 0.002 < lower.low < lower.value < lower.high < 0.007
    assert 0.02 < upper.low < upper.value < upper.high < 0.08


def test_unknown_trials_are_left_out_and_the_other_reading_is_told():
    plain = regimes(grid(lambda rate, size, seed: 0.004 < rate < 0.04))
    mixed = grid(lambda rate, size, seed: 0.004 < rate < 0.04)
    mixed.trials.loc[mixed.trials["seed_index"] == 2, "ending"] = "stopped early"
    found = regimes(mixed)
    assert found.edge("lower", 1360).value == pytest.approx(plain.edge("lower", 1360).value, rel=0.1)
    (told,) = [text for text in found.sentences if "counted as failed" in text]
    assert told.startswith("45 trials whose outcome is not known are left out of the edges")


def never(rate: float, size: int, seed: int) -> bool:
    return False


def always(rate: float, size: int, seed: int) -> bool:
    return True


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            grid(never),
            "At 876 to 4,256 parameters no rate works: 0 of 135 trials solved at rates of 0.001 to 0.1",
        ),
        (grid(never, ending="diverged"), "no rate works: 0 of 135 trials"),
        (grid(always), "rates of 0.001 (the lowest tried) to 0.1 (the highest tried) work"),
        (grid(never, ending="interrupted"), "cannot be determined: no outcome is known yet, of 135 trials"),
        (
            grid(always, rates=(0.01,)),
            "cannot be determined: only 0.01 was tried, at which 15 of 15 trials work",
        ),
        (grid(never, target=None), "cannot be determined: the search has no target"),
        (curves(("solved", LEARNED, HELD)), "only 0.01 was tried, at which 1 of 1 trial work"),
        (curves((None, [], [])), "no outcome is known yet, of 1 trial"),
        (grid(lambda rate, size, seed: seed == 0), "cannot be determined"),
    ],
)
def test_searches_that_cannot_tell_say_so(rows: SearchRows, said: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = regimes(rows)
        assert said in found.sentences[0]
        assert len(found.tables) == 2
        json.dumps(found.as_json(), allow_nan=False)
        for index in range(len(found.pictures)):
            found.plot(Figure().add_subplot(), index)


def test_empty_search_says_so():
    rows = curves((None, [], []))
    empty = SearchRows.of_frames(rows.plan, list(rows.metrics.values()), rows.trials.iloc[:0])
    found = regimes(empty)
    assert list(found.sentences) == ["Which rates work cannot be determined: there is no trial yet."]
    assert (list(found.tables), list(found.pictures)) == ([], [])
    json.dumps(found.as_json(), allow_nan=False)


# Parameters


def with_values(*values: dict[str, Any]) -> SearchRows:
    return search_of(
        [
            {"configuration": n, "seed_index": 0, "params": 100, "values": each, "ending": "finished"}
            for n, each in enumerate(values)
        ]
    )


def test_wrong_parameters_are_refused_with_what_there_is():
    rows = with_values(
        {"lr": 0.1, "momentum": 0.0, "norm": "rms"}, {"lr": 0.2, "momentum": 0.9, "norm": "none"}
    )
    with pytest.raises(SelectionError, match=r"--rate got 'lrr', not a parameter here.*lr"):
        regimes(rows, "lrr")
    with pytest.raises(SelectionError, match="--size got"):
        regimes(rows, "lr", "widht")
    with pytest.raises(SelectionError, match=r"--rate momentum: is 0 in some configurations; .* above 0"):
        regimes(rows, "momentum")
    with pytest.raises(SelectionError, match=r"--rate norm: is rms"):
        regimes(rows, "norm")
    with pytest.raises(SelectionError, match="two parameters"):
        regimes(rows, "lr", "lr")


def test_trials_without_the_rate_are_left_out_and_counted():
    found = regimes(with_values({"muon_lr": 0.1}, {"muon_lr": None}, {"muon_lr": 0.2}), "muon_lr")
    assert len(found.points.frame) == 2
    assert any("1 trial without muon_lr is left out" in text for text in found.sentences)


def test_many_sizes_stand_together_and_the_factor_is_said():
    found = regimes(Bands(design="random", steepness=6.0).simulate(np.random.default_rng(0)))
    table = found.tables[0]
    assert "sizes within a factor of 1.5 stand together" in table.title
    assert len(table.frame) <= 8
    assert table.frame["trials"].sum() == len(found.points.frame) == 180
    assert (table.frame["size_to"] / table.frame["size_from"]).max() <= 1.5


# Tables, pictures, differences


def test_tables_count_every_trial_and_describe_every_column(found: Regimes):
    for table in found.tables:
        assert table.frame["trials"].sum() == 135
        assert [column.name for column in table.columns] == list(table.frame.columns)
        counts = [name.replace(" ", "_") for name in REGIMES if name.replace(" ", "_") in table.frame.columns]
        assert (table.frame[counts].sum(axis=1) == table.frame["trials"]).all()
    assert table.frame.set_index(["size", "rate"]).index.is_unique
    row = found.tables[0].frame.set_index("size").loc[1360]
    assert row["lower"] < row["best"] < row["upper"]


def test_map_has_a_dot_for_every_trial_and_seeds_do_not_hide_each_other(found: Regimes):
    (picture,) = found.pictures
    dots = [mark for mark in picture.marks if isinstance(mark, Dots)]
    places = [place for mark in dots for place in zip(mark.x, mark.y, strict=True)]
    assert len(set(places)) == 135
    assert {mark.role for mark in dots} <= set(REGIMES)
    assert "135 trials of 45 configurations, 3 per configuration" in picture.caption


def test_difference_is_the_ratio_of_this_search_to_the_other(found: Regimes):
    faster = band_of(middle_rate=0.032)
    ratios = {each.quantity.split(" of")[0]: each for each in faster.difference_from(found)}
    assert set(ratios) == {"lower edge", "best rate", "upper edge"}
    for each in ratios.values():
        assert each.change.low < 2.0 < each.change.high
        assert each.change.value == pytest.approx(each.second.value / each.first.value)
    assert ratios["lower edge"].is_significant
    assert not any(each.is_significant for each in found.difference_from(found))


def test_searches_of_other_sizes_have_no_difference(found: Regimes):
    small = regimes(curves(("solved", LEARNED, HELD), ("finished", PLATEAU, NONE)))
    assert found.difference_from(small) == []


def test_combined_intervals_stay_uneven_and_open():
    assert combined([(1.0, (1.0, 0.0, 3.0)), (-1.0, (0.0, 0.0, 0.0))]) == (1.0, 0.0, 3.0)
    assert combined([(-1.0, (1.0, 0.0, 3.0))]) == (-1.0, -3.0, 0.0)
    assert combined([(0.5, (1.0, 0.5, np.inf)), (0.5, (1.0, 1.0, 1.0))]) == (1.0, 0.75, np.inf)


# Published rows


def test_the_plateau_at_a_tenth_of_the_problems_is_no_success():
    rows = SearchRows(PUBLISHED / "gpt_acc_jax_sweep")
    trials = rows.trials.assign(regime=classify(rows).regime)
    assert (trials.loc[trials["ending"] == "solved", "regime"] == "works").all()
    plateau = trials[trials["token_accuracy"].between(0.915, 0.93)]
    assert plateau["regime"].value_counts().to_dict() == {"stuck": 10, "too slow": 4}
    # Exact match of 0.997, and the loss halves in the last fifth: it wants more steps.
    assert trials.set_index("trial").loc["c008-s0", "regime"] == "too slow"
    assert trials["regime"].value_counts().to_dict() == {"stuck": 90, "works": 40, "too slow": 38}


def test_a_language_model_far_above_all_others_counts_as_diverged():
    rows = SearchRows(PUBLISHED / "gpt2-laptop")
    trials = rows.trials.assign(regime=classify(rows).regime)
    diverged = trials[trials["regime"] == "diverges"]
    assert diverged["bits_per_byte"].round(1).tolist() == [13.2]
    # The only loss that early stopping did not leave unknown.
    assert set(trials.loc[trials["ending"] == "stopped early", "regime"]) == {"unknown", "diverges"}


def test_every_published_search_has_an_answer():
    for folder in sorted(PUBLISHED.iterdir()):
        if (folder / "trials.jsonl").exists():
            found = regimes(SearchRows(folder))
            assert found.sentences[0].endswith(".")
            json.dumps(found.as_json(), allow_nan=False)


# Coverage


@pytest.mark.parametrize("name", ["map, sharp edges", "one size"])
def test_intervals_hold_the_truth(name: str):
    """Of 25 intervals with a true coverage of 95 % fewer than 20 hold it in 1 of 800 runs."""
    (truth,) = [truth for truth in TRUTHS if truth.name == name]
    shares = {row.quantity: row.share for row in coverage(truth, 25)}
    naive = shares.pop("naive lower edge")
    assert min(shares.values()) >= 20 / 25
    assert naive < 20 / 25


def test_trials_as_numbers_are_put_together_by_configuration():
    rows = grid(lambda rate, size, seed: seed == 0, rates=(0.01, 0.1))
    cells = points_of(rows, "lr", "params").cells()
    assert cells.works.tolist() == [1.0] * 10
    assert cells.trials.tolist() == [3.0] * 10
    assert isinstance(points_of(rows, "lr", "params").known, pd.DataFrame)
