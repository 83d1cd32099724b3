"""Real searches: rungs at shares of different horizons, and a cost as objective beside baselines."""

from __future__ import annotations

import json
import re
from pathlib import Path

from helpers.commands import run_cli

from analysis.configurations import baselines
from analysis.rows import SearchRows

HORIZONS = """
name: horizons
task: addition
objectives: [{metric: val_loss, direction: min}]
fixed: {digits: 1, batch: 64, eval_every: 1000, d_model: 8, d_ff: 8}
only:
  - {steps: 80, lr: 0.01}
  - {steps: 240, lr: 0.01}
  # Far too slow to be better at any rung.
  - {steps: 240, lr: 1.0e-7}
  - {steps: 80, lr: 1.0e-7}
search: {concurrency: 1}
early_stopping: {metric: val_loss, direction: min, at: [0.25, 0.5], reduction_factor: 2}
"""

FAST = """
name: fast
task: addition
objectives: [{metric: steps_to_target, direction: min}, {metric: params, direction: min}]
target: {val_loss: 1.0}
target_hold: 1
fixed: {digits: 1, batch: 64, eval_every: 20, steps: 300, d_ff: 32}
space:
  d_model: {type: choice, values: [8, 16, 24]}
  lr: {type: float, low: 1.0e-6, high: 3.0e-2, log: true}
baselines:
  wide: {d_model: 24, lr: 0.02}
  hopeless: {d_model: 8, lr: 1.0e-6}
try_first: [{d_model: 16, lr: 0.02}, {d_model: 16, lr: 0.025}, {d_model: 24, lr: 0.025}]
search: {trials: 5, concurrency: 1}
"""


def test_trials_of_different_budgets_report_and_stop_at_shares_of_their_own(tmp_path: Path):
    space = tmp_path / "horizons.yaml"
    space.write_text(HORIZONS)
    done = run_cli("search", space, "--results", tmp_path)
    assert done.code == 0, done.out + done.err
    rows = SearchRows(tmp_path / "horizons")
    steps = {label: list(part["step"]) for label, part in rows.reports.groupby("trial")}
    assert steps["c000-s0"] == [20, 40, 80]
    assert steps["c001-s0"] == [60, 120, 240]
    # At step 60 or 20: a quarter of each. At equal steps, the last would be a rung late.
    assert (steps["c002-s0"], steps["c003-s0"]) == ([60], [20])
    assert rows.trials["ending"].tolist() == ["finished", "finished", "stopped early", "stopped early"]


def test_search_for_what_is_fast_names_its_baselines_and_resumes(tmp_path: Path):
    space = tmp_path / "fast.yaml"
    space.write_text(FAST)
    done = run_cli("search", space, "--results", tmp_path)
    assert done.code == 0, done.out + done.err
    rows = SearchRows(tmp_path / "fast")
    assert baselines(rows) == {0: "wide", 1: "hopeless"}
    assert rows.trials["values"][2]["d_model"] == 16
    assert rows.trials["ending"].tolist()[:3] == ["solved", "finished", "solved"]
    assert re.search(r"^configuration .* steps per success", done.out, flags=re.M)
    assert "The answer:" in done.out
    assert done.err == ""
    # What was infeasible is told to the sampler again, and the search goes on.
    more = run_cli("search", "--resume", "fast", "--results", tmp_path, "--trials", "7")
    assert more.code == 0, more.out + more.err
    assert len(SearchRows(tmp_path / "fast").trials) == 7
    told = json.loads(run_cli("frontier", "fast", "--results", tmp_path, "--json").out)
    # There is no objective but costs: what a success costs is set against the size.
    assert (told["cost"], told["quality"]) == ("params", "steps_to_target")
    assert all(row["solved"] and row["steps_to_target"] <= 300 for row in told["frontier"])
    assert told["left_out"]["not_reaching"] >= 1, "the hopeless one does not reach the target"
