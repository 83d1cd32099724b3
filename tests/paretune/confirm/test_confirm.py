"""Confirmation: chosen points, fresh seeds, rows that survive Ctrl-C, and found beside confirmed."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.commands import CLI, Finished, run_cli
from scipy.stats import ttest_ind
from statsmodels.stats.proportion import confint_proportions_2indep
from truths import search_of

from analysis.confirmation import (
    before_confirmation,
    confirmation,
    confirmations,
    confirmed_rates,
    evaluated_tables,
)
from analysis.confirmation.changes import change_of_means, change_of_rates, mean_change
from analysis.files.layout import CONFIRMATION_COLUMNS
from analysis.rows import SearchRows
from analysis.statistics.estimate import Estimate
from analysis.statistics.intervals import wilson
from paretune.cli.models.confirm import confirm
from paretune.confirm.points import Point, choose_points
from paretune.errors import InputError
from paretune.plan.binding import bind

PUBLISHED = Path(__file__).parents[3] / "results" / "published"

SPACE = """
name: small
task: addition
objectives:
  - {metric: exact_match, direction: max}
  - {metric: params, direction: min}
# Seen at the first evaluation, in 20 of 20 seeds.
target: {token_accuracy: 0.2}
target_hold: 1
fixed: {digits: 2, n_heads: 4, eval_every: 50, batch: 128, lr: 0.02, steps: 1500}
only:
  - {d_model: 16, d_ff: 32}
