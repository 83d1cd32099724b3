"""Ranking and frontiers by any cost, on rows written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import run_cli
from test_analysis import METRICS, PLAN, write_search

from analysis.frontier import Frontier, frontier
from analysis.plots import frontier_figure
from analysis.ranking import accuracy_objective, ranking
from analysis.rows import SearchRows

PARAMS = {"metric": "params", "direction": "min"}
SECONDS = {"metric": "seconds_to_target", "direction": "min"}
ACCURACY = {"metric": "exact_match", "direction": "max"}
MARKED = [
    *METRICS[:1],
    {**METRICS[1], "is_cost": True, "spent": None},
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
        if seconds[row["seed_index"]] is not None:
            row["seconds_to_target"] = seconds[row["seed_index"]]
        lines.append(json.dumps(row))
    (folder / "trials.jsonl").write_text("\n".join(lines) + "\n")
    return rows


def test_first_cost_objective_orders_what_reached_the_target(tmp_path: Path):
    by_size = costly(tmp_path / "size", [ACCURACY, PARAMS, SECONDS])
    by_time = costly(tmp_path / "time", [ACCURACY, SECONDS, PARAMS])
    # Number 3 is fastest with one of its seeds, but one of two is no finding.
    assert ranking(by_size)["configuration"].tolist() == [0, 1, 4, 3, 2]
    assert ranking(by_time)["configuration"].tolist() == [4, 1, 0, 3, 2]


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


def test_frontier_of_a_time_leaves_out_and_counts_what_has_none(tmp_path: Path):
    front = frontier(costly(tmp_path / "time", [ACCURACY, SECONDS]), "seconds_to_target")
    # 7 s with 0.99, 12 s with 0.995; 80 s with 0.99 is beaten by both. 5 s were one lucky seed's, of two.
    assert front.points["configuration"].tolist() == [4, 1]
    assert front.points["seconds_to_target"].tolist() == [7.0, 12.0]
    assert front.others["configuration"].tolist() == [0]
    assert front.without_cost == 2


def test_a_seed_to_go_may_be_the_one_that_fails(tmp_path: Path):
    """As where configurations are ranked: more than half of all seeds, not of those that have ended."""
    rows = costly(tmp_path / "going", [ACCURACY, SECONDS], search=PLAN["search"] | {"seeds": 4})
    front = frontier(rows, "seconds_to_target")
    assert front.points.empty
    assert front.others.empty
    assert front.without_cost == 5


def test_on_the_frontier_of_another_cost_everything_counts(tmp_path: Path):
    front = frontier(costly(tmp_path / "size", [ACCURACY, PARAMS]))
    assert front.points["configuration"].tolist() == [0, 1]
    assert front.others["configuration"].tolist() == [2, 3, 4]
    assert front.without_cost == 0


def test_frontier_of_a_cost_that_nothing_has_is_empty(tmp_path: Path):
    rows = write_search(tmp_path / "none")
    front = frontier(rows, "seconds_to_target")
    assert front.points.empty
    assert front.without_cost == 5


def test_figure_of_a_loss_has_its_steps_and_its_label_below(tmp_path: Path):
    """Small is good: the line falls from left to right, and nothing lies to the left of and below it."""
    loss = {"metric": "val_loss", "direction": "min"}
    rows = costly(tmp_path / "loss", [loss, PARAMS], target={"val_loss": 0.3})
    front = frontier(rows)
    assert front.points["val_loss"].tolist() == [0.5, 0.25, 0.1]
    axes = frontier_figure(front, unit="nats/token", target=0.3, title="Loss").axes[0]
    (line,) = [line for line in axes.lines if line.get_drawstyle().startswith("steps")]
    # From a size on, its loss is to be had: the step down is at the larger model.
    assert line.get_drawstyle() == "steps-post"
    assert line.get_ydata().tolist() == [0.5, 0.25, 0.1]
    (label,) = axes.texts
    assert (label.get_text(), label.xy) == ("300 parameters", (300, 0.25))
    across, up = label.get_position()
    assert across < 0
    assert up < 0
    assert axes.get_ylim()[0] < 0.1 - 0.1 * (0.5 - 0.1), "room for a label below the best"


def front_of(losses: list[float], baseline: float | None = None) -> Frontier:
    """Return a frontier of the losses of models of 100, 200, ... parameters."""
    sizes = [100 * (n + 1) for n in range(len(losses))]
    table = pd.DataFrame({"params": sizes, "val_loss": losses, "stopped_early": 0})
    table["baseline"] = [("known" if loss == baseline else None) for loss in losses]
    on = table["val_loss"] < table["val_loss"].cummin().shift(fill_value=float("inf"))
    return Frontier(table[on], table[~on], "val_loss", "min", diverged=0, failed=0, unfinished=0)


def test_a_loss_far_above_all_others_is_marked_at_the_edge_and_counted():
    losses = [3.0, 2.9, 3.3, 2.8, 3.1, 2.7, 3.2, 13.2, 40.0]
    axes = frontier_figure(front_of(losses), unit="nats/token", target=2.5, title="Loss").axes[0]
    low, high = axes.get_ylim()
    assert low < 2.5 < 3.3 < high < 5
    labels = axes.get_legend_handles_labels()[1]
    assert "2 far above, up to 40" in labels
    (marked,) = [dots for dots in axes.collections if dots.get_label() == "2 far above, up to 40"]
    assert marked.get_offsets().tolist() == [[800, high], [900, high]]


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
    front = front_of(losses, baseline)
    axes = frontier_figure(front, unit="nats/token", target=None, title="Loss").axes[0]
    assert axes.get_ylim()[1] > max(losses)
    assert not [label for label in axes.get_legend_handles_labels()[1] if "far above" in label]


# The command


@pytest.fixture
def both(tmp_path: Path) -> Path:
    costly(tmp_path / "both", [ACCURACY, SECONDS, PARAMS], baselines={"wide": {"d_model": 3}})
    return tmp_path


def test_command_shows_a_frontier_for_each_cost(both: Path):
    done = run_cli("frontier", "both", "--results", both)
    assert done.code == 0, done.err
    first, second = done.out.split("Frontier of parameters against exact match:")
    assert "Frontier of seconds to target against exact match:" in first
    assert "12 s" in first
    assert "2 configurations without seconds to target" in first
    assert "without" not in second
    svg = (both / "both" / "frontier.svg").read_text()
    assert svg.count('id="axes_') == 2
    assert {"frontier.png", "frontier.svg"} <= {path.name for path in (both / "both").iterdir()}


def test_figure_against_one_cost_leaves_that_of_the_objectives_as_it_is(both: Path):
    assert run_cli("frontier", "both", "--results", both).code == 0
    before = (both / "both" / "frontier.svg").read_bytes()
    done = run_cli("frontier", "both", "--results", both, "--against", "params")
    assert done.code == 0, done.err
    assert (both / "both" / "frontier.svg").read_bytes() == before
    assert (both / "both" / "frontier-params.svg").read_text().count('id="axes_') == 1
    assert "frontier-params.png, " in done.out


def test_json_lists_the_frontiers_with_their_costs(both: Path):
    several = json.loads(run_cli("frontier", "both", "--results", both, "--json").out)
    told = {
        front["cost"]: [row["configuration"] for row in front["frontier"]] for front in several["frontiers"]
    }
    assert told == {"seconds_to_target": [4, 1], "params": [0, 1]}
    one = json.loads(
        run_cli("frontier", "both", "--results", both, "--against", "seconds_to_target", "--json").out
    )
    assert (one["cost"], one["left_out"]["without_cost"]) == ("seconds_to_target", 2)
    assert [row["configuration"] for row in one["frontier"]] == [4, 1]
    size = json.loads(run_cli("frontier", "both", "--results", both, "--against", "params", "--json").out)
    assert {*size} == {"metric", "direction", "frontier", "left_out", "written"}
    assert {*size["left_out"]} == {"diverged", "failed", "unfinished"}


def test_export_of_several_holds_each_configuration_once_and_on_what_it_is(both: Path):
    done = run_cli("frontier", "both", "--results", both, "--export", both / "all.csv")
    assert done.code == 0, done.err
    table = pd.read_csv(both / "all.csv").set_index("configuration")
    assert table["on_frontier"].to_dict() == {
        0: "params",
        1: "seconds_to_target, params",
        4: "seconds_to_target",
    }
    described = json.loads((both / "all.csv.columns.json").read_text())
    assert {"on_frontier", "baseline"} <= {column["name"] for column in described}


def test_unknown_cost_is_refused_with_those_there_are(both: Path):
    done = run_cli("frontier", "both", "--results", both, "--against", "seconds")
    assert done.code == 2
    assert "--against got 'seconds', not a cost here" in done.err
    assert "params, seconds_to_target" in done.err


def test_rank_shows_the_cost_it_ranks_by_and_the_names(both: Path):
    done = run_cli("rank", "both", "--results", both)
    assert done.code == 0, done.err
    assert "seconds to target" in done.out
    assert "wide" in done.out
