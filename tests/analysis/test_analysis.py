"""Rows to answers, on rows written by hand: every number here can be checked on paper."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers.rows import PLAN, TRIALS, dots, texts, write_search

from analysis.configurations import baselines, columns_of, configurations, values_of
from analysis.export import export
from analysis.files.layout import ExportError
from analysis.frontier import frontier
from analysis.pictures.curves import curves_figure
from analysis.pictures.marks import Line, Points
from analysis.pictures.painting import figure_of, save_figure
from analysis.ranking import ranking, reaches_target
from analysis.rows import SearchRows
from analysis.statistics.intervals import wilson, wilson_ends
from paretune.confirm.retraining import choose


@pytest.fixture
def rows(tmp_path: Path) -> SearchRows:
    return write_search(tmp_path / "by-hand")


def test_last_row_of_a_trial_counts(rows: SearchRows):
    assert len(rows.trials) == 12
    assert rows.trials["ending"].notna().all()


def test_line_cut_short_by_a_crash_is_left_out(rows: SearchRows):
    with (rows.folder / "trials.jsonl").open("a") as file:
        file.write('{"trial": "c006-s0", "configur')
    assert len(SearchRows(rows.folder).trials) == 12


def test_broken_line_in_the_middle_is_an_error_that_names_it(rows: SearchRows):
    path = rows.folder / "trials.jsonl"
    path.write_text("nonsense\n" + path.read_text())
    with pytest.raises(ValueError, match=r"trials\.jsonl:1: is not a row"):
        _ = SearchRows(rows.folder).trials


def test_exact_match_has_no_mean_but_its_final_values(rows: SearchRows):
    """The mean of a run that learned and one that did not is the result of neither."""
    table = configurations(rows).set_index("configuration")
    assert "exact_match" not in table.columns
    # What number 2 had when it was stopped, and number 5 when it was interrupted, is not what they come to.
    assert table["exact_match_values"].to_dict() == {
        0: [0.99, 1.0],
        1: [0.5, 0.99],
        2: [0.3],
        3: [],
        4: [0.6],
        5: [0.05],
    }
    assert values_of(rows, "exact_match").to_dict() == table["exact_match_values"].to_dict()
    assert table.loc[1, ["exact_match_min", "exact_match_median", "exact_match_max"]].tolist() == [
        0.5,
        0.5,
        0.99,
    ]
    assert table.loc[[3], "exact_match_median"].isna().all()
    assert table["d_model"].tolist() == [1, 2, 3, 4, 5, 6]


def test_outcomes_are_counted_and_nothing_vanishes(rows: SearchRows):
    table = configurations(rows).set_index("configuration")
    assert table.loc[4, ["solved", "finished", "stopped_early", "diverged"]].tolist() == [0, 1, 0, 1]
    assert table["known"].tolist() == [2, 2, 1, 1, 2, 1]
    assert table["unknown"].tolist() == [0, 0, 1, 1, 0, 1]
    assert (table["known"] + table["unknown"]).tolist() == table["seeds"].tolist() == [2] * 6


def test_a_parameter_that_no_trial_has_yet_is_a_column_without_values(tmp_path: Path):
    """As when a list of configurations was not run to its end: tables print what is searched."""
    later = {"only": [{"d_model": 1}, {"d_model": 2, "n_heads": 2}], "space": {}}
    short = write_search(tmp_path, TRIALS[:1], **later)
    assert "n_heads" in short.plan.searched_names
    table = configurations(short)
    assert table["n_heads"].isna().all()
    from paretune.terminal.tables import configuration_rows

    _, cells = configuration_rows(short, frontier(short).points)
    assert cells[0][-1] == "d_model=1"


def test_a_rate_is_told_in_three_readings_of_what_is_not_known(rows: SearchRows):
    table = configurations(rows).set_index("configuration")
    assert table["success_rate"].tolist() == [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    # One diverged, which did not solve; the failed one says nothing.
    assert (table.loc[3, "success_low"], table.loc[3, "success_high"]) == pytest.approx(wilson(0, 1))
    assert table["rate_if_unknown_failed"].tolist() == [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    assert table["rate_if_unknown_solved"].tolist() == [1.0, 0.5, 0.5, 0.5, 0.0, 0.5]


def test_what_is_not_known_at_all_has_no_rate(tmp_path: Path):
    rows = write_search(tmp_path / "stopped", [(0, 100, ["stopped early", "failed"], [0.4, None])])
    (row,) = configurations(rows).to_dict("records")
    assert row["success_rate"] != row["success_rate"]
    assert (row["success_low"], row["success_high"]) == (0, 1)
    assert (row["rate_if_unknown_failed"], row["rate_if_unknown_solved"]) == (0, 1)
    assert frontier(rows).left_out.without_value == 1


def test_wilson_of_many_is_that_of_each():
    counts = [(0, 0), (0, 1), (1, 1), (1, 29), (81, 263), (15, 15)]
    low, high = wilson_ends(*map(np.array, zip(*counts, strict=True)))
    assert (low[0], high[0]) == (0, 1)
    for at, (successes, trials) in enumerate(counts[1:], start=1):
        assert (low[at], high[at]) == pytest.approx(wilson(successes, trials))
    assert low[1] == 0
    assert high[-1] == 1


def test_wilson_interval_is_the_published_one():
    """Newcombe (1998), table I: 81 of 263 and 1 of 29, 95 %."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(0, 20)[0] == 0.0
    assert wilson(15, 15)[1] == 1.0


