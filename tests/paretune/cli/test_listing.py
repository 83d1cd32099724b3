"""``paretune list``: how each search stands, also a damaged one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.commands import Search, run_cli

from paretune.record.overview import State, overview
from paretune.record.run_folder import RunFolder

PUBLISHED = Path(__file__).parents[3] / "results" / "published"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Searches that ended, that did not, and that are damaged in two ways, beside a folder that is none."""
    # The folder above holds it alone, whatever else the tests of the machine have made.
    folder = tmp_path / "above" / "results"
    for name in ("quickstart", "explore-777", "under-777", "attention-heads"):
        (folder / name).mkdir(parents=True)
        for path in (PUBLISHED / name).glob("*.json*"):
            shutil.copy(path, folder / name)
    (folder / "under-777" / "plan.json").unlink()
    trials = folder / "attention-heads" / "trials.jsonl"
    trials.write_text("{ this is no row\n" + trials.read_text())
    (folder / "notes").mkdir()
    return folder


def listed(results: Path) -> dict[str, dict[str, Any]]:
    done = run_cli("list", "--results", results, "--json")
    assert done.code == 0, done.err
    return {one["name"]: one for one in json.loads(done.out)}


def test_json_tells_state_trials_and_the_smallest_that_solved(results: Path):
    found = listed(results)
    assert {name: one["state"] for name, one in found.items()} == {
        "quickstart": "ended",
        "explore-777": "interrupted",
        "under-777": "damaged",
        "attention-heads": "damaged",
    }
    quickstart = found["quickstart"]
    assert (quickstart["ended"], quickstart["planned"], quickstart["solved"]) == (48, 48, 19)
    assert quickstart["best"] == {"metric": "params", "value": 1024}
    files = (results / "quickstart").iterdir()
    assert quickstart["size"] == sum(path.stat().st_size for path in files)
    assert found["under-777"]["ended"] is None


def test_a_person_reads_what_to_do(results: Path):
    done = run_cli("list", "--results", results)
    assert (done.code, done.err) == (0, "")
    head, *_ = done.out.splitlines()
    assert head.split() == ["search", "state", "trials", "solved", "smallest", "size", "age"]
    (line,) = [line for line in done.out.splitlines() if line.startswith("quickstart")]
    assert line.split()[1:5] == ["ended", "48/48", "19", "1,024"]
    assert f"explore-777 is not over: paretune resume {results / 'explore-777'}" in done.out
    assert (
        f"{results / 'under-777' / 'plan.json'}: is missing; `paretune repair {results}/under-777`"
        in done.out
    )
    assert f"{results / 'attention-heads' / 'trials.jsonl'}:1: " in done.out


def test_without_searches_it_says_how_to_start_one_and_where_some_are(results: Path):
    above = run_cli("list", "--results", results.parent)
    assert above.code == 0
    assert f"There are no searches in {results.parent} yet." in above.out
    assert f"paretune list --results {results}" in above.out
    assert "paretune search search_spaces/quickstart.yaml" in above.out
    nowhere = run_cli("list", "--results", results / "nothing", "--json")
    assert (nowhere.code, json.loads(nowhere.out)) == (0, [])


def test_a_search_that_another_process_works_on_is_running(results: Path):
    folder = RunFolder(results / "explore-777")
    with folder.locked():
        assert listed(results)["explore-777"]["state"] == "running"
    assert overview(folder.path).state is State.INTERRUPTED


def test_a_search_without_trials_is_empty(results: Path):
    (results / "quickstart" / "trials.jsonl").unlink()
    assert overview(results / "quickstart").state is State.EMPTY


def test_a_search_of_which_most_trials_failed_has_failed(results: Path):
    trials = results / "quickstart" / "trials.jsonl"
    rows = [json.loads(line) for line in trials.read_text().splitlines()]
    last = {row["trial"]: row for row in rows}
    failed = [{**row, "ending": "failed"} for row in list(last.values())[:25]]
    with trials.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in failed)
    found = overview(results / "quickstart")
    assert (found.state, found.failed, found.ended) == (State.FAILED, 25, 48)


def test_of_a_real_search_it_knows_when_it_was_active(every_ending: Search):
    (found,) = listed(every_ending.results).values()
    assert found["state"] == "ended"
    assert found["failed"] == 1
    last = json.loads((every_ending.folder / "trials.jsonl").read_text().splitlines()[-1])
    assert found["last_active"][:16] == last["ended"][:16]
