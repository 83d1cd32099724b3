"""Derived values in what a search leaves behind: a column like others, and no parameter of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.rows import write_search

from analysis.comparison.plans import plan_differences
from analysis.configurations import columns_of, configurations
from analysis.effects.design import varying
from analysis.report.space import defaults_quotes, space_table
from analysis.rows import SearchRows
from analysis.selection import parameters

DERIVED = {
    "d_ff": {"times": "d_model", "by": 4},
    "n_heads": {"lookup": "d_model", "table": [[width, 1] for width in range(1, 10)]},
}


@pytest.fixture
def rows(tmp_path: Path) -> SearchRows:
    """The rows of a search in which two parameters are derived."""
    folder = tmp_path / "search"
    write_search(folder, derived=DERIVED)
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    for trial in trials:
        trial["values"] |= {"d_ff": 4 * trial["values"]["d_model"], "n_heads": 1}
    (folder / "trials.jsonl").write_text("".join(f"{json.dumps(trial)}\n" for trial in trials))
    (folder / "defaults.json").write_text(json.dumps({"d_ff": 32, "n_layers": 1}))
    return SearchRows(folder)


def test_effects_leave_out_what_changes_along(rows: SearchRows):
    assert list(varying(rows).columns) == ["d_model"]


def test_derived_values_are_columns_of_selections_and_exports(rows: SearchRows):
    assert list(parameters(rows)["d_ff"]) == [4, 8, 12, 16, 20, 24]
    table = configurations(rows)
    assert list(table["d_ff"]) == [4, 8, 12, 16, 20, 24]
    told = {column.name: column.meaning for column in columns_of(rows)}
    assert told["d_ff"] == "derived: d_model times 4"


def test_the_report_says_how_they_are_derived(rows: SearchRows):
    frame = space_table(rows).frame
    told = dict(zip(frame["parameter"], frame["values"], strict=True))
    assert told["d_ff"] == "derived: d_model times 4"
    assert told["n_heads"].startswith("derived: by d_model: 1 for 1, 1 for 2")
    assert [quote.text for quote in defaults_quotes(rows)] == ["n_layers: 1"]


def test_comparing_says_what_is_derived_otherwise(rows: SearchRows, tmp_path: Path):
    wider = {**DERIVED, "d_ff": {"times": "d_model", "by": 3}}
    other = write_search(tmp_path / "other", derived=wider)
    frame = plan_differences({"search": rows, "other": other}).frame
    assert frame.to_dict("records") == [
        {"part": "d_ff", "search": "derived: d_model times 4", "other": "derived: d_model times 3"}
    ]