def test_ranking_puts_small_configurations_that_reach_the_target_first(rows: SearchRows):
    ranked = ranking(rows)
    # Number 1 solved only half of its seeds: one lucky seed is no finding.
    assert ranked["configuration"].tolist() == [0, 1, 4, 2, 5, 3]
    assert ranked["rank"].tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("direction", "better"), [("max", [1, 2, 0, 3]), ("min", [0, 2, 1, 3])])
def test_of_equal_cost_the_more_accurate_comes_first(tmp_path: Path, direction: str, better: list[int]):
    """Nobody wants the worse of two models of the same size, and it is the first that is retrained."""
    trials = [
        (number, params, ["solved", "solved"], [value, value])
        for number, params, value in [(0, 100, 0.990), (1, 100, 0.999), (2, 100, 0.995), (3, 200, 1.0)]
    ]
    objectives = [{"metric": "exact_match", "direction": direction}, PLAN["objectives"][1]]
    rows = write_search(tmp_path / "equal", trials, objectives=objectives)
    assert ranking(rows)["configuration"].tolist() == better
    assert choose(rows, None).number == better[0]


def test_where_none_reached_the_target_retrain_names_the_best(tmp_path: Path):
    trials = [(0, 100, ["finished", "finished"], [0.5, 0.5]), (1, 200, ["finished", "finished"], [0.7, 0.7])]
    rows = write_search(tmp_path / "none", trials)
    with pytest.raises(ValueError, match=r"reached the target exact_match 0\.99 with .*--configuration 1$"):
        choose(rows, None)


def test_a_seed_that_is_not_known_is_none_that_failed(tmp_path: Path):
    """One seed solved, and two to go: what is to be expected is above one half, and said to rest on one."""
    rows = write_search(
        tmp_path / "unfinished",
        [(0, 100, ["solved", "interrupted", "failed"], [1.0, 0.1, None])],
        search=PLAN["search"] | {"seeds": 3},
    )
    table = ranking(rows)
    assert reaches_target(rows, table).tolist() == [True]
    assert table.loc[0, ["known", "unknown", "rate_if_unknown_failed"]].tolist() == [
        1,
        2,
        pytest.approx(1 / 3),
    ]


