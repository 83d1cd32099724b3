"""Elapsed times say how trials shared a device, and that GPUs were fake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.rows import write_search

from analysis.report.method import method_section
from analysis.rows import SearchRows
from analysis.times.sharing import fake_gpus, shared_device, told_fake_gpus, trials_at_a_time


def search_with(folder: Path, columns: dict[str, Any], session: dict[str, Any], **plan: Any) -> SearchRows:
    """Return a search whose trials have some columns more, and one session."""
    rows = write_search(folder, **plan)
    path = folder / "trials.jsonl"
    lines = [{**json.loads(line), **columns} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rows.store.write_sessions([{"session": 1, "concurrency": 4, **session}])
    return SearchRows(folder)


@pytest.mark.parametrize(
    ("columns", "session", "expected"),
    [
        ({}, {}, "four trials at a time: elapsed times include waiting for each other"),
        ({"gpu": 0.25}, {"hardware": {"mps": False}}, "four trials at a time on shared GPUs, taking turns: "),
        (
            {"gpu": 0.25},
            {"hardware": {"mps": True}},
            "four trials at a time on shared GPUs, side by side (CUDA MPS): ",
        ),
        # A session of an older version does not say.
        ({"gpu": 0.25}, {}, "four trials at a time on shared GPUs, taking turns: "),
        ({"gpu": 0.25, "fake_gpus": 1}, {}, "four trials at a time on the processor, with fake GPUs: "),
        ({"gpu": 1.0, "fake_gpus": 4}, {}, "four trials at a time on the processor, with fake GPUs: "),
        ({"gpu": 1.0}, {}, None),
        ({}, {"concurrency": 1}, None),
    ],
)
def test_elapsed_times_say_how_a_device_was_shared(
    columns: dict[str, Any], session: dict[str, Any], expected: str | None, tmp_path: Path
):
    told = shared_device(search_with(tmp_path, columns, session))
    assert told is None if expected is None else told is not None and told.startswith(expected)


@pytest.mark.parametrize(
    ("gpu", "expected"), [(2, 1), ("auto", 4), (0.5, 4), (0, 4)], ids=["whole", "auto", "a share", "none"]
)
def test_rows_that_do_not_say_what_a_trial_had_are_those_of_the_plan(
    gpu: float | str, expected: int, tmp_path: Path
):
    rows = search_with(tmp_path, {}, {}, resources={"gpu": gpu})
    assert trials_at_a_time(rows) == expected


def test_a_report_says_that_gpus_were_fake(tmp_path: Path):
    rows = search_with(tmp_path, {"gpu": 0.5, "fake_gpus": 2}, {})
    assert fake_gpus(rows) == 2
    text = told_fake_gpus(rows)
    assert text is not None
    assert "2 fake GPUs" in text
    assert text in str(method_section(rows))
    assert told_fake_gpus(write_search(tmp_path / "other")) is None


def test_what_is_no_number_says_nothing(tmp_path: Path):
    """Rows of others may hold anything."""
    for value in ("many", [1], {}, None, True):
        rows = search_with(tmp_path, {"fake_gpus": value, "gpu": value}, {})
        assert fake_gpus(rows) in (0, 1)
        shared_device(rows)
