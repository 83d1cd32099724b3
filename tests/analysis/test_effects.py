"""What matters: effects on rows made by hand, on simulated searches, and on the published sweep."""

from __future__ import annotations

import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import truths_effects
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests
from truths import METRICS, coverage, search_of
from typer import Typer

from analysis.effects import Change, Effects, effects
from analysis.effects.changes import holm
from analysis.effects.comparing import compared
from analysis.effects.exact import difference_of_rates, of_signs, within_places
from analysis.effects.matched import pairings
from analysis.pictures.marks import Points
from analysis.pictures.painting import figure_of
from analysis.rows import SearchRows
from paretune.cli.answers.effects import effects as command

app = Typer()
app.command()(command)
PUBLISHED = Path(__file__).parents[2] / "results" / "published"
RANDOM = {"sampler": "random", "trials": 2, "seeds": 1}


def a_list(outcomes: list[tuple[dict[str, Any], str]], **changes: Any) -> SearchRows:
    """Return a one-at-a-time list: configurations with a letter for each seed's ending."""
    endings = {"s": "solved", "f": "finished", "d": "diverged", "e": "stopped early", "-": None}
    trials = [
        {
            "configuration": number,
            "seed_index": seed,
            "params": 100 + number,
            "values": values,
            "ending": endings[letter],
            "exact_match": float(letter == "s"),
        }
        for number, (values, letters) in enumerate(outcomes)
        for seed, letter in enumerate(letters)
    ]
    listed = [values for values, _ in outcomes]
    return search_of(trials, **{"space": {}, "only": listed, "search": {"seeds": 1}, **changes})


def the(found: Effects, parameter: str, after: str) -> Change:
    (change,) = (one for one in found.changes if (one.parameter, one.after) == (parameter, after))
    return change


def test_change_of_a_list_is_over_its_pairs_and_by_fishers_test() -> None:
    base = {"norm": "a", "position": "p", "d_ff": 28}
    found = effects(
        a_list(
            [
                (base, "ssssssss"),
                ({**base, "norm": "b"}, "sssssssf"),
                ({**base, "position": "q"}, "ffffffff"),
                ({**base, "d_ff": 14}, "sfsfde-s"),
            ]
        )
    )
    assert found.method == "matched pairs"
    assert found.comparisons == 3
    rotary = the(found, "position", "q")
    assert rotary.before == "p"
    assert rotary.effect.value == -1
    assert rotary.p_value == pytest.approx(fisher_exact([[8, 0], [0, 8]]).pvalue)
    assert rotary.p_holm == pytest.approx(3 * rotary.p_value)
    assert rotary.holds
    # Newcombe's method 10 for 8/8 against 7/8.
    norm = the(found, "norm", "b")
    assert (norm.effect.value, norm.pairs, norm.trials) == (-0.125, 1, 16)
    assert norm.effect.low == pytest.approx(-0.471, abs=0.001)
    # Diverged is a failure; stopped early and running are not known.
    assert the(found, "d_ff", "14").rates == ("8 of 8", "3 of 6")
    assert "1 of 3 comparisons holds" in found.sentences[0]
    assert "8 of 8 against 0 of 8" in found.sentences[0]
    assert any("2 trials with an unknown outcome are left out" in s for s in found.sentences)


def test_pairs_differ_in_one_parameter_only() -> None:
    table = pd.DataFrame(
        {"width": [6, 7, 7, 6, 8], "feed": [24, 28, 14, 14, 32], "norm": ["a", "a", "a", "a", "b"]},
        index=[10, 11, 12, 13, 14],
    )
    found = {(p.parameter, p.before, p.after): (p.first.tolist(), p.second.tolist()) for p in pairings(table)}
    assert found == {
        ("width", "6", "7"): ([3], [2]),
        ("feed", "14", "24"): ([3], [0]),
        ("feed", "14", "28"): ([2], [1]),
    }
    # With a base, changes are from its value.
    assert ("width", "7", "6") in {(p.parameter, p.before, p.after) for p in pairings(table, base=11)}


def test_several_pairs_are_one_comparison_that_never_mixes_them() -> None:
    # Two models, an easy and a hard one. Pooled, the sides are alike; within each model, one is better.
    found = effects(
        a_list(
            [
                ({"norm": "a", "d_ff": 1}, "sfffff"),
                ({"norm": "b", "d_ff": 1}, "ffffff"),
                ({"norm": "a", "d_ff": 9}, "ssssss"),
                ({"norm": "b", "d_ff": 9}, "ssffff"),
            ]
        )
    )
    change = the(found, "norm", "b")
    assert (change.pairs, change.trials, change.test) == (2, 24, "exact within pairs")
    assert change.rates == ("7 of 12", "2 of 12")
    assert change.effect.value == pytest.approx(-5 / 12)
    pooled = float(fisher_exact([[7, 5], [2, 10]]).pvalue)
    assert change.p_value < pooled


