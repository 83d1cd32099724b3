"""The commands that answer, on a real search: rank, frontier, retrain, evaluate, add."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.commands import Finished, Search, run_cli


@pytest.fixture(scope="module")
def every_ending(every_ending: Search, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """The search in a folder of this file's own, which its commands write into."""
    results = tmp_path_factory.mktemp("answers") / "results"
    shutil.copytree(every_ending.results, results)
    return replace(every_ending, results=results)


def test_rank_lists_configurations_best_first(every_ending: Search):
    done = every_ending.cli("rank")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split()[:3] == ["rank", "configuration", "parameters"]
    assert [line.split()[1] for line in lines[1:6]] == ["0", "1", "2", "3", "4"]
    assert lines[7].startswith("The smallest that reaches the target: configuration 0 with 6,144 parameters")
    assert lines[8].startswith("Nothing is confirmed on fresh seeds yet: paretune confirm ")
    assert "1 of 1" in lines[1]
    table = json.loads(every_ending.cli("rank", "--top", "1", "--json").out)
    assert table[0]["params"] == 6144
    assert table[0]["success_rate"] == 1.0


def test_frontier_is_exported_in_every_format(every_ending: Search, tmp_path: Path):
    for ending in ("csv", "json", "parquet", "md"):
        done = every_ending.cli("frontier", "--export", tmp_path / f"frontier.{ending}")
        assert done.code == 0, done.err
        assert (tmp_path / f"frontier.{ending}").stat().st_size > 0
    # Of the smaller ones no seed has solved.
    assert pd.read_csv(tmp_path / "frontier.csv")["params"].tolist() == [6144]
    assert (every_ending.folder / "frontier.png").exists()
    assert (every_ending.folder / "frontier.svg").exists()
    wrong = every_ending.cli("frontier", "--export", tmp_path / "frontier.xlsx")
    assert wrong.code == 2
    assert ".parquet" in wrong.err


def test_unknown_search_lists_those_there_are(every_ending: Search):
    done = run_cli("rank", "every-endig", "--results", every_ending.results)
    assert done.code == 2
    assert "Did you mean every-ending?" in done.err


@pytest.fixture(scope="module")
def retrained(every_ending: Search) -> Finished:
    return every_ending.cli("retrain", "--seeds", "2", "--json")


def test_retrain_confirms_the_smallest_that_reached_the_target(retrained: Finished):
    assert retrained.code == 0, retrained.err
    content = json.loads(retrained.out)
    assert content["configuration"] == 0
    assert content["why"] == "it is the smallest that reached the target"
    assert [run["seed"] for run in content["seeds"]] == [500, 501], "fresh seeds"
    assert content["success"]["seeds"] == 2
    best = next(run for run in content["seeds"] if run["seed"] == content["best_seed"])
    assert best["test"]["problems"] == 10_000
    assert best["test"]["share"] >= 0.99
    assert best["test"]["low"] < best["test"]["share"] <= best["test"]["high"]
    # At full budget: nobody stopped when the task was solved.
    assert all(run["seconds"] > 0 for run in content["seeds"])
    report = Path(content["report"])
    assert (report.parent / "curves.png").exists()
    reports = json.loads((report.parent / "report.json").read_text())
    assert reports["config"]["steps"] == 2000


def test_report_tells_what_a_reader_asks(retrained: Finished):
    text = Path(json.loads(retrained.out)["report"]).read_text()
    for heading in (
        "## Seeds",
        "## Training curves",
        "## Accuracy per answer position",
        "## Exact match per number of carries",
        "## Exact match per longest chain of carries",
        "## Edge cases",
        "## Margin between the correct token's logit and the next",
        "## Failures",
        "## Parameters by component",
        "## Where it was made",
    ):
        assert heading in text
    assert "95 % interval" in text
    assert "| all | 6144 |" in text


def test_weak_model_shows_at_least_ten_failures(every_ending: Search):
    done = every_ending.cli("retrain", "--configuration", "1", "--seeds", "1", "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    failures = next(t for t in content["seeds"][0]["test"]["tables"] if t["title"] == "Failures")
    assert len(failures["rows"]) >= 10
    for problem, prediction, truth in failures["rows"]:
        a, b = map(int, problem.split(" + "))
        assert truth == a + b
        assert prediction != truth


def test_retrained_model_evaluates_and_adds(retrained: Finished):
    content = json.loads(retrained.out)
    best = next(run for run in content["seeds"] if run["seed"] == content["best_seed"])
    checkpoint = best["checkpoint"]
    done = run_cli("evaluate", checkpoint, "--json")
    assert json.loads(done.out)["successes"] == best["test"]["successes"]
    sums = [(123, 456), (999, 999), (0, 0), (5, 995)]
    answers = [json.loads(run_cli("add", checkpoint, str(a), str(b), "--json").out) for a, b in sums]
    # At 99 % or more, two or more of four wrong has odds of about 6 in 10,000.
    assert sum(answer["correct"] for answer in answers) >= 3
    assert re.fullmatch(r"123 \+ 456 = \d+  \(.+\)\n", run_cli("add", checkpoint, "123", "456").out)


def test_add_refuses_what_the_model_was_not_made_for(retrained: Finished):
    checkpoint = json.loads(retrained.out)["seeds"][0]["checkpoint"]
    too_long = run_cli("add", checkpoint, "1234", "1")
    assert too_long.code == 2
    assert "up to 3 digits" in too_long.err
    assert run_cli("add", checkpoint, "twelve", "1").code == 2


def test_file_that_is_no_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "notes.pt"
    path.write_text("not a checkpoint")
    done = run_cli("evaluate", path)
    assert done.code == 2
    assert "notes.pt" in done.err
    assert "Traceback" not in done.err
