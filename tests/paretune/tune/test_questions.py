"""A search with a question, through the command line: progress, the answer, and going on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from helpers.commands import Finished, run_cli

from analysis.files.layout import ESTIMATES
from analysis.files.lines import read_lines

SPACE = """
name: little-cliff
task: addition
objectives: [{metric: exact_match, direction: max}, {metric: params, direction: min}]
target: {exact_match: 0.9}
question: {cliff: {within: 0.6}}
fixed: {digits: 1, batch: 64, steps: 120, eval_every: 20, final_norm: false, d_ff: 16, lr: 0.02}
space:
  d_model: {type: int, low: 2, high: 20, step: 2}
search: {trials: 10, concurrency: 2}
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Finished]:
    path = tmp_path_factory.mktemp("question")
    (path / "space.yaml").write_text(SPACE)
    return path, run_cli("search", "space.yaml", cwd=path)


def test_it_says_what_is_known_and_ends_with_the_answer(searched: tuple[Path, Finished]):
    _, done = searched
    assert done.code == 0, done.out + done.err
    # Where it is depends on the processor's rounding; ten short trials may leave it beyond what was tried.
    assert re.search(r"^so far: ((fewer|more) than )?half of the seeds learn at ", done.out, flags=re.M)
    first, *_ = done.out.split("The answer:\n")[1].splitlines()
    assert re.match(r"- (Half|(Fewer|More) than half) of the seeds learn at .*, \d+ trials; ", first)


def test_rows_and_json_say_what_the_answer_rests_on(searched: tuple[Path, Finished]):
    path, _ = searched
    rows = {row["trial"]: row for row in read_lines(path / "results" / "little-cliff" / "trials.jsonl")}
    assert {row["role"] for row in rows.values()} == {ESTIMATES}, "there is nothing to choose"
    told = json.loads(run_cli("answer", "little-cliff", "--json", cwd=path).out)
    answer = told["findings"]["question"]
    assert answer["question"] == {"cliff": {"at": 0.5, "within": 0.6}}
    assert answer["trials"] == len(rows)
    ends = [end for end in (answer["size"][key] for key in ("low", "value", "high")) if end is not None]
    assert ends == sorted(ends)
    assert answer["is_sharp"] == (answer["precision"] is not None and answer["precision"] <= 0.6)


def test_the_report_shows_what_was_asked(searched: tuple[Path, Finished]):
    path, _ = searched
    page = (path / "results" / "little-cliff" / "report.md").read_text()
    assert "Asked is the size at which 50 % of the seeds learn, to ±60 %." in page
    assert "## What was asked" in page


def test_a_search_goes_on_from_its_answer(searched: tuple[Path, Finished]):
    path, _ = searched
    before = json.loads(run_cli("answer", "little-cliff", "--json", cwd=path).out)["findings"]["question"]
    done = run_cli("resume", "little-cliff", "--trials", "14", cwd=path)
    assert done.code == 0, done.out + done.err
    after = json.loads(run_cli("answer", "little-cliff", "--json", cwd=path).out)["findings"]["question"]
    # Nothing is added where the answer is sharp, or known to lie beyond the space.
    assert before["trials"] <= after["trials"] <= 14
    assert after == before or not before["is_sharp"]