def test_tests_of_pairs_are_exact() -> None:
    for first, second in ((3, 0), (5, 1), (2, 4)):
        expected = float(fisher_exact([[first, 6 - first], [second, 6 - second]]).pvalue)
        found = within_places(np.array([first]), np.array([second]), np.array([[6, 6]]))
        assert found == pytest.approx(expected)
    # By hand: of 3, 1, 0 and 1 successes none is on the second side: 1/14 * 1/2 * 1/2, and its mirror image.
    four = np.full((4, 2), 4)
    assert within_places(np.array([3, 1, 0, 1]), np.zeros(4, int), four) == pytest.approx(2 / 56)
    assert of_signs(np.full(10, -0.25)) == pytest.approx(2 / 1024)
    assert of_signs(np.zeros(12)) == 1
    value, low, high = difference_of_rates(np.array([0.5]), np.array([0.5]), np.array([[1e6, 1e6]]))
    assert (value, low) == (0, pytest.approx(-high))
    assert high == pytest.approx(1.96 * math.sqrt(2 * 0.25 / 1e6), rel=0.01)


def test_holm_counts_every_comparison_that_has_a_test() -> None:
    assert holm([0.01, math.nan, 0.04, 0.03])[0] == pytest.approx(0.03)
    assert math.isnan(holm([0.01, math.nan])[1])
    assert holm([0.01, 0.04, 0.03])[1] == pytest.approx(0.06), "never below that of a smaller p"
    assert holm([]) == []
    drawn_ones = np.random.default_rng(0).random(30) ** 3
    assert holm(drawn_ones) == pytest.approx(multipletests(drawn_ones, method="holm")[1])


def test_losses_are_compared_as_they_are_and_diverged_ones_left_out() -> None:
    rng = np.random.default_rng(0)
    trials = [
        {
            "configuration": number,
            "seed_index": seed,
            "params": 100,
            "values": {"norm": norm},
            "ending": "diverged" if (number, seed) == (1, 0) else "finished",
            "val_loss": None if (number, seed) == (1, 0) else 2.0 + 0.3 * number + 0.01 * rng.normal(),
        }
        for number, norm in enumerate(("a", "b"))
        for seed in range(5)
    ]
    rows = search_of(
        trials,
        space={},
        only=[{"norm": "a"}, {"norm": "b"}],
        search={"seeds": 5},
        objectives=[{"metric": "val_loss", "direction": "min"}],
        target={"val_loss": 2.1},
    )
    found = effects(rows)
    (change,) = found.changes
    assert change.effect.unit == "nats/token"
    assert change.effect.value == pytest.approx(0.3, abs=0.02)
    assert change.holds
    assert any("1 trial without a val_loss" in sentence for sentence in found.sentences)


def drawn(count: int, seeds: int = 1, seed: int = 0) -> SearchRows:
    """Return a random search in which width and optimizer matter, and a twin of the width says the same."""
    rng = np.random.default_rng(seed)
    trials = []
    for number in range(count):
        is_muon = bool(rng.random() < 0.5)
        width = int(rng.integers(4, 65))
        values: dict[str, Any] = {
            "optimizer": "muon" if is_muon else "adamw",
            "width": width,
            "twin": width * width,
            "dropout": float(rng.uniform(0, 0.3)),
        }
        if is_muon:
            values["muon_lr"] = float(2 ** rng.uniform(-8, -2))
        chance = 0.02 + 0.3 * is_muon + 0.08 * (math.log2(width) - 2)
        for index in range(seeds):
            solved = rng.random() < chance
            trials.append(
                {
                    "configuration": number,
                    "seed_index": index,
                    "params": width,
                    "values": values,
                    "ending": "solved" if solved else "finished",
                    "exact_match": 1.0 if solved else float(rng.random() * 0.5),
                }
            )
    space = {
        "optimizer": {"type": "choice", "values": ["adamw", "muon"]},
        "width": {"type": "int", "low": 4, "high": 64},
        "twin": {"type": "int", "low": 16, "high": 4096},
        "dropout": {"type": "float", "low": 0.0, "high": 0.3},
        "muon_lr": {"type": "float", "low": 0.001, "high": 0.3, "when": {"optimizer": "muon"}},
    }
    return search_of(trials, space=space, search={"sampler": "random", "trials": len(trials), "seeds": seeds})


