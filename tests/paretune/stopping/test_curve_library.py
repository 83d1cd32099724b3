"""The library of learning curves: what is committed, and that nothing is lost on the way into it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import run_cli

import paretune
from analysis.cliff import cliff
from analysis.files.layout import DamagedError
from analysis.rows import SearchRows
from analysis.selection import parse_condition, select
from paretune.errors import InputError
from paretune.stopping.library import committed_library, read_library, write_library
from paretune.stopping.replay.curves import CurvesError
from paretune.stopping.replay.finding import REPLAYED, stopping

PUBLISHED = Path(__file__).parents[3] / "results" / "published"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    write_library(folder, [SearchRows(PUBLISHED / name) for name in ("quickstart", "explore-777")])
    return folder


def test_searches_read_from_a_library_answer_as_they_do_from_their_folders(small: Path):
    library = {rows.plan.name: rows for rows in read_library(small)}
    assert list(library) == ["quickstart", "explore-777"]
    whole, read = SearchRows(PUBLISHED / "quickstart"), library["quickstart"]
    assert read.plan == whole.plan
    assert read.metrics == whole.metrics
    assert read.defaults == whole.defaults
    for column in ("trial", "configuration", "seed", "params", "values", "ending", "step"):
        assert read.trials[column].tolist() == whole.trials[column].tolist(), column
    assert read.reports["step"].tolist() == whole.reports["step"].tolist()
    for column in ("train_loss", "token_accuracy", "exact_match", "cpu_seconds", "steps_to_target"):
        np.testing.assert_allclose(read.reports[column], whole.reports[column], rtol=1e-6)
    condition = [parse_condition("d_model<=8")]
    assert cliff(select(read, condition)).sentences == cliff(select(whole, condition)).sentences


def test_trials_without_a_known_outcome_are_not_in_a_library(small: Path):
    explore = read_library(small)[1]
    assert len(SearchRows(PUBLISHED / "explore-777").trials) == 28
    assert len(explore.trials) == 27
    assert set(explore.reports["trial"]) == set(explore.trials["trial"])
    content = json.loads((small / "searches.json").read_text())["searches"]["explore-777"]
    assert content["left_out_unknown"] == 1
    assert content["sessions"][0]["hardware"]["cpu"]


def test_a_search_that_is_added_again_is_replaced(small: Path):
    before = [len(rows.trials) for rows in read_library(small)]
    write_library(small, [SearchRows(PUBLISHED / "quickstart"), SearchRows(PUBLISHED / "under-777")])
    after = {rows.plan.name: len(rows.trials) for rows in read_library(small)}
    assert after == {"quickstart": before[0], "explore-777": before[1], "under-777": 24}


def test_cut_off_curves_are_not_taken(tmp_path: Path):
    folder = tmp_path / "cut"
    shutil.copytree(PUBLISHED / "quickstart", folder)
    plan = json.loads((folder / "plan.json").read_text())
    plan["early_stopping"] = {"metric": "exact_match", "direction": "max", "grace_period": 500}
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(CurvesError, match="ran with early stopping"):
        write_library(tmp_path / "library", [SearchRows(folder)])
    assert not (tmp_path / "library").exists()


def test_a_damaged_or_newer_library_says_what_to_do(small: Path):
    described = small / "searches.json"
    content = json.loads(described.read_text())
    described.write_text(json.dumps({**content, "version": 99}))
    with pytest.raises(DamagedError, match="update paretune"):
        read_library(small)
    described.write_text("{}")
    with pytest.raises(DamagedError, match="restore it from the repository"):
        read_library(small)
    (small / "reports.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match="cannot be read"):
        read_library(small)


def test_where_only_the_package_is_installed_it_says_where_the_library_is(tmp_path: Path):
    with pytest.raises(InputError, match="comes with the repository"):
        committed_library(tmp_path / "results", repository=tmp_path)


def test_the_committed_library_holds_600_whole_curves_of_both_formats_many_sizes_rates_and_seeds():
    library = paretune.learning_curves()
    trials = pd.concat([search.trials.assign(search=name) for name, search in library.items()])
    assert len(trials) >= 600
    assert set(trials["ending"]) <= {"solved", "finished", "diverged"}
    assert (trials["ending"] == "solved").sum() >= 120
    tables = [search.parameters for search in library.values()]
    assert {"aligned", "delimited"} <= {value for table in tables for value in table["format"]}
    assert len({size for table in tables for size in table["params"]}) >= 150
    assert len({rate for table in tables for rate in table["lr"]}) >= 100
    assert trials["seed"].nunique() >= 4
    for search in library.values():
        assert search.plan.early_stopping is None
        # Whole: every trial ended by itself, at its last report.
        last = search.reports.groupby("trial")["step"].max()
        steps = search.trials.set_index("trial")["step"]
        pd.testing.assert_series_equal(last.sort_index(), steps.sort_index(), check_dtype=False)


def test_the_library_is_judged_with_a_limited_number_of_replays():
    """That is what bounds the time, whatever the machine."""
    found = stopping([search._rows for search in paretune.learning_curves().values()])
    assert sum(map(len, found.populations)) >= 600
    assert found.replayed <= 1.1 * REPLAYED
    assert found.orders >= 6
    assert len(found.parts) == len(found.populations)


def test_a_library_beside_searches_is_not_taken_for_one(small: Path):
    shown = run_cli("list", "--results", small.parent)
    assert shown.code == 0
    assert "damaged" not in shown.out + shown.err
