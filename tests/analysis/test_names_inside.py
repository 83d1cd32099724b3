"""Names in files of a search are paths below its folder, or nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.rows import write_search

from analysis.files.layout import DamagedError
from analysis.names import inside
from paretune.record.recorder import read_past


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "..", ".", "", "a\0b", "../strange-2/x"]
)
def test_a_name_that_leads_out_is_none(name: str, tmp_path: Path) -> None:
    assert inside(tmp_path / "strange", name) is None


@pytest.mark.parametrize("name", ["ray/c000-s0/checkpoint_000001", "a/../b", "./b", "..b"])
def test_a_name_below_is_a_path(name: str, tmp_path: Path) -> None:
    found = inside(tmp_path / "strange", name)
    assert found is not None
    assert found.is_relative_to(tmp_path / "strange")


def test_a_trial_does_not_go_on_from_a_checkpoint_outside(tmp_path: Path) -> None:
    rows = write_search(tmp_path / "strange")
    row = json.loads((rows.folder / "trials.jsonl").read_text().splitlines()[-1])
    for number, place in enumerate(["../../other/checkpoint", "/tmp/checkpoint", "ray/checkpoint"]):
        name = f"c9{number}-s0"
        told = row | {"trial": name, "configuration": 90 + number, "checkpoint": place}
        with (rows.folder / "trials.jsonl").open("a") as file:
            file.write(json.dumps(told) + "\n")
    past = {one.spec.label: one.spec.resume_from for one in read_past(rows.store, {"exact_match"})}
    inner = str(rows.folder / "ray/checkpoint")
    assert [past["c90-s0"], past["c91-s0"], past["c92-s0"]] == [None, None, inner]


def test_a_trial_is_called_what_a_folder_can_be_called(tmp_path: Path) -> None:
    rows = write_search(tmp_path / "strange")
    path = rows.folder / "trials.jsonl"
    path.write_text(path.read_text().replace("c000-s0", "../../../.ssh"))
    with pytest.raises(DamagedError, match=r"trials.jsonl:1: 'trial' is '../../../.ssh'"):
        rows.store.trials()