def test_regression_tells_contrasts_doublings_and_ranges() -> None:
    found = effects(drawn(400, seeds=2))
    assert found.method == "regression"
    by_name = {change.parameter: change for change in found.changes}
    optimizer = by_name["optimizer"]
    sign = 1 if optimizer.after == "muon" else -1
    # Three standard errors on either side: about 1 in 400 for the first of them.
    assert sign * optimizer.effect.value == pytest.approx(0.3, abs=0.1)
    assert optimizer.holds
    assert by_name["width"].label == "width: doubled"
    assert by_name["width"].effect.low < 0.08 < by_name["width"].effect.high
    assert by_name["dropout"].label.startswith("dropout: 0.000")
    assert by_name["muon_lr"].after == "doubled"
    assert "twin" not in by_name
    assert any("others determine them in these trials: twin" in sentence for sentence in found.sentences)
    assert optimizer.pairs == 0
    assert optimizer.test.startswith("regression, t(")


def test_parameter_under_a_condition_does_not_spoil_the_regression_of_the_others() -> None:
    rows = drawn(400)
    table = {change.parameter: change for change in effects(rows).changes}
    values = rows.trials["values"]
    muon = values.map(lambda one: one["optimizer"] == "muon")
    solved = rows.trials["ending"] == "solved"
    plain = solved[muon].mean() - solved[~muon].mean()
    sign = 1 if table["optimizer"].after == "muon" else -1
    assert sign * table["optimizer"].effect.value == pytest.approx(plain, abs=0.05)


def test_too_few_configurations_stand_one_parameter_at_a_time_and_it_is_said() -> None:
    found = effects(drawn(8))
    assert found.method == "one parameter at a time"
    assert any("each parameter is tested alone" in sentence for sentence in found.sentences)


def test_jackknife_in_closed_form_is_the_one_of_refitting() -> None:
    rows = drawn(40, seeds=3)
    change = next(one for one in compared(rows).changes if one.parameter == "optimizer")
    without = []
    for number in range(40):
        part = compared(rows.of_configurations(set(range(40)) - {number}))
        other = next(one for one in part.changes if one.parameter == "optimizer")
        sign = 1 if other.after == change.after else -1
        without.append(sign * other.effect.value)
    # Ranges and centres of predictors move a little with the configuration that is left out.
    error = math.sqrt(39 / 40 * sum((value - change.effect.value) ** 2 for value in without))
    reach = (change.effect.high - change.effect.low) / 2
    assert reach == pytest.approx(2.03 * error, rel=0.05)


def test_importances_find_what_matters_and_print_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = effects(drawn(200))
    assert capfd.readouterr() == ("", "")
    assert {one.parameter for one in found.importances.of} == {
        "optimizer",
        "width",
        "twin",
        "dropout",
        "muon_lr",
    }
    assert sum(one.share for one in found.importances.of) == pytest.approx(1)
    assert not found.importances.describes_sampler
    assert effects(drawn(200)).as_json() == found.as_json(), "the same in every run"
    few = effects(drawn(12))
    assert "Importances need 20 configurations" in few.importances.why_none


def test_best_value_in_the_middle_is_important_and_a_sampler_that_learns_is_said() -> None:
    rng = np.random.default_rng(0)
    trials = [
        {
            "configuration": number,
            "seed_index": 0,
            "params": 1,
            "values": {"middle": float(middle), "nothing": float(rng.random())},
            "ending": "finished",
            "exact_match": float(1 - (middle - 0.5) ** 2),
        }
        for number, middle in enumerate(rng.random(200))
    ]
    space = {name: {"type": "float", "low": 0.0, "high": 1.0} for name in ("middle", "nothing")}
    found = effects(search_of(trials, space=space, target=None, search={"trials": 200}))
    assert found.importances.of[0].parameter == "middle"
    assert found.importances.of[0].share > 0.8
    assert found.importances.by_chance < found.importances.of[0].share
    assert any("this describes where the search sampled" in sentence for sentence in found.sentences)
    assert "where the search went" in found.tables[1].title


def test_published_sweep_has_no_change_that_holds() -> None:
    found = effects(SearchRows(PUBLISHED / "gpt_acc_jax_sweep"))
    assert found.method == "matched pairs"
    assert found.comparisons == 16
    for position in ("sinusoidal", "rotary"):
        change = the(found, "position", position)
        assert change.rates == ("5 of 16", "0 of 16")
        assert change.p_value == pytest.approx(2 / 56)
        assert change.p_holm > 0.5
    assert not any(change.holds for change in found.changes)
    assert found.sentences[0].startswith("None of 16 comparisons holds after Holm's correction")
    assert any("d_model" in s for s in found.sentences if s.startswith("Never changed alone"))


