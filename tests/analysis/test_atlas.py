"""The atlas: several searches as series of success against size, published ones and made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from truths import search_of
from typer import Typer
from typer.testing import CliRunner

import paretune
from analysis.atlas import Atlas, atlas
from analysis.atlas.tables import BIN
from analysis.cliff import cliff
from analysis.comparison import ComparisonError
from analysis.files.layout import SelectionError
from analysis.outcomes import with_outcomes
from analysis.pictures.marks import Band, Line, Points
from analysis.pictures.page import page_figure
from analysis.rows import SearchRows
from analysis.selection import parse_condition, select
from analysis.statistics.intervals import wilson
from paretune.cli.answers.atlas import atlas as command
from paretune.errors import InputError

app = Typer()
app.command()(command)
PUBLISHED = Path(__file__).parents[2] / "results" / "published"
CONDITIONS = ("position=learned", "n_layers=1", "digits=10")


def published(name: str, *conditions: str) -> SearchRows:
    return select(SearchRows(PUBLISHED / name), [parse_condition(text) for text in conditions])


def by_hand(name: str, trials: list[tuple[int, int, str]], lr: float = 0.01, **of_all: Any) -> SearchRows:
    """Return a search in memory of (params, seed, ending); a configuration for each size."""
    sizes = sorted({params for params, _, _ in trials})
    rows = [
        {
            "configuration": sizes.index(params),
            "seed_index": seed,
            "seed": seed,
            "params": params,
            "values": {"d_model": params, "lr": lr},
            "ending": ending,
            "exact_match": float(ending == "solved"),
            **of_all,
        }
        for params, seed, ending in trials
    ]
    return search_of(rows, name=name)


@pytest.fixture(scope="module")
def formats() -> Atlas:
    """The trials of three published searches with 10 digits, by format."""
    return atlas(
        [published(name, *CONDITIONS) for name in ("gpt_acc_jax_sweep", "under-777", "explore-777")],
        ["format"],
    )


def one_of(found: Atlas, name: str) -> Any:
    return next(one for one in found.series if one.name == name)


def test_a_search_is_a_series_with_the_sizes_of_its_cliff():
    rows = published("gpt_acc_jax_sweep", *CONDITIONS)
    one = atlas([rows]).series[0]
    assert one.name == "gpt_acc_jax_sweep"
    assert one.is_determined
    expected = cliff(rows)
    assert {share: str(size) for share, size in one.cliff.sizes.items()} == {
        share: str(size) for share, size in expected.sizes.items()
    }
    assert one.cliff.rate == expected.rate


def test_values_of_a_parameter_are_series_over_all_searches(formats: Atlas):
    assert [one.name for one in formats.series] == [
        "format=aligned",
        "format=delimited",
        "format=undelimited",
    ]
    parts = [
        with_outcomes(published(name, *CONDITIONS, "format=undelimited"))
        for name in ("gpt_acc_jax_sweep", "explore-777")
    ]
    rate = one_of(formats, "format=undelimited").cliff.rate
    assert rate.known == sum(int((part["outcome"] != "unknown").sum()) for part in parts)
    assert rate.solved == sum(int((part["outcome"] == "solved").sum()) for part in parts)


def test_confirmed_configurations_count_with_their_fresh_seeds_alone(formats: Atlas):
    aligned = one_of(formats, "format=aligned")
    fresh = paretune.open(PUBLISHED / "under-777").confirmation().tables[0].frame
    assert int(aligned.fresh.known_trials.sum()) == int(fresh["confirmed_seeds"].sum()) > 0
    assert int(aligned.fresh.solved_trials.sum()) == int(fresh["confirmed_solved"].sum())
    # 24 trials of 12 configurations, 3 of which were confirmed; and what the first look had in this format.
    alone = atlas([published("under-777")]).series[0]
    assert (int(alone.found.known_trials.sum()), len(alone.found), len(alone.fresh)) == (18, 9, 3)
    assert alone.cliff.rate.known == 18 + int(fresh["confirmed_seeds"].sum())


def test_a_run_that_is_in_two_searches_counts_once():
    rows = published("gpt_acc_jax_sweep", *CONDITIONS)
    once, twice = atlas([rows], ["format"]), atlas([rows, rows], ["format"])
    assert twice.searches == ("gpt_acc_jax_sweep", "gpt_acc_jax_sweep (2)")
    assert [str(one.cliff.size()) for one in twice.series] == [str(one.cliff.size()) for one in once.series]
    assert [one.cliff.rate for one in twice.series] == [one.cliff.rate for one in once.series]


def test_equal_configurations_of_two_searches_are_one_with_the_seeds_of_both():
    first = by_hand("first", [(500, 0, "finished"), (500, 1, "interrupted"), (900, 0, "solved")])
    second = by_hand("second", [(500, 1, "solved"), (500, 2, "finished"), (700, 0, "solved")])
    (one,) = atlas([first, second], ["lr"]).series
    assert one.name == "lr=0.01"
    assert one.cliff.counts.params.tolist() == [500, 900, 700]
    assert one.cliff.counts.known_trials.tolist() == [3, 1, 1]
    assert one.cliff.counts.solved_trials.tolist() == [1, 1, 1]
    assert one.cliff.rate.unknown == 0, "the seed that was interrupted in one search ended in the other"


def test_trials_that_chose_a_recipe_are_left_out():
    chose = by_hand("choosing", [(500, 0, "solved"), (600, 0, "solved")], role="selects")
    judged = by_hand("judging", [(500, 0, "finished"), (600, 0, "finished")], lr=0.02, role="estimates")
    assert [one.name for one in atlas([chose, judged]).series] == ["judging"]
    assert atlas([chose]).sentences[0] == "No size can be determined: there are no trials yet."


def test_several_parameters_make_a_series_of_each_combination_in_the_order_of_numbers():
    parts = [
        by_hand(f"part-{number}", [(500, 0, "solved"), (600, 0, "finished")], lr=lr)
        for number, lr in enumerate((0.1, 0.02, 3.0))
    ]
    assert [one.name for one in atlas(parts, ["lr"]).series] == [
        "lr=0.02",
        "lr=0.1",
        "lr=3",
    ]
    found = atlas([published("gpt_acc_jax_sweep", "digits=10")], ["format", "position"])
    assert [one.name for one in found.series][:2] == [
        "format=delimited, position=learned",
        "format=delimited, position=rotary",
    ]


def test_labels_name_series_and_those_called_alike_are_one():
    searches = [
        by_hand(f"part-{size}", [(size, 0, "solved"), (size + 9, 0, "finished")]) for size in (500, 600, 700)
    ]
    found = atlas(searches, labels=["small", "large", "small"])
    assert [one.name for one in found.series] == ["small", "large"]
    assert found.series[0].cliff.counts.params.tolist() == [500, 509, 700, 709]
    named = atlas(searches, ["lr"], ["small", "large", "small"])
    assert [one.name for one in named.series] == ["small, lr=0.01", "large, lr=0.01"]
    with pytest.raises(SelectionError, match="got 2 labels for 3 searches; give one for each"):
        atlas(searches, labels=["small", "large"])


def test_the_picture_has_the_rates_with_wilsons_intervals_and_a_curve_where_it_is_determined(formats: Atlas):
    (picture,) = formats.pictures
    lines = [mark for mark in picture.marks if isinstance(mark, Line)]
    assert [mark.label for mark in lines] == [
        f"format=delimited: half at {one_of(formats, 'format=delimited').cliff.size().value:,.0f}"
    ]
    assert sum(isinstance(mark, Band) for mark in picture.marks) == 1
    dots = {mark.role: mark for mark in picture.marks if isinstance(mark, Points)}
    assert set(dots) == {"series 0 found", "series 0", "series 1 found", "series 2 found"}
    fresh = dots["series 0"]
    assert (fresh.low, fresh.high) == tuple([end] for end in wilson(15, 30))
    assert fresh.y == [0.5]
    largest = dots["series 1 found"]
    assert largest.y[-1] == 1.0
    assert largest.x[-1] == pytest.approx(2616)
    assert picture.x.limits == (200, 5000)
    assert "Filled" in picture.caption
    assert picture.caption.startswith("179 trials of 65 configurations in 3 searches.")
    assert page_figure(picture).plotly["data"]


def test_without_confirmed_configurations_all_dots_are_alike():
    (picture,) = atlas([published("gpt_acc_jax_sweep", *CONDITIONS)]).pictures
    assert {mark.role for mark in picture.marks if isinstance(mark, Points)} == {"series 0"}
    assert "Filled" not in picture.caption


def test_bins_of_sizes_are_the_same_in_all_series(formats: Atlas):
    rates = formats.tables[1].frame
    assert (rates["size_to"] < rates["size_from"] * BIN).all()
    numbers = (
        np.floor(np.log(rates["size_from"]) / np.log(BIN)),
        np.floor(np.log(rates["size_to"]) / np.log(BIN)),
    )
    assert (numbers[0] == numbers[1]).all()
    assert int(rates["known"].sum()) == 179


def test_sentences_say_what_is_determined_and_what_is_not(formats: Atlas):
    first, *others = formats.sentences
    half = one_of(formats, "format=delimited").cliff.size()
    assert first == (
        f"Half of the seeds solve at {half.value:,.0f} parameters ({half.low:,.0f} to {half.high:,.0f}) in "
        "format=delimited. It cannot be determined of format=aligned; format=undelimited."
    )
    assert any(text.startswith("format=aligned: cannot be determined: ") for text in others)
    assert "Of 3 confirmed configurations only 30 fresh seeds are counted" in " ".join(others)
    row = formats.tables[0].frame.set_index("series").loc["format=aligned"]
    assert np.isnan(row["size_50"])
    assert row["trials"] == 56
    assert row["fresh"] == 30


def test_whether_series_differ_is_tested():
    rng = np.random.default_rng(3)

    def sized(name: str, half: float) -> SearchRows:
        sizes = np.geomspace(half / 2, half * 2, 24).astype(int)
        return by_hand(
            name,
            [
                (int(size), seed, "solved" if rng.random() < 1 / (1 + (half / size) ** 8) else "finished")
                for size in sizes
                for seed in range(4)
            ],
        )

    alike, apart = atlas([sized("a", 700), sized("b", 700)]), atlas([sized("a", 700), sized("c", 1500)])
    assert "is not shown to differ" in alike.sentences[1]
    assert "The 50 % size differs between the 2 series" in apart.sentences[1]


def test_searches_of_different_questions_are_refused():
    with pytest.raises(ComparisonError, match="its task is gpt2"):
        atlas([published("under-777"), published("gpt2-laptop")])
    rows = by_hand("aimless", [(500, 0, "finished")])
    aimless = SearchRows.of_frames(
        rows.plan.model_copy(update={"target": None}), list(rows.metrics.values()), rows.trials
    )
    with pytest.raises(ComparisonError, match="aimless has no target, so no trial counts as solved"):
        atlas([aimless])


def test_a_parameter_that_makes_too_many_series_is_refused():
    with pytest.raises(SelectionError, match="--by lr makes 28 series; at most 24"):
        atlas([published("explore-777")], ["lr"])
    with pytest.raises(SelectionError, match="--by got 'formt'"):
        atlas([published("explore-777")], ["formt"])


def test_the_command_draws_exports_and_prints_json(tmp_path: Path):
    names = [str(PUBLISHED / name) for name in ("gpt_acc_jax_sweep", "quickstart", "under-777")]
    wanted = [option for text in CONDITIONS for option in ("--where", text)]
    figure, table = tmp_path / "atlas.svg", tmp_path / "atlas.csv"
    done = CliRunner().invoke(
        app,
        [*names, *wanted, "--by", "format", "--figure", str(figure), "--export", str(table), "--json"],
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["searches"] == ["gpt_acc_jax_sweep", "under-777"], "3-digit trials are left out by --where"
    assert [one["series"] for one in found["series"]] == [
        "format=aligned",
        "format=delimited",
        "format=undelimited",
    ]
    assert figure.read_text().startswith("<?xml")
    assert "size_50_low" in table.read_text().partition("\n")[0]


def test_the_command_says_what_is_wrong():
    runner = CliRunner()
    nothing = runner.invoke(app, [str(PUBLISHED / "quickstart"), "--where", "digits=10"])
    assert isinstance(nothing.exception, SelectionError)
    assert "leaves no configuration" in str(nothing.exception)
    labelled = runner.invoke(app, [str(PUBLISHED / "quickstart"), "--label", "one", "--label", "two"])
    assert "--label was given 2 times for 1 searches" in str(labelled.exception)
    differing = runner.invoke(app, [str(PUBLISHED / "quickstart"), str(PUBLISHED / "gpt2-laptop")])
    assert isinstance(differing.exception, InputError)
    assert "its task is gpt2" in str(differing.exception)
