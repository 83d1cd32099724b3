"""Searches that are given a time, for real: what they say, and the rows they leave."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path

from helpers.commands import run_cli

from paretune.plan.loading import load_bound
from paretune.record.run_folder import RunFolder
from paretune.timing.deadline import Deadline
from paretune.timing.times import TrialTimes
from search_spaces.loader import SpaceFile

SPACE = """
name: timed
task: addition
objectives: [{metric: exact_match, direction: max}, {metric: params, direction: min}]
target: {exact_match: 0.99}
fixed: {digits: 2, batch: 32, steps: 60, eval_every: 20, engine: torch}
space:
  d_model: {type: int, low: 4, high: 16, step: 4}
  d_ff: {type: int, low: 8, high: 16, step: 8}
search: {trials: 4, seeds: 2, sampler: random, concurrency: 1}
"""


def test_a_search_says_before_what_it_expects_and_after_what_came(tmp_path: Path):
    space = tmp_path / "timed.yaml"
    space.write_text(SPACE)
    results = tmp_path / "results"
    done = run_cli("search", space, "--within", "1h", "--results", results)
    assert done.code == 0, done.out + done.err
    measured, rest = done.out.split("Measured ")[1].split(". ", 1)
    assert " configurations in " in measured
    assert rest.startswith("All 4 trials are expected to end within 1 h 00 min, after at most about ")
    assert "Forecast: 4 trials in at most " in done.out
    assert " 4 ended in " in done.out
    assert " of 1 h 00 min." in done.out
    assert "Its time was over" not in done.out
    assert {row["ending"] for row in RunFolder(results / "timed").store.trials().values()} <= {
        "finished",
        "solved",
    }
    (session,) = json.loads((results / "timed" / "provenance.json").read_text())["sessions"]
    kept = session["deadline"]
    assert (kept["within"], kept["ended"], kept["ended_the_search"]) == (3600, 4, False)
    assert kept["forecast"]["planned"] == kept["forecast"]["trials"] == 4


def test_a_time_too_short_for_one_configuration_is_refused_and_leaves_nothing(tmp_path: Path):
    space = tmp_path / "timed.yaml"
    space.write_text(SPACE.replace("steps: 60", "steps: 5000000"))
    done = run_cli("search", space, "--within", "1min", "--results", tmp_path / "results", "--json")
    assert done.code == 2, done.out + done.err
    assert "within 1 min 00 s not even one configuration with its 2 seeds" in done.err
    assert "give more time" in json.loads(done.out)["error"]["message"]
    assert not (tmp_path / "results").exists()


def test_what_runs_when_the_time_is_over_is_interrupted_and_resumed(tmp_path: Path):
    """The deadline knows no times here, so it lets trials begin; its clock jumps once one has reported."""
    from paretune.tune.run import run_search

    space = tmp_path / "timed.yaml"
    space.write_text(SPACE.replace("steps: 60", "steps: 200000").replace("trials: 4", "trials: 2"))
    bound = load_bound(SpaceFile(space), {}, None)
    folder = RunFolder.create(tmp_path / "results", bound, space.read_text())
    reports = folder.path / "reports.jsonl"

    def clock() -> float:
        return 1000.0 if reports.is_file() and len(reports.read_text().splitlines()) > 5 else 0.0

    @contextmanager
    def nobody(past: object):
        yield []

    keeper = Deadline(bound, TrialTimes([]), slots=2, ends_at=900.0, closing=5.0, clock=clock)
    began = time.monotonic()
    result = run_search(folder, bound, nobody, address="local", deadline=keeper)
    assert time.monotonic() - began < 200
    assert result.ran_out_of_time
    assert not result.interrupted
    rows = folder.store.trials()
    assert {row["ending"] for row in rows.values()} == {"interrupted"}
    assert keeper.cut == len(rows) > 0
    done = run_cli("list", "--results", tmp_path / "results")
    assert "interrupted" in done.out