search: {concurrency: 1}
"""


# A search with rows of confirmations, written by hand


def fresh_row(configuration: int, index: int, ending: str, **more: Any) -> dict[str, Any]:
    return {
        "configuration": configuration,
        "seed_index": index,
        "seed": 500 + index,
        "params": 100 * (configuration + 1),
        "values": {"d_model": configuration + 1},
        "ending": ending,
        "seconds": 10.0,
        **more,
    }


def trial(configuration: int, index: int, ending: str | None, **more: Any) -> dict[str, Any]:
    return {
        "configuration": configuration,
        "seed_index": index,
        "params": 100 * (configuration + 1),
        "values": {"d_model": 16, "d_ff": 8 + configuration, "digits": 3, "steps": 1000, "eval_every": 100},
        "ending": ending,
        "wall_seconds": 50.0,
        **more,
    }


def searched(
    folder: Path,
    trials: Sequence[dict[str, Any]],
    fresh: Iterable[dict[str, Any]] = (),
    **plan: Any,
) -> SearchRows:
    """Return a search in a folder: of trials in memory, with rows of confirmations on disk."""
    in_memory = search_of(trials, **plan)
    rows = SearchRows(folder)
    rows.__dict__.update(
        plan=in_memory.plan,
        metrics=in_memory.metrics,
        defaults={},
        trials=in_memory.trials,
        reports=in_memory.reports,
    )
    lines = [json.dumps(row) + "\n" for row in fresh]
    if lines:
        (folder / "confirmations.jsonl").write_text("".join(lines))
    return rows


def two_solved(folder: Path, fresh: Iterable[dict[str, Any]] = ()) -> SearchRows:
    """Return a search of four configurations: 1 and 3 solved, 0 and 2 did not."""
    match = {0: 0.2, 1: 1.0, 2: 0.3, 3: 1.0}
    trials = [
        trial(number, index, "solved" if match[number] == 1 else "finished", exact_match=match[number])
        for number in range(4)
        for index in range(2)
    ]
    return searched(folder, trials, fresh)


# Rates on fresh seeds


def test_rates_count_fresh_seeds_and_a_diverged_one_did_not_solve(tmp_path: Path) -> None:
    endings = ["solved", "diverged", "solved", "finished"]
    rows = two_solved(tmp_path, [fresh_row(1, i, ending) for i, ending in enumerate(endings)])
    rates = confirmed_rates(rows)
    assert list(rates.index) == [1]
    assert rates.loc[1, ["solved", "seeds", "rate"]].tolist() == [2, 4, 0.5]
    assert rates.loc[1, ["low", "high"]].tolist() == pytest.approx(wilson(2, 4))


def test_the_last_line_of_a_seed_counts_and_lines_count_more_than_older_reports(tmp_path: Path) -> None:
    rows = two_solved(
        tmp_path,
        [fresh_row(1, 0, "finished"), fresh_row(1, 1, "finished"), fresh_row(1, 1, "solved")],
    )
    older = tmp_path / "retrain" / "c001"
    older.mkdir(parents=True)
    seeds = [
        {"seed": seed, "ending": "solved", "seconds": 3.0, "best_step": 90, "checkpoint": None}
        | {"validation": {"exact_match": 1.0}, "test": None}
        for seed in (500, 502)
    ]
    report = {"configuration": 1, "params": 200, "config": {"d_model": 2}, "seeds": seeds}
    (older / "report.json").write_text(json.dumps(report))
    fresh = confirmations(rows)
    assert dict(zip(fresh["seed"], fresh["ending"], strict=True)) == {
        500: "finished",
        501: "solved",
        502: "solved",
    }
    assert confirmed_rates(rows).loc[1, ["solved", "seeds"]].tolist() == [2, 3]
    with (tmp_path / "confirmations.jsonl").open("a") as file:
        file.write('{"configuration": 1, "se')
    assert len(confirmations(rows)) == 3, "a line that a crash cut short is none"


def test_a_part_of_a_search_has_its_own_confirmations_only(tmp_path: Path) -> None:
    rows = two_solved(tmp_path, [fresh_row(1, 0, "solved"), fresh_row(3, 0, "solved")])
    part = rows.of_configurations([3])
    part.__dict__["plan"] = rows.plan
    assert list(confirmed_rates(part).index) == [3]


def test_without_a_target_there_is_no_rate(tmp_path: Path) -> None:
    rows = searched(tmp_path, [trial(0, 0, "finished")], [fresh_row(0, 0, "finished")], target=None)
    assert confirmed_rates(rows).empty
    assert list(confirmed_rates(rows).columns) == ["solved", "seeds", "rate", "low", "high"]


def test_published_reports_are_confirmations() -> None:
    rows = SearchRows(PUBLISHED / "under-777")
    assert confirmed_rates(rows).loc[8, ["solved", "seeds"]].tolist() == [7, 10]
    titles = [table["title"] for table in evaluated_tables(rows)[8]]
    assert titles[:2] == ["Accuracy per answer position", "Exact match per number of carries"]
    assert confirmed_rates(SearchRows(PUBLISHED / "gpt2-laptop"))["seeds"].sum() == 19


# Changes


@pytest.mark.parametrize("counts", [(4, 4, 5, 8), (3, 4, 8, 8), (0, 3, 0, 5), (2, 2, 7, 10)])
def test_a_change_of_rates_has_newcombes_interval(counts: tuple[int, int, int, int]) -> None:
    found, of_found, fresh, of_fresh = counts
    before, after = (
        Estimate(value=s / n, low=wilson(s, n)[0], high=wilson(s, n)[1])
        for s, n in ((found, of_found), (fresh, of_fresh))
    )
    change = change_of_rates(before, after)
    expected = confint_proportions_2indep(fresh, of_fresh, found, of_found, method="newcomb")
    assert (change.low, change.high) == pytest.approx(expected)


def test_a_change_of_means_has_welchs_interval_and_students_with_a_single_value() -> None:
    before, after = [2.40, 2.42, 2.37], [2.44, 2.43, 2.46, 2.40]
    change = change_of_means(before, after)
    expected = ttest_ind(after, before, equal_var=False).confidence_interval()
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))
    single = change_of_means(before[:1], after)
    assert single.value == pytest.approx(np.mean(after) - 2.40)
    # Student's for one value beside four: their spread, with three degrees of freedom.
    assert single.high - single.value == pytest.approx(3.182446 * np.std(after, ddof=1) * math.sqrt(1.25))
    assert not change_of_means([2.4], [2.5]).is_bounded
    assert not change_of_means([], [2.5]).is_known


def test_the_mean_of_changes_is_narrower_than_each_and_open_if_one_is() -> None:
    one = Estimate(value=-0.2, low=-0.5, high=0.1)
    mean = mean_change([one, one])
    assert (mean.low, mean.high) == pytest.approx((-0.2 - 0.3 / math.sqrt(2), -0.2 + 0.3 / math.sqrt(2)))
    assert not mean_change([one, Estimate(value=0.0)]).is_bounded
    assert not mean_change([]).is_known


# The finding


def said_of(rows: SearchRows) -> Sequence[str]:
    """Return what is said, and check what holds for every confirmation: plain values, a table for all."""
    found = confirmation(rows)
    json.dumps(found.as_json(), allow_nan=False)
    (table,) = found.tables
    assert list(table.frame.columns) == [column.name for column in table.columns]
    assert len(table.frame) == len(found.points)
    assert len(found.pictures) == bool(found.points)
    for picture in found.pictures:
        from analysis.pictures.painting import figure_of

        figure_of([picture]).draw_without_rendering()
    return found.sentences


def test_nothing_confirmed_is_said_with_the_command(tmp_path: Path) -> None:
    (said,) = said_of(two_solved(tmp_path))
    assert said.startswith("Nothing is confirmed")
    assert f"`paretune confirm {tmp_path.name}`" in said


def test_the_first_sentence_says_which_hold_and_the_drop_is_told(tmp_path: Path) -> None:
    fresh = [fresh_row(1, i, "solved") for i in range(8)]
    fresh += [fresh_row(3, i, "solved" if i < 2 else "finished") for i in range(8)]
    said = said_of(two_solved(tmp_path, fresh))
    assert said[0].startswith(
        "1 of 2 confirmed configurations holds on fresh seeds, number 1 with 8 of 8 (68 to 100 %):"
    )
    assert said[1] == "These do not: number 3 with 2 of 8 (7 to 59 %)."
    # From 2 of 2 each, to 8 of 8 and 2 of 8.
    (change,) = [sentence for sentence in said if "changes by" in sentence]
    assert "the mean success rate of these 2 configurations changes by -38 percentage points" in change
    told = confirmation(two_solved(tmp_path)).change
    assert told.value == pytest.approx(-0.375)
    assert told.high > 0, "two seeds of the search do not tell much"


def test_one_that_does_not_hold_is_said_so(tmp_path: Path) -> None:
    rows = two_solved(tmp_path, [fresh_row(3, i, "finished") for i in range(8)])
    assert said_of(rows)[0].startswith("Configuration 3 does not hold on fresh seeds: 0 of 8 (0 to 32 %)")


def test_a_seed_of_the_search_that_is_not_known_is_no_failure(tmp_path: Path) -> None:
    trials = [trial(0, 0, "solved"), trial(0, 1, "stopped early"), trial(0, 2, None)]
    rows = searched(tmp_path, trials, [fresh_row(0, i, "solved") for i in range(4)])
    said_of(rows)
    row = confirmation(rows).tables[0].frame.iloc[0]
    assert (row["found"], row["found_seeds"], row["found_unknown"], row["change"]) == (1.0, 1, 2, 0.0)


def losses(folder: Path, found: Sequence[float], fresh: Sequence[dict[str, Any]], **plan: Any) -> SearchRows:
    objectives = [{"metric": "val_loss", "direction": "min"}, {"metric": "params", "direction": "min"}]
    trials = [trial(0, index, "finished", val_loss=value) for index, value in enumerate(found)]
    rows = [fresh_row(0, index, **row) for index, row in enumerate(fresh)]
    return searched(folder, trials, rows, objectives=objectives, target=None, **plan)


def test_held_out_text_has_its_error_over_documents_beside_that_over_seeds(tmp_path: Path) -> None:
    evaluated = {
        "test_metric": "val_loss",
        "test_standard_error": 0.04,
        "test_units": 51,
        "test_problems": 900,
        "test_called": "held-out windows of 64 tokens, of 51 documents",
    }
    values = [2.30, 2.32, 2.34]
    fresh = [{"ending": "finished", "val_loss": v + 0.1, "test_value": v, **evaluated} for v in values]
    fresh.append({"ending": "diverged"})
    rows = losses(tmp_path, [2.38, 2.40], fresh)
    said = said_of(rows)
    assert "2.42 (2.37 to 2.47) over 3 fresh seeds; in the search it had 2.39" in said[0]
    held = confirmation(rows).points[0].held_out
    assert held is not None
    over_seeds, over_documents = 4.302653 * 0.02 / math.sqrt(3), 2.008559 * 0.04
    reach = math.hypot(over_seeds, over_documents)
    assert held.estimate.high - held.estimate.value == pytest.approx(reach, rel=1e-5)
    assert "standard error 0.012 over 3 fresh seeds, 0.04 over the data (900 held-out windows" in said[-1]
    row = confirmation(rows).tables[0].frame.iloc[0]
    assert (row["diverged"], row["units"]) == (1, 51)


def test_where_all_fresh_seeds_diverged_that_is_said(tmp_path: Path) -> None:
    said = said_of(losses(tmp_path, [2.4], [{"ending": "diverged"}] * 2))
    assert said[0] == "No fresh seed has a val loss at its end: all diverged."
    assert "cannot be determined" in said[1]


# Which points


def points_of(rows: SearchRows, *wanted: str, seeds: int = 4) -> list[Point]:
    return choose_points(rows, bind(rows.plan), wanted, seeds)


def test_the_frontier_is_its_points_with_a_solved_seed_whatever_was_confirmed(tmp_path: Path) -> None:
    rows = two_solved(tmp_path, [fresh_row(1, 0, "finished")])
    points = points_of(rows, "frontier")
    assert [point.number for point in points] == [1, 3], (
        "a fresh seed that failed takes none from the frontier"
    )
    assert points[0].missing == [1, 2, 3]
    assert points[1].missing == [0, 1, 2, 3]
    assert confirmations(before_confirmation(rows)).empty


def test_points_by_rank_and_by_number_lack_what_is_not_there(tmp_path: Path) -> None:
    rows = two_solved(tmp_path, [fresh_row(3, index, "solved") for index in (0, 2)])
    assert [point.number for point in points_of(rows, "top:2")] == [3, 1], "what fresh seeds confirm is first"
    points = points_of(rows, "3,0", "1", "3")
    assert [point.number for point in points] == [3, 0, 1], "each once, in the order asked for"
    assert points[0].missing == [1, 3]
    assert points_of(rows, "3", seeds=12)[0].missing == [1, 3, *range(4, 12)]
    # 50 s for 1000 steps in the search; 10 s for each fresh seed that is there.
    assert [point.seconds for point in points] == [10.0, 50.0, 50.0]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("9", "there is no configuration 9; there are 0 to 3"),
        ("frontir", "got 'frontir'; accepted: frontier, top:N"),
        ("top:0", "got 'top:0'"),
        ("top:", "got 'top:'"),
        ("-1", "got '-1'"),
        ("", "got ''"),
    ],
)
def test_wrong_points_name_what_there_is(tmp_path: Path, wanted: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        points_of(two_solved(tmp_path), wanted)


def test_a_frontier_without_a_solved_seed_names_what_else_to_choose(tmp_path: Path) -> None:
    rows = searched(tmp_path, [trial(0, 0, "finished", exact_match=0.1)])
    with pytest.raises(InputError, match=r"has solved with any seed.*--points top:5 or --points 0"):
        points_of(rows, "frontier")


# For real


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a search of one small adder."""
    folder = tmp_path_factory.mktemp("confirm")
    (folder / "space.yaml").write_text(SPACE)
    done = run_cli("search", folder / "space.yaml", "--results", folder / "results")
    assert done.code == 0, done.err + done.out
    return folder / "results"