def test_frontier_holds_what_no_other_beats_in_both(rows: SearchRows):
    front = frontier(rows)
    assert front.points["configuration"].tolist() == [1, 0]
    # Of these no seed has solved.
    assert sorted(front.others["configuration"]) == [2, 3, 4, 5]
    left = front.left_out
    assert (left.stopped_early, left.failed, left.unfinished, left.diverged) == (1, 1, 1, 0)
    assert str(left) == (
        "Not considered: trials that ended otherwise: 1 stopped early, 1 failed, 1 interrupted or unfinished."
    )
    assert front.sentences[0].startswith(
        "The smallest that reaches the target: configuration 0 with 500 param"
    )
    assert front.sentences[1].startswith(
        "2 of 6 configurations are on the frontier of parameters against exp"
    )


def test_frontier_equals_the_definition_on_random_tables(tmp_path: Path):
    """Against the definition, written as two loops; without a target, the median says how good a model is."""
    import random

    rng = random.Random(0)
    for case in range(20):
        trials = [
            (n, rng.choice([100, 200, 300, 400]), ["finished"], [rng.choice([0.1, 0.2, 0.3, 0.4])])
            for n in range(8)
        ]
        front = frontier(write_search(tmp_path / f"case-{case}", trials, target=None))
        points = {(params, values[0]) for _, params, _, values in trials}
        expected = {p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)}
        got = list(zip(front.points["params"], front.points["exact_match_median"], strict=True))
        assert got == sorted(expected)


def test_frontier_of_a_metric_to_be_made_small(tmp_path: Path):
    rows = write_search(
        tmp_path / "loss",
        objectives=[{"metric": "exact_match", "direction": "min"}],
        target=None,
    )
    assert frontier(rows).points["configuration"].tolist() == [5]


def test_search_without_any_success_has_an_empty_frontier_that_says_so(tmp_path: Path):
    rows = write_search(tmp_path / "none", [(0, 100, ["diverged"], [None]), (1, 200, ["finished"], [0.001])])
    front = frontier(rows)
    assert front.points.empty
    assert front.sentences == [
        "No configuration reaches the target: no trial has solved.",
        "No configuration is on the frontier of parameters and expected success rate: no seed has solved.",
    ]
    assert ranking(rows)["configuration"].tolist() == [1, 0]


def test_exports_hold_the_same_rows_and_say_the_units(rows: SearchRows, tmp_path: Path):
    table, columns = frontier(rows).points, columns_of(rows)
    csv, side = export(table, columns, tmp_path / "f.csv")
    (as_json,) = export(table, columns, tmp_path / "f.json")
    (parquet,) = export(table, columns, tmp_path / "f.parquet")
    (markdown,) = export(table, columns, tmp_path / "f.md")
    expected = table["exact_match_values"].tolist()
    assert [json.loads(text) for text in pd.read_csv(csv)["exact_match_values"]] == expected
    content = json.loads(as_json.read_text())
    assert [row["exact_match_values"] for row in content["rows"]] == expected
    assert [row["exact_match_max"] for row in content["rows"]] == [values[-1] for values in expected]
    assert [list(values) for values in pd.read_parquet(parquet)["exact_match_values"]] == expected
    lines = markdown.read_text().splitlines()
    assert len(lines) == 2 + len(expected)
    assert "params (parameters)" in lines[0]
    assert "exact_match_median (share)" in lines[0]
    for described in (json.loads(side.read_text()), content["columns"]):
        assert {"name": "params", "unit": "parameters"}.items() <= described[1].items()
    assert pq.read_schema(parquet).field("params").metadata[b"unit"] == b"parameters"
    assert [column["name"] for column in content["columns"]] == list(table.columns)


def test_export_to_an_unknown_format_names_those_there_are(rows: SearchRows, tmp_path: Path):
    with pytest.raises(ExportError, match=r"\.csv, \.json, \.md, \.parquet"):
        export(frontier(rows).points, [], tmp_path / "f.xlsx")


