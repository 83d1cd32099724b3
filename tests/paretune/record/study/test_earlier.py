"""``--learn-from`` as a person uses it: names, mistakes, what is kept, and a search that is resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from helpers.commands import run_cli

import paretune
from analysis.files.layout import DamagedError
from paretune.plan.binding import bind
from paretune.record.run_folder import RunFolder
from paretune.record.study.earlier import as_learned_before, with_learned
from paretune.record.study.storage import LEARNED_ID, RowsStorage
from search_spaces.plan import Plan

PUBLISHED = Path(__file__).parents[4] / "results" / "published"

SPACE = """
name: knowing
task: addition
objectives:
  - {metric: exact_match, direction: max}
  - {metric: params, direction: min}
target: {exact_match: 0.99}
fixed: {digits: 3, batch: 128, steps: 2000, final_norm: false}
space:
  d_model: {type: int, low: 4, high: 24, step: 4}
  n_heads: {type: choice, values: [1, 2, 4]}
  d_ff: {type: int, low: 8, high: 64, step: 8}
  lr: {type: float, low: 5.0e-3, high: 3.0e-2, log: true}
search: {trials: 2, seeds: 1}
learn_from: [quickstart]
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    """A space file that learns from a search that lies below ``results``."""
    shutil.copytree(PUBLISHED / "quickstart", tmp_path / "results" / "quickstart")
    shutil.rmtree(tmp_path / "results" / "quickstart" / "retrain", ignore_errors=True)
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def test_check_says_what_would_be_learned(space: Path):
    results = space.parent / "results"
    done = run_cli("check", space, "--results", results)
    assert done.code == 0, done.err
    assert "learns from     quickstart: 24 of 24 configurations\n" in done.out
    told = json.loads(run_cli("check", space, "--results", results, "--budget", "4000", "--json").out)
    assert told["learns_from"] == [
        "quickstart: 1 of 24 configurations; steps is 2000 there, 4000 here, so they count less; "
        "left out: 23 (thinned out, since they differ)"
    ]
    folder = results / "quickstart"
    assert paretune.check(space, results=results, learn_from=[str(folder)]).learn_from == [str(folder)]


@pytest.mark.parametrize(
    ("named", "changed", "message"),
    [
        (
            None,
            ("[quickstart]", "[quikstart]"),
            "yaml:15: learn_from.0: there is no search 'quikstart'",
        ),
        (None, ("digits: 3", "digits: 4"), "nothing to learn from quickstart: digits is 3 there, 4 here (24"),
        (None, ("seeds: 1", "seeds: 1, sampler: qmc"), "learn_from: has no effect with search.sampler qmc"),
        (None, ("[quickstart]", "quickstart"), "got 'quickstart'; accepted: a list"),
        (["other"], ("", ""), "learn_from.0: there is no search 'other'"),
        (["quickstart", "quickstart"], ("", ""), "learn_from.1: quickstart is named already"),
    ],
)
def test_mistakes_are_told_at_their_place(
    space: Path, named: list[str] | None, changed: tuple[str, str], message: str
):
    space.write_text(SPACE.replace(*changed))
    with pytest.raises(paretune.SpaceFileError) as mistakes:
        paretune.check(space, results=space.parent / "results", learn_from=named)
    assert message in str(mistakes.value)


def test_a_search_that_cannot_learn_leaves_nothing_behind(space: Path):
    results = space.parent / "results"
    done = run_cli("search", space, "--results", results, "--learn-from", "other")
    assert done.code == 2
    assert "learn_from.0: there is no search 'other'" in done.err
    assert [path.name for path in results.iterdir()] == ["quickstart"]


def test_what_was_learned_is_kept_whatever_becomes_of_the_other_search(space: Path):
    results = space.parent / "results"
    plan = bind(Plan.model_validate(paretune.check(space, results=results).stated()))
    knowing = with_learned(plan, results)
    folder = RunFolder.create(results, knowing, SPACE)
    shutil.rmtree(results / "quickstart")
    assert as_learned_before(bind(folder.plan), folder).learned == knowing.learned

    storage = RowsStorage(folder, knowing)
    own, other = storage.get_all_studies()
    assert (own.study_name, other.study_name) == ("knowing", "what knowing learned from quickstart")
    assert len(storage.get_all_trials(LEARNED_ID)) == 24
    assert storage.get_all_trials(own._study_id) == []

    kept = folder.path / "learned.json"
    for content in ('{"version": 1}', '{"version": 1, "sources": [{}], "configurations": []}', "nonsense"):
        kept.write_text(content)
        with pytest.raises(DamagedError, match=r"learned\.json.*restore it from a copy"):
            as_learned_before(bind(folder.plan), folder)
    kept.unlink()
    with pytest.raises(DamagedError, match="restore it from a copy"):
        as_learned_before(bind(folder.plan), folder)


def test_a_real_search_learns(space: Path):
    results = space.parent / "results"
    done = run_cli("search", space, "--results", results, "--budget", "200", "--learn-from", "quickstart")
    assert done.code == 0, done.err
    assert "Learns from quickstart: 1 of 24 configurations; steps is 2000 there, 200 here" in done.out
    folder = results / "knowing"
    (session,) = json.loads((folder / "provenance.json").read_text())["sessions"]
    (source,) = session["learned_from"]
    assert (source["name"], source["learned"]) == ("quickstart", 1)
    assert len(source["digest"]) == 64

    done = run_cli("search", "--resume", "knowing", "--results", results, "--learn-from", "knowing")
    assert done.code == 2
    assert "leave out --learn-from" in done.err
    search = paretune.open(folder)
    assert len(search.trials) == len(search.study().trials) == 2
    assert "1 of quickstart" in (folder / "report.md").read_text()