@pytest.mark.parametrize("folder", sorted(path.parent for path in PUBLISHED.glob("*/plan.json")), ids=str)
def test_every_published_search_is_answered_drawn_and_plain(folder: Path) -> None:
    found = effects(SearchRows(folder))
    assert all(sentence.endswith(".") for sentence in found.sentences)
    json.dumps(found.as_json(), allow_nan=False)
    for table in found.tables:
        assert {str(name) for name in table.frame.columns} <= {column.name for column in table.columns}
    if found.pictures:
        figure_of(found.pictures).draw_without_rendering()


def test_forest_plot_has_a_row_for_each_change() -> None:
    found = effects(SearchRows(PUBLISHED / "gpt_acc_jax_sweep"))
    forest = found.pictures[0]
    assert sorted(forest.y.ticks or {}) == list(range(16))
    points = [mark for mark in forest.marks if isinstance(mark, Points)]
    assert sum(len(mark.x) for mark in points) == 16
    assert all(mark.errors_along == "x" for mark in points)
    assert forest.x.unit == "percentage points"
    assert forest.lines == 2


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([({"a": 1}, "-"), ({"a": 2}, "-")], "no trial has a value to compare"),
        ([({"a": 1}, "s")], "one configuration has no other"),
        ([({"a": 1}, "ff"), ({"a": 2}, "ff")], "none of 4 trials was solved"),
        ([({"a": 1}, "ss"), ({"a": 2}, "ss")], "all of 4 trials were solved"),
        ([({"a": 1}, "dd"), ({"a": 2}, "dd")], "none of 4 trials was solved"),
        ([({"a": 1, "b": 1}, "sf"), ({"a": 2, "b": 2}, "ff")], "differ in one parameter only"),
    ],
)
def test_searches_that_can_tell_nothing_say_so(outcomes: list[Any], expected: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = effects(a_list(outcomes))
        assert expected in found.sentences[0]
        assert found.comparisons == 0
        json.dumps(found.as_json(), allow_nan=False)
        assert not [picture for picture in found.pictures if not picture.marks]


def test_command_prints_exports_and_answers_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = ["--results", str(PUBLISHED)]
    export, figure = tmp_path / "effects.csv", tmp_path / "effects.png"
    told = ["--export", str(export), "--figure", str(figure)]
    app(["gpt_acc_jax_sweep", *results, *told], standalone_mode=False)
    printed = capsys.readouterr().out
    assert printed.startswith("None of 16 comparisons holds")
    assert "exact within pairs" in printed
    assert pd.read_csv(export)["parameter"].iloc[0] == "lr"
    assert figure.stat().st_size > 0
    app(["gpt_acc_jax_sweep", "--where", "n_layers=1", "--json", *results], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["comparisons"] == 15, "without the change of n_layers"


def test_search_without_trials_says_so(tmp_path: Path) -> None:
    rows = a_list([({"a": 1}, "s")])
    empty = SearchRows.of_frames(rows.plan, METRICS, SearchRows(tmp_path).trials)
    assert "no trial has a value to compare" in effects(empty).sentences[0]


def test_a_hundred_thousand_trials_take_seconds() -> None:
    rng = np.random.default_rng(0)
    count, seeds = 25_000, 4
    width, muon = rng.integers(4, 64, count), rng.integers(0, 2, count)
    values = [{"width": int(a), "optimizer": ("adamw", "muon")[b]} for a, b in zip(width, muon, strict=True)]
    trials = pd.DataFrame(
        {
            "trial": [f"c{number}-s{seed}" for number in range(count) for seed in range(seeds)],
            "configuration": np.repeat(np.arange(count), seeds),
            "seed_index": np.tile(np.arange(seeds), count),
            "params": np.repeat(width, seeds),
            "values": [one for one in values for _ in range(seeds)],
            "ending": np.where(rng.random(count * seeds) < 0.3, "solved", "finished"),
            "exact_match": rng.random(count * seeds),
        }
    )
    plan = drawn(2).plan
    began = time.perf_counter()
    found = effects(SearchRows.of_frames(plan, METRICS, trials))
    assert time.perf_counter() - began < 10
    assert found.method == "regression"
    assert found.response.trials == 100_000


@pytest.mark.parametrize("truth", truths_effects.TRUTHS, ids=lambda truth: truth.name)
def test_intervals_hold_the_truth_and_naive_ones_do_not(truth: Any) -> None:
    """An interval of 95 % holds in fewer than 50 of 60 simulations once in 20,000 runs; of 180 whose true
    share is 0.82, as at full size, more than 0.92 hold once in 2,000."""
    told = coverage(truth, 60)
    for found in told:
        if not found.quantity.startswith("naive"):
            assert found.held >= 50 / 60 * found.simulations, found
    naive = [found.share for found in told if found.quantity.endswith("trials as units")]
    if naive:
        assert sum(naive) / len(naive) < 0.92
