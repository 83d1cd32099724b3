"""A search whose files are damaged, for real: what commands say of it, and what a resumed one makes of it."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.commands import run_cli

from analysis.files.lines import read_lines
from analysis.store import RowStore

SPACE = """
name: damaged
task: addition
objectives: [{metric: exact_match, direction: max}]
fixed: {digits: 1, batch: 32, steps: 60, eval_every: 15, lr: 0.01}
space: {d_model: {type: int, low: 4, high: 12, step: 4}}
search: {trials: 4, seeds: 2, sampler: random, concurrency: 2}
"""
MEASURED = {"cpu_seconds", "wall_seconds", "tokens_per_second", "peak_memory", "at", "session", "engine"}


def curves(folder: Path) -> dict[str, list[dict[str, object]]]:
    """The reports of each trial, but for what was measured of the machine."""
    found = RowStore(folder).reports_by_trial()
    return {
        label: [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]
        for label, rows in sorted(found.items())
    }


def test_what_is_damaged_is_told_repaired_and_trained_again(tmp_path: Path):
    (tmp_path / "space.yaml").write_text(SPACE)
    folder = tmp_path / "results" / "damaged"
    done = run_cli("search", "space.yaml", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    before = curves(folder)
    assert [len(rows) for rows in before.values()] == [4, 4, 4, 4]
    assert {row["reports"] for row in RowStore(folder).trials().values()} == {4}
    plan = (folder / "plan.json").read_text()

    trials, reports = folder / "trials.jsonl", folder / "reports.jsonl"
    lines = trials.read_text().splitlines()
    last = next(n for n, line in enumerate(lines) if '"c000-s1"' in line and '"finished"' in line)
    # Something comes after it: of a last line, a crash is to blame, and nobody complains.
    trials.write_text("\n".join([*lines[:last], "\0\0 garbage", *lines[last + 1 :], lines[0], lines[0], ""]))
    content = [line for line in reports.read_text().splitlines() if json.loads(line)["trial"] != "c000-s1"]
    middle = next(n for n, line in enumerate(content) if '"c001-s0"' in line and '"step": 30' in line)
    reports.write_text("\n".join([*content[:middle], *content[middle + 1 :], ""]))
    (folder / "plan.json").unlink()

    for command in ("rank", "answer"):
        told = run_cli(command, "damaged", cwd=tmp_path)
        assert told.code == 2
        assert "`paretune repair damaged`" in told.err
        assert "Traceback" not in told.err

    done = run_cli("resume", "damaged", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    said = done.out
    assert "1 damaged line of trials.jsonl was set aside in trials.jsonl.damaged" in said
    assert "c000-s1 runs again from its start: 4 of its 4 reports are missing." in said
    assert "c001-s0 runs again from its start: 1 of its 4 reports is missing." in said
    assert "plan.json was missing and was made anew from provenance.json." in said
    assert (folder / "plan.json").read_text() == plan
    assert curves(folder) == before
    rows = RowStore(folder).trials()
    again = {label for label, row in rows.items() if row["session"] == 2}
    assert {"c000-s1", "c001-s0"} <= again
    assert {row["ending"] for row in rows.values()} == {"finished"}
    assert len(read_lines(folder / "reports.jsonl.damaged")) == 3

    (folder / "provenance.json").write_text("")
    told = run_cli("repair", "damaged", "--json", cwd=tmp_path)
    assert told.code == 0
    (sentence,) = json.loads(told.out)["repaired"]
    assert sentence.startswith("provenance.json was damaged and is set aside")
    assert run_cli("repair", "damaged", cwd=tmp_path).out == "Nothing is damaged in damaged.\n"
