"""``paretune stopping`` on searches that are committed, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.commands import run_cli
from ruamel.yaml import YAML

from paretune.stopping.library import write_library
from search_spaces.parts.early_stopping import EarlyStopping

PUBLISHED = Path(__file__).parents[3] / "results" / "published"
QUICKSTART, SWEEP = PUBLISHED / "quickstart", PUBLISHED / "gpt_acc_jax_sweep"
FEW = ("--metric", "train_loss", "--at", "0.2,0.5", "--factor", "1.5")


def changed(tmp_path: Path, **plan: object) -> Path:
    """Copy the quickstart's search, with another plan."""
    folder = tmp_path / "changed"
    shutil.copytree(QUICKSTART, folder)
    content = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**content, **plan}))
    return folder


def test_a_search_is_judged_and_the_rule_can_be_pasted():
    done = run_cli("stopping", SWEEP, *FEW)
    assert done.code == 0, done.err
    assert done.out.startswith("Recommended: train_loss at ")
    for words in ("The best of a table flatters itself", "40 winners", "no rule", "winners small", "bias"):
        assert words in done.out
    _, _, block = done.out.partition("The recommended rule in a space file:\n\n")
    EarlyStopping.model_validate(YAML(typ="safe").load(block)["early_stopping"])


def test_the_same_is_json_with_all_numbers_and_a_table_and_a_figure_are_written(tmp_path: Path):
    table, figure = tmp_path / "rules.csv", tmp_path / "rules.png"
    done = run_cli("stopping", SWEEP, *FEW, "--json", "--export", table, "--figure", figure)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["kind"] == "stopping"
    assert found["recommended"]["lost"]["value"] <= 0.05
    assert EarlyStopping.model_validate(found["early_stopping"]).at is not None
    assert len(found["left_out"]) == 6
    assert found["cliffs"][0]["search"] == "gpt_acc_jax_sweep"
    rules = pd.read_csv(table)
    assert rules["metric"].iloc[0] == "no rule"
    assert len(rules) == len(found["rules"]) > 4
    assert rules["ratio"].iloc[0] == 1
    assert figure.stat().st_size > 10_000


def test_several_searches_are_each_judged_by_rules_that_others_chose():
    done = run_cli("stopping", SWEEP, QUICKSTART, *FEW, "--json")
    found = json.loads(done.out)
    assert [part["judged_on"] for part in found["left_out"]] == ["gpt_acc_jax_sweep", "quickstart", "all"]
    assert [one["search"] for one in found["population"]] == ["gpt_acc_jax_sweep", "quickstart"]


def test_a_part_of_a_search_and_a_library_can_be_judged(tmp_path: Path):
    from analysis.rows import SearchRows

    write_library(tmp_path / "curves", [SearchRows(SWEEP), SearchRows(QUICKSTART)])
    few = (*FEW, "--where", "format=aligned", "--json")
    assert "format" in run_cli("stopping", tmp_path / "curves", *few).out
    small = json.loads(run_cli("stopping", tmp_path / "curves", *FEW, "--where", "n_layers=1", "--json").out)
    whole = json.loads(run_cli("stopping", tmp_path / "curves", *FEW, "--json").out)
    trials = [sum(one["trials"] for one in found["population"]) for found in (small, whole)]
    assert trials[0] < trials[1] == 168 + 48


def test_one_search_of_the_committed_library_can_be_judged_by_its_name(tmp_path: Path):
    done = run_cli("stopping", "learning-curves/under-777", *FEW, "--json", "--results", tmp_path)
    assert [one["trials"] for one in json.loads(done.out)["population"]] == [24]
    done = run_cli("stopping", "learning-curves/under-77", *FEW)
    assert done.code == 2
    assert "did you mean under-777?" in done.err


def test_rungs_at_steps_can_be_tried_and_say_their_lines():
    done = run_cli("stopping", QUICKSTART, "--steps", "600", "--factor", "3", "--metric", "train_loss")
    assert done.code == 0
    assert "600 steps" in done.out
    assert "grace_period: 600\n  max_steps: 600" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--at", "0.5;0.7"), "--at takes numbers with commas between"),
        (("--at", "1.5"), "a rung lies at a share between 0 and 1, but got 1.5"),
        (("--metric", "loss"), "--metric got 'loss'"),
        (("--where", "d_model=5"), "d_model=5"),
    ],
)
def test_what_cannot_be_tried_is_refused(arguments: tuple[str, ...], said: str):
    done = run_cli("stopping", QUICKSTART, *arguments)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err


def test_cut_off_curves_are_refused_and_it_says_what_to_do(tmp_path: Path):
    rule = {"metric": "exact_match", "direction": "max", "grace_period": 500}
    done = run_cli("stopping", changed(tmp_path, early_stopping=rule))
    assert done.code == 2
    for words in ("ran with early stopping", "take early_stopping out of its space file", "learning-curves"):
        assert words in done.err


def test_a_search_without_a_target_is_refused(tmp_path: Path):
    done = run_cli("stopping", changed(tmp_path, target=None))
    assert done.code == 2
    assert "has no target" in done.err