def test_picture_is_drawn_from_the_frontier_and_is_the_same_each_time(rows: SearchRows, tmp_path: Path):
    front = frontier(rows)
    (picture,) = front.pictures
    for name in ("a.svg", "b.svg", "a.png"):
        save_figure(figure_of([picture]), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    rates = front.points.set_index("configuration")["expected_rate"]
    assert dots(picture, "frontier") == [(300, rates[1]), (500, rates[0])]
    assert sorted(x for x, _ in dots(picture, "other")) == [100, 100, 200, 400]
    (line,) = [mark for mark in picture.marks if isinstance(mark, Line)]
    assert (list(line.x), line.steps) == ([300, 500], True)
    # The smallest is named, once.
    assert texts(picture) == ["500 parameters"]
    assert "6 configurations, 9 seeds with a known outcome." in picture.caption


def test_bars_of_a_rate_hold_the_rate_itself(rows: SearchRows):
    (picture,) = frontier(rows).pictures
    with_bars = [mark for mark in picture.marks if isinstance(mark, Points) and mark.low is not None]
    assert with_bars
    for mark in with_bars:
        assert mark.high is not None
        assert all(0 <= a <= y <= b <= 1 for a, y, b in zip(mark.low, mark.y, mark.high, strict=True))


# Baselines


def test_baselines_are_named_where_configurations_are_shown(tmp_path: Path):
    rows = write_search(tmp_path / "named", baselines={"dominated": {"d_model": 5}, "best": {"d_model": 1}})
    table = configurations(rows).set_index("configuration")
    assert table["baseline"].dropna().to_dict() == {0: "best", 4: "dominated"}
    assert "baseline" in [column.name for column in columns_of(rows)]
    from paretune.terminal.tables import configuration_rows

    headers, cells = configuration_rows(rows, ranking(rows), first=["rank"])
    assert headers[1] == "baseline"
    assert [line[1] for line in cells] == ["best", "", "dominated", "", "", ""]


def test_baseline_is_the_first_configuration_with_its_values_that_is_no_other(tmp_path: Path):
    """The second states less than the first, and would be found in it too."""
    one, other = {"d_model": 1, "steps": 4}, {"d_model": 1}
    rows = write_search(tmp_path / "named", [(0, 5, ["solved"], [1.0]), (1, 5, ["solved"], [1.0])])
    lines = (rows.folder / "trials.jsonl").read_text().replace('{"d_model": 2}', '{"d_model": 1, "lr": 0.1}')
    lines = lines.replace('{"d_model": 1}', '{"d_model": 1, "steps": 4}')
    (rows.folder / "trials.jsonl").write_text(lines)
    plan = PLAN | {
        "space": {"d_model": PLAN["space"]["d_model"], "steps": {"type": "int", "low": 1, "high": 9}},
        "baselines": {"full": one, "open": other, "never tried": {"d_model": 7}},
    }
    (rows.folder / "plan.json").write_text(json.dumps(plan))
    assert baselines(SearchRows(rows.folder)) == {0: "full", 1: "open"}


def test_plan_without_baselines_has_no_such_column(rows: SearchRows):
    assert "baseline" not in configurations(rows).columns
    assert "baseline" not in [column.name for column in columns_of(rows)]


@pytest.mark.parametrize(("last", "scale"), [(0.01, "log"), (1.6, "linear")])
def test_a_loss_has_a_log_scale_only_where_it_falls_towards_nothing(last: float, scale: str):
    reports = pd.DataFrame({"seed": 0, "step": [1, 2], "val_loss": [2.4, last], "accuracy": [0.01, 1.0]})
    axes = curves_figure(reports, {"val_loss": "nats", "accuracy": "share"}, {}, "Curves").axes
    assert [panel.get_yscale() for panel in axes] == [scale, "linear"]


def test_picture_marks_baselines_whether_others_beat_them_or_not(tmp_path: Path):
    rows = write_search(tmp_path / "named", baselines={"dominated": {"d_model": 5}, "best": {"d_model": 1}})
    (picture,) = frontier(rows).pictures
    assert sorted(x for x, _ in dots(picture, "baseline")) == [400, 500]
    assert {"dominated", "best"} <= set(texts(picture))