def rows_in(results: Path) -> list[dict[str, Any]]:
    path = results / "small" / "confirmations.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def interrupted_after_a_seed(results: Path, temporary: Path) -> Finished:
    process = subprocess.Popen(
        [*CLI, "confirm", "small", "--results", str(results), "--seeds", "6", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1", "TMPDIR": str(temporary)},
        # Tests that run in the background of a script inherit that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not rows_in(results):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return Finished(process.returncode, out, err)


def test_confirming_goes_on_after_ctrl_c_where_it_was(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped = interrupted_after_a_seed(results, tmp_path)
    assert stopped.code == 130, stopped.out + stopped.err
    assert "Confirming 1 configuration of small on 6 fresh seeds each, one at a time on cpu:" in stopped.out
    assert "in all, and evaluations, by what the search took." in stopped.out
    kept = rows_in(results)
    command = f"paretune confirm {results / 'small'} --points 0 --seeds 6"
    assert f"{len(kept)} of 6 seeds are there. Train the rest with `{command}`" in stopped.out
    assert list(tmp_path.glob("paretune*")) == [], "no checkpoint is left behind"

    seeds = len(kept) + 1
    options = ("--results", results, "--seeds", str(seeds), "--device", "cpu")
    done = run_cli("confirm", "small", *options, "--json")
    assert done.code == 0, done.err
    assert f"1 seed, {len(kept)} there already" in done.err
    rows = rows_in(results)
    assert rows[:-1] == kept
    assert [row["seed"] for row in rows] == list(range(500, 500 + seeds))
    last = rows[-1]
    assert {column.name for column in CONFIRMATION_COLUMNS} <= set(last)
    assert (last["ending"], last["device"], last["checkpoint"]) == ("solved", "cpu", None)
    assert last["step"] == 1500, "at full budget, whenever the target was reached"
    assert last["steps_to_target"] == 50
    assert last["tables"][0]["title"] == "Accuracy per answer position"
    content = json.loads(done.out)
    assert content["points"][0]["confirmed"]["solved"] == seeds
    assert content["sentences"][0].startswith(f"Configuration 0 holds on fresh seeds: {seeds} of {seeds} (")

    assert confirm(name="small", seeds=seeds, device="cpu", results=results) == 0
    said = f"{seeds} fresh seeds of each are confirmed already: nothing is left to train."
    assert said in capsys.readouterr().out
    assert rows_in(results) == rows
    with pytest.raises(InputError, match="--points: there is no configuration 7; there are 0"):
        confirm(name="small", points=["7"], results=results)
