"""Ranking and frontiers by any cost, on rows written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import truths
from helpers.commands import run_cli
from helpers.rows import METRICS, dots, texts, write_search

from analysis.configurations import configurations
from analysis.files.layout import SelectionError
from analysis.frontier import frontier
from analysis.objectives import accuracy_objective
from analysis.pictures.marks import Line, Picture, Points
from analysis.pictures.painting import figure_of
from analysis.ranking import cheapest, ranking
from analysis.rows import SearchRows
from paretune.api.frontiers import frontiers_of
from paretune.cli.answers.frontier import frontier as command
from paretune.cli.answers.rank import rank
from paretune.errors import InputError

PARAMS = {"metric": "params", "direction": "min"}
SECONDS = {"metric": "seconds_to_target", "direction": "min"}
ACCURACY = {"metric": "exact_match", "direction": "max"}
MARKED = [
    *METRICS[:1],
    {**METRICS[1], "is_cost": True, "spent": None},
    {"name": "wall_seconds", "direction": "min", "unit": "s", "description": "time", "is_cost": True},
    {"name": "val_loss", "direction": "min", "unit": "nats/token", "description": "loss", "is_cost": False},
    {
        "name": "seconds_to_target",
        "direction": "min",
        "unit": "s",
        "description": "time",
        "is_cost": True,
        "spent": "wall_seconds",
    },
]
# (parameters, endings, exact matches, seconds to target, losses) with one entry per seed
CONFIGURATIONS: list[tuple[int, list[str], list[float], list[float | None], list[float]]] = [
    (100, ["solved", "solved"], [0.99, 0.99], [90.0, 70.0], [0.5, 0.5]),
    (300, ["solved", "solved"], [1.0, 0.99], [10.0, 14.0], [0.3, 0.2]),
    (200, ["finished", "finished"], [0.5, 0.7], [None, None], [0.8, 1.0]),
    (400, ["solved", "finished"], [1.0, 0.97], [5.0, None], [0.1, 0.1]),
    (500, ["solved", "solved"], [0.99, 0.99], [6.0, 8.0], [0.4, 0.4]),
]


def costly(folder: Path, objectives: list[dict[str, str]], **changes: Any) -> SearchRows:
    trials = [(n, params, endings, values) for n, (params, endings, values, *_) in enumerate(CONFIGURATIONS)]
    rows = write_search(folder, trials, objectives=objectives, **changes)
    (folder / "metrics.json").write_text(json.dumps(MARKED))
    lines = []
    for line in (folder / "trials.jsonl").read_text().splitlines():
        row = json.loads(line)
        _, _, _, seconds, losses = CONFIGURATIONS[row["configuration"]]
        row["val_loss"] = losses[row["seed_index"]]
        row["wall_seconds"] = 100.0
        if seconds[row["seed_index"]] is not None:
            row["seconds_to_target"] = seconds[row["seed_index"]]
        lines.append(json.dumps(row))
    (folder / "trials.jsonl").write_text("\n".join(lines) + "\n")
    return rows


def test_cost_of_reaching_the_target_is_what_was_spent_over_the_successes(tmp_path: Path):
    table = configurations(costly(tmp_path / "time", [ACCURACY, SECONDS])).set_index("configuration")
    # Number 3 solved within 5 s with one seed, after the other had spent 100 s for nothing.
    assert table["seconds_to_target"].round(6).to_dict() == pytest.approx(
        {0: 80.0, 1: 12.0, 2: float("nan"), 3: 105.0, 4: 7.0}, nan_ok=True
    )
    assert (table["seconds_to_target_low"] <= table["seconds_to_target"]).drop(2).all()
    assert table.loc[2, "seconds_to_target_high"] == float("inf")
    # What was spent in training has a mean.
    assert table["wall_seconds"].tolist() == [100.0] * 5


def test_first_cost_objective_orders_what_reaches_the_target(tmp_path: Path):
    by_size = costly(tmp_path / "size", [ACCURACY, PARAMS, SECONDS])
    by_time = costly(tmp_path / "time", [ACCURACY, SECONDS, PARAMS])
    assert ranking(by_size)["configuration"].tolist() == [0, 1, 4, 3, 2], "of number 3 too little is known"
    # A success of number 3 costs most of all.
    assert ranking(by_time)["configuration"].tolist() == [4, 1, 0, 3, 2]
    assert cheapest(by_time)["configuration"] == 4


def test_costs_are_never_what_says_how_good_a_model_is(tmp_path: Path):
    assert accuracy_objective(costly(tmp_path / "a", [SECONDS, ACCURACY])) == ("exact_match", "max")
    assert accuracy_objective(costly(tmp_path / "b", [SECONDS], target={"val_loss": 0.3})) == (
        "val_loss",
        "min",
    )
    assert accuracy_objective(costly(tmp_path / "c", [PARAMS], target=None)) == ("exact_match", "max")


def test_metrics_of_older_searches_have_one_cost(tmp_path: Path):
    rows = write_search(tmp_path / "old")
    assert (rows.costs, rows.cost_objectives) == (["params"], ["params"])


def test_frontier_of_a_time_leaves_out_and_counts_what_does_not_reach_the_target(tmp_path: Path):
    front = frontier(costly(tmp_path / "time", [ACCURACY, SECONDS]), "seconds_to_target")
    # 7 s and 12 s both solved with all seeds, and the larger of these models is to be trusted more.
    assert front.points["configuration"].tolist() == [4]
    assert front.points["seconds_to_target"].tolist() == [7.0]
    assert front.left_out.not_reaching == 2
    assert str(front.left_out) == "Not considered: 2 configurations that do not reach the target."
    assert front.sentences[0].startswith(
        "The least elapsed time per success of those that reach the target: configuration 4 with 500 param"
    )


def test_two_costs_are_set_against_each_other(tmp_path: Path):
    rows = costly(tmp_path / "both", [SECONDS, PARAMS])
    front = frontier(rows, "params", "seconds_to_target")
    assert front.points["configuration"].tolist() == [0, 1, 4]
    assert front.points["seconds_to_target"].tolist() == [80.0, 12.0, 7.0]
    assert front.others.empty
    (picture,) = front.pictures
    assert (picture.x.title, picture.y.title) == ("parameters", "elapsed time per success (s)")
    assert (picture.x.scale, picture.y.scale) == ("log", "log")
    assert texts(picture) == ["100 parameters"]
    # The other way around it is the same frontier, from its other end.
    assert frontier(rows, "seconds_to_target", "params").points["configuration"].tolist() == [4, 1, 0]


def test_on_the_frontier_of_sizes_everything_that_solved_counts(tmp_path: Path):
    front = frontier(costly(tmp_path / "size", [ACCURACY, PARAMS]))
    rates = front.points["expected_rate"]
    assert front.points["configuration"].tolist() == [0, 1, 4]
    assert rates.is_monotonic_increasing
    assert front.others["configuration"].tolist() == [2, 3]
    assert str(front.left_out) == ""


def test_a_cost_of_reaching_the_target_needs_one(tmp_path: Path):
    rows = costly(tmp_path / "none", [ACCURACY, PARAMS], target=None)
    with pytest.raises(
        SelectionError, match="seconds_to_target is a cost of reaching the target, and by-hand"
    ):
        frontier(rows, "seconds_to_target")
    with pytest.raises(SelectionError, match="success_rate needs a target"):
        frontier(rows, "params", "success_rate")
    assert frontier(rows, "wall_seconds").points["configuration"].tolist() == [0]


def test_a_loss_is_the_mean_of_what_was_trained_to_its_end(tmp_path: Path):
    """One that was stopped would have come further, and a mean of the rest leaves out what diverged."""
    trials = [
        {"configuration": n, "seed_index": seed, "params": params, "values": {"d_model": n + 1},
         "ending": ending, **({} if loss is None else {"val_loss": loss})}
        for n, (params, endings, losses) in enumerate(
            [
                (100, ["finished", "diverged", "diverged"], [0.1, None, None]),
                (200, ["finished", "finished", "diverged"], [0.3, 0.5, None]),
                (300, ["finished", "stopped early", "finished"], [0.3, 9.0, 0.1]),
                (400, ["stopped early", "stopped early", "failed"], [0.1, 0.1, None]),
            ]
        )
        for seed, (ending, loss) in enumerate(zip(endings, losses, strict=True))
    ]  # fmt: skip
    loss = {"metric": "val_loss", "direction": "min"}
    front = frontier(truths.search_of(trials, objectives=[loss, PARAMS], target={"val_loss": 0.05}))
    # Of number 0 most seeds diverged, and of number 3 nothing is known.
    assert front.points["configuration"].tolist() == [1, 2]
    assert front.points["val_loss"].tolist() == [pytest.approx(0.4), pytest.approx(0.2)]
    assert front.others["configuration"].tolist() == [0]
    assert (front.left_out.without_value, front.left_out.diverged, front.left_out.stopped_early) == (1, 3, 3)
    (picture,) = front.pictures
    # Both are bounds: seeds of them diverged, or are not known.
    assert [x for x, _ in dots(picture, "bounded frontier")] == [200, 300]
    assert not dots(picture, "frontier")
    assert "target 0.05" in [mark.label for mark in picture.marks]


def test_picture_of_a_loss_has_its_steps_and_its_label_below(tmp_path: Path):
    """Small is good: the line falls from left to right."""
    loss = {"metric": "val_loss", "direction": "min"}
    rows = costly(tmp_path / "loss", [loss, PARAMS], target={"val_loss": 0.3})
    front = frontier(rows)
    assert front.points["val_loss"].tolist() == [0.5, 0.25, 0.1]
    (picture,) = front.pictures
    (line,) = [mark for mark in picture.marks if isinstance(mark, Line)]
    assert line.steps
    assert list(line.y) == [0.5, 0.25, 0.1]
    axes = figure_of([picture]).axes[0]
    # From a size on, its loss is to be had: the step down is at the larger model.
    assert [drawn.get_drawstyle() for drawn in axes.lines if len(drawn.get_ydata()) == 3] == ["steps-post"]
    assert axes.get_ylim()[0] < 0.1 - 0.1 * (0.5 - 0.1), "room below the best"


def losses_of(losses: list[float], baseline: float | None = None) -> Picture:
    """Return the picture of the losses of models of 100, 200, ... parameters."""
    trials = [
        {"configuration": n, "seed_index": 0, "params": 100 * (n + 1), "values": {"d_model": n + 1},
         "ending": "finished", "val_loss": loss}
        for n, loss in enumerate(losses)
    ]  # fmt: skip
    named = {} if baseline is None else {"known": {"d_model": losses.index(baseline) + 1}}
    loss = {"metric": "val_loss", "direction": "min"}
    rows = truths.search_of(trials, objectives=[loss, PARAMS], target=None, baselines=named)
    return frontier(rows).pictures[0]


def test_a_loss_far_above_all_others_is_marked_at_the_edge_and_counted():
    picture = losses_of([3.0, 2.9, 3.3, 2.8, 3.1, 2.7, 3.2, 13.2, 40.0])
    low, high = picture.y.limits
    assert low < 2.7 < 3.3 < high < 5
    (marked,) = [mark for mark in picture.marks if isinstance(mark, Points) and mark.role == "beyond"]
    assert marked.label == "2 far above, up to 40"
    assert (list(marked.x), list(marked.y)) == ([800, 900], [high, high])
    assert not {800, 900} & {x for x, _ in dots(picture, "other")}


@pytest.mark.parametrize(
    ("losses", "baseline"),
    [
        ([3.0, 2.9, 3.3, 2.8, 3.1, 13.2], 13.2),
        ([13.2, 2.9, 3.3, 2.8, 3.1, 3.0], None),
        ([2.0, 2.0, 2.0, 2.0, 2.0, 9.0], None),
    ],
    ids=["a baseline", "on the frontier", "no spread to judge by"],
)
def test_a_high_loss_that_matters_is_shown_where_it_is(losses: list[float], baseline: float | None):
    picture = losses_of(losses, baseline)
    assert picture.y.limits[1] > max(losses)
    assert not dots(picture, "beyond")


# The commands: once as a process, else in this one, which is quicker


@pytest.fixture
def both(tmp_path: Path) -> Path:
    costly(tmp_path / "both", [ACCURACY, SECONDS, PARAMS], baselines={"wide": {"d_model": 3}})
    return tmp_path


def test_command_shows_a_frontier_for_each_cost(both: Path):
    done = run_cli("frontier", "both", "--results", both, "--export", both / "all.csv")
    assert done.code == 0, done.err
    first, second = done.out.split("Frontier of parameters against expected success rate:")
    assert "Frontier of elapsed time per success against expected success rate:" in first
    assert "2 configurations that do not reach the target" in first
    assert "Not considered" not in second
    # Only final values and rates; the mean of exact match describes no run.
    assert "0.99 0.99" in second
    svg = (both / "both" / "frontier.svg").read_text()
    assert svg.count('id="axes_') == 2
    assert {"frontier.png", "frontier.svg"} <= {path.name for path in (both / "both").iterdir()}
    table = pd.read_csv(both / "all.csv").set_index("configuration")
    assert table["on_frontier"].to_dict() == {0: "params", 1: "params", 4: "seconds_to_target, params"}
    described = json.loads((both / "all.csv.columns.json").read_text())
    assert {"on_frontier", "baseline"} <= {column["name"] for column in described}


def told(capsys: pytest.CaptureFixture[str], results: Path, name: str, **options: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    assert command(name, results=results, as_json=True, **options) == 0
    return json.loads(capsys.readouterr().out)


def test_where_costs_are_all_there_is_they_are_set_against_each_other(tmp_path: Path, capsys):
    for name, objectives in (("costs", [SECONDS, PARAMS]), ("one", [SECONDS])):
        costly(tmp_path / name, objectives)
        front = told(capsys, tmp_path, name)
        assert (front["cost"], front["quality"]) == ("params", "seconds_to_target")
        assert [row["configuration"] for row in front["frontier"]] == [0, 1, 4]


def test_figure_against_one_cost_leaves_that_of_the_objectives_as_it_is(both: Path, capsys):
    several = told(capsys, both, "both")
    before = (both / "both" / "frontier.svg").read_bytes()
    told(capsys, both, "both", against="params")
    assert (both / "both" / "frontier.svg").read_bytes() == before
    assert (both / "both" / "frontier-params.svg").read_text().count('id="axes_') == 1
    two = told(capsys, both, "both", against="params", quality="seconds_to_target")
    assert "frontier-params-seconds_to_target.png" in two["written"][0]
    numbers = [[row["configuration"] for row in front["frontier"]] for front in several["frontiers"]]
    assert numbers == [[4], [0, 1, 4]]


def test_json_of_every_frontier_has_the_same_keys(both: Path, capsys):
    one = told(capsys, both, "both", against="seconds_to_target")
    size = told(capsys, both, "both", against="params")
    assert (one["cost"], one["left_out"]["not_reaching"], one["cheapest"]) == ("seconds_to_target", 2, 4)
    assert (size["quality"], size["cheapest"]) == ("success_rate", 0)
    assert {*size} == {*one}


@pytest.mark.parametrize(
    ("against", "quality", "said"),
    [
        (
            "seconds",
            None,
            "--against got 'seconds', not a cost here.*params, wall_seconds, seconds_to_target",
        ),
        (
            "d_model",
            None,
            "but a parameter; success for each of its values: paretune cliff both --by d_model",
        ),
        (None, "exact", "--quality got 'exact', not one here.*success_rate"),
        ("params", "params", "--quality params is the cost already"),
    ],
)
def test_what_cannot_be_set_against_each_other_is_refused_with_what_can(
    both: Path, against: str | None, quality: str | None, said: str
):
    with pytest.raises(InputError, match=said):
        frontiers_of(SearchRows(both / "both"), against, quality)


def test_a_learning_rate_is_no_cost_and_the_message_names_what_answers(tmp_path: Path):
    space = {"lr": {"type": "float", "low": 0.001, "high": 0.1}}
    trial = {"configuration": 0, "seed_index": 0, "params": 5, "values": {"lr": 0.01}, "ending": "finished"}
    rows = truths.search_of([trial | {"exact_match": 0.1}], space=space)
    with pytest.raises(InputError, match="paretune regimes simulated --rate lr"):
        frontiers_of(rows, "lr")


def test_rank_shows_the_cost_it_ranks_by_the_names_and_the_smallest(both: Path, capsys):
    assert rank("both", results=both) == 0
    out = capsys.readouterr().out
    assert "elapsed time per success" in out
    assert "wide" in out
    assert "The least elapsed time per success of those that reach the target: configuration 4" in out
    assert "The smallest that reaches the target: configuration 0 with 100 parameters" in out
    assert "Nothing is confirmed on fresh seeds yet: paretune confirm " in out


def test_frontier_of_one_configuration_can_be_drawn(tmp_path: Path):
    rows = costly(tmp_path / "one", [ACCURACY, PARAMS])
    alone = frontier(rows.of_configurations([1]), "seconds_to_target")
    assert alone.points["configuration"].tolist() == [1]
    assert np.isfinite(figure_of(alone.pictures).axes[0].get_xlim()).all()
