"""Damaged files of real searches: what a resumed search makes of them. Without Ray; curves are made up."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.plans import bound
from helpers.tune_twin import KilledError, Twin

import paretune
from analysis.files.layout import DamagedError
from analysis.files.lines import read_lines
from analysis.rows import SearchRows
from analysis.store import FORMAT_VERSION, RowStore
from paretune.plan.binding import BoundPlan
from paretune.record.repairing.planning import plan_to_keep
from paretune.record.run_folder import RunFolder
from search_spaces.plan import Plan

STEPS, EVERY = 400, 100
SPACE = f"""
name: test
task: addition
objectives: [{{metric: exact_match, direction: max}}]
target: {{exact_match: 0.99}}
fixed: {{digits: 3, steps: {STEPS}, eval_every: {EVERY}}}
space:
  d_model: {{type: int, low: 4, high: 32, step: 4}}
  lr: {{type: float, low: 0.001, high: 0.1, log: true}}
search: {{trials: 6, seeds: 2, sampler: random}}
"""
ROWS = ("trials.jsonl", "reports.jsonl")


def plan(trials: int = 6, **changes: Any) -> BoundPlan:
    return bound(
        target={"exact_match": 0.99},
        fixed={"digits": 3, "steps": STEPS, "eval_every": EVERY},
        search={"trials": trials, "seeds": 2, "sampler": "random"},
        **changes,
    )


PAUSING = {"metric": "exact_match", "direction": "max", "at": [0.34], "below_cut": "pause", "reserve": 0.2}


def curve(assignment: dict[str, Any]) -> list[dict[str, Any]]:
    """A trial's reports, made up from its label and its configuration."""
    rng = random.Random(f"{assignment['label']} {assignment['config']['lr']}")
    talent = rng.random()
    at = sorted({*range(EVERY, STEPS + 1, EVERY), *assignment["report_at"]})
    rows = [{"step": step, "exact_match": round(talent * step / STEPS, 6)} for step in at]
    return [*rows[:-1], {**rows[-1], "ending": "finished"}]


def searched(folder: Path, plan: BoundPlan, **changes: Any) -> Path:
    """Run a search in a folder that has all of its files."""
    made = RunFolder.create(folder, plan, SPACE)
    made.store.write_sessions(
        [{"session": 1, "command": "paretune search space.yaml", **plan_to_keep(plan.plan, [])}]
    )
    try:
        assert Twin(plan, made.path, curve, **changes).run()
    except KilledError:
        assert changes["kill_after"]
    return made.path


def found(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the rows say at last, but for times and sessions: of trials, and of reports."""
    told = ("configuration", "seed", "values", "params", "ending", "step", "exact_match", "reports")
    store = RowStore(folder)
    trials = {label: {name: row.get(name) for name in told} for label, row in store.trials().items()}
    reports = {
        label: [(row["step"], row["exact_match"], row.get("ending")) for row in rows]
        for label, rows in store.reports_by_trial().items()
    }
    return dict(sorted(trials.items())), dict(sorted(reports.items()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched(tmp_path_factory.mktemp("whole"), plan())


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Callable[[], Path]:
    """A new copy of the whole search at each call."""

    def made() -> Path:
        target = tmp_path / "test"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(whole, target)
        return target

    return made


def cuts(path: Path) -> Iterator[bytes]:
    """The content of a file up to every 37th byte."""
    content = path.read_bytes()
    for end in range(0, len(content), 37):
        yield content[:end]


# Rows


@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_cut_anywhere_are_made_whole_again(name, whole, copy):
    expected = found(whole)
    folder = copy()
    for content in cuts(whole / name):
        for other in ROWS:
            shutil.copy(whole / other, folder / other)
        (folder / name).write_bytes(content)
        assert Twin(plan(), folder, curve).run()
        assert found(folder) == expected, len(content)
        assert not Twin(plan(), folder, curve).repaired


@pytest.mark.parametrize("name", ROWS)
def test_any_line_may_be_missing(name, whole, copy):
    expected = found(whole)
    lines = (whole / name).read_bytes().splitlines(keepends=True)
    folder = copy()
    for gone in range(len(lines)):
        for other in ROWS:
            shutil.copy(whole / other, folder / other)
        (folder / name).write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
        twin = Twin(plan(), folder, curve)
        assert twin.repaired or name == "trials.jsonl", "a report that is missing is missed"
        assert twin.run()
        assert found(folder) == expected, gone


GARBAGE = {
    "words": b"garbage",
    "zeros": b"\0" * 40,
    "half a row": b'{"trial": "c000-s0", "configurat',
    "no utf-8": b"\xff\xfe{}",
    "a list": b"[1, 2]",
    "another row": b'{"trial": 7}',
    "a row with too little": b'{"trial": "c000-s0", "configuration": 0, "seed_index": 0, "ending": "won"}',
    "very deep": b"[" * 100_000,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("name", ROWS)
def test_garbage_anywhere_is_set_aside_and_nothing_else(name, garbage, whole, copy):
    content = (whole / name).read_bytes()
    lines = content.splitlines(keepends=True)
    folder = copy()
    for place in (0, len(lines) // 2, len(lines)):
        (folder / name).write_bytes(b"".join([*lines[:place], garbage + b"\n", *lines[place:]]))
        if place < len(lines):
            rows = SearchRows(folder)
            with pytest.raises(
                DamagedError, match=rf"{name}:{place + 1}: .*`paretune repair {folder}` sets this line"
            ):
                len(rows.trials), len(rows.reports)
        (folder / f"{name}.damaged").unlink(missing_ok=True)
        done = paretune.repair(folder)
        assert done.sentences == (f"1 damaged line of {name} was set aside in {name}.damaged.",)
        assert (folder / name).read_bytes() == content
        (aside,) = read_lines(folder / f"{name}.damaged")
        assert aside["line"] == place + 1
        assert aside["at"]
        assert aside.get("text", "").encode() == garbage or "base64" in aside
        assert not paretune.repair(folder).was_damaged


def test_what_is_set_aside_is_counted_and_the_trial_runs_again(whole, copy):
    """The row of an ending is garbage, and its report is gone: nothing else tells how it ended."""
    folder = copy()
    label = "c001-s1"
    for name in ROWS:
        lines = (folder / name).read_text().splitlines()
        last = max(place for place, line in enumerate(lines) if f'"{label}"' in line)
        lines[last] = lines[last].replace("{", "(", 1)
        (folder / name).write_text("\n".join([*lines, "garbage", ""]))
    done = paretune.repair(folder)
    assert done.sentences == (
        "2 damaged lines of trials.jsonl were set aside in trials.jsonl.damaged; 1 trial runs again.",
        "2 damaged lines of reports.jsonl were set aside in reports.jsonl.damaged.",
    )
    assert RowStore(folder).trials()[label]["ending"] is None
    assert Twin(plan(), folder, curve).run()
    assert found(folder) == found(whole)


def test_a_trial_whose_reports_are_missing_runs_again_and_says_so(whole, copy):
    folder = copy()
    reports = folder / "reports.jsonl"
    lines = reports.read_text().splitlines(keepends=True)
    gone = [line for line in lines if '"c002-s0"' in line][1:3]
    reports.write_text("".join(line for line in lines if line not in gone))
    done = paretune.repair(folder)
    assert done.sentences == ("c002-s0 runs again from its start: 2 of its 4 reports are missing.",)
    row = RowStore(folder).trials()["c002-s0"]
    assert (row["ending"], row["checkpoint"], row["reports"]) == (None, None, 0)
    assert "c002-s0" not in reports.read_text(), "what is left of them would tell an ending"
    assert len(read_lines(folder / "reports.jsonl.damaged")) == 2
    assert Twin(plan(), folder, curve).run()
    assert found(folder) == found(whole)


def test_in_rows_of_an_older_search_the_last_step_tells(whole, copy):
    folder = copy()
    trials = folder / "trials.jsonl"
    trials.write_text(re.sub(r', "reports": \d+', "", trials.read_text()))
    assert not paretune.repair(folder).was_damaged
    reports = folder / "reports.jsonl"
    reports.write_text(
        "".join(f"{line}\n" for line in reports.read_text().splitlines() if f'"step": {STEPS}' not in line)
    )
    done = paretune.repair(folder)
    assert done.sentences[0] == (
        f"c000-s0 runs again from its start: its reports end before step {STEPS}, its last."
    )
    assert len(done.sentences) == 6
    assert Twin(plan(), folder, curve).run()
    assert found(folder) == found(whole)


def test_a_configuration_without_rows_is_found_again(whole, copy):
    """A sampler that needs no results proposes the same; reports without a row are nobody's."""
    folder = copy()
    trials = folder / "trials.jsonl"
    kept = [line for line in trials.read_text().splitlines() if '"c001-' not in line]
    trials.write_text("".join(f"{line}\n" for line in kept))
    assert paretune.repair(folder).sentences == (
        "Reports of c001-s0, c001-s1 were set aside: no row says what was trained.",
        "All rows of configuration 1 are missing: a resumed search proposes and trains them anew.",
    )
    assert Twin(plan(), folder, curve).run()
    assert found(folder) == found(whole)


def test_a_search_that_pauses_ends_whole_wherever_it_is_damaged(tmp_path):
    """Which trials pause depends on their order; that each ends, and has all of its reports, does not."""
    rule = plan(early_stopping=PAUSING, trials=12)
    folder = searched(tmp_path, rule, kill_after=30)
    before = {name: (folder / name).read_bytes() for name in ROWS}
    assert b'"paused": true' in before["trials.jsonl"]
    rng = random.Random(0)
    for _ in range(30):
        for name, content in before.items():
            lines = content.splitlines(keepends=True)
            for _ in range(rng.randrange(3)):
                place = rng.randrange(len(lines))
                lines[place] = rng.choice([b"", b"garbage\n", lines[place][: rng.randrange(60)] + b"\n"])
            (folder / name).write_bytes(b"".join(lines))
        assert Twin(rule, folder, curve).run()
        trials, reports = found(folder)
        assert len(trials) == 12
        assert {row["ending"] for row in trials.values()} <= {"finished", "stopped early"}
        assert {label: row["reports"] for label, row in trials.items()} == {
            label: len(rows) for label, rows in reports.items()
        }
        for label, rows in reports.items():
            steps = [step for step, _, _ in rows]
            assert steps == sorted(set(steps))
            assert trials[label]["ending"] == "stopped early" or len(steps) >= STEPS / EVERY


# Files that are written whole


def test_a_plan_is_made_anew_from_its_sessions_wherever_it_is_cut(whole, copy):
    folder = copy()
    path = folder / "plan.json"
    text = path.read_text()
    for content in [*cuts(path), None]:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        with pytest.raises(DamagedError, match=rf"plan\.json.*`paretune repair {folder}` makes it anew"):
            RunFolder.open(folder.parent, "test").plan  # noqa: B018
        (sentence,) = paretune.repair(folder).sentences
        assert "made anew from provenance.json" in sentence
        assert path.read_text() == text
    assert (folder / "plan.json.damaged").exists()
    assert (folder / "plan.json.damaged-2").exists(), "nothing is overwritten"


def _older(folder: Path, command: str) -> None:
    """Let the folder be one of a search whose sessions did not keep their plan."""
    RowStore(folder).write_sessions([{"session": 1, "command": command}])
    (folder / "plan.json").unlink()


def test_without_it_the_commands_tell_where_the_rows_agree(whole, copy):
    folder = copy()
    expected = RowStore(folder).plan()
    _older(folder, "paretune search x.yaml --results there --concurrency=3 --allow-task-code")
    (sentence,) = paretune.repair(folder).sentences
    assert sentence == (
        "plan.json was missing and was made anew from space.yaml and the commands of its sessions, "
        "with which all rows agree."
    )
    remade = RowStore(folder).plan()
    assert remade.search.concurrency == 3
    assert remade.model_copy(update={"search": expected.search}) == expected


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("paretune search x.yaml --seed 1", "c000-s0 has another seed"),
        ("paretune search x.yaml --trials 4", "it has 4 trials, and there are rows of 6"),
        ("paretune search x.yaml --budget 40", "c000-s0 has other fixed values"),
        ("paretune search x.yaml --within 1h", "what --within made of it is not known"),
        ("paretune search x.yaml --trials many", "invalid literal"),
        ("python script.py", "not started with the command paretune search"),
    ],
)
def test_a_plan_that_is_not_certain_is_not_made_up(command, why, whole, copy):
    folder = copy()
    _older(folder, command)
    with pytest.raises(
        DamagedError,
        match=rf"plan\.json: is missing, and it is not certain what it said: .*{why}.*; restore it",
    ):
        paretune.repair(folder)
    assert not (folder / "plan.json").exists()


@pytest.mark.parametrize("name", ["metrics.json", "defaults.json"])
def test_metrics_and_defaults_are_made_anew_from_the_task(name, whole, copy):
    folder = copy()
    path = folder / name
    text = path.read_text()
    for content in [b"", text.encode()[: len(text) // 2], b"[]", b"\0" * 9]:
        path.write_bytes(content)
        (sentence,) = paretune.repair(folder).sentences
        assert sentence.startswith(f"{name} was damaged and is set aside in {name}.damaged")
        assert path.read_text() == text
    if name == "metrics.json":
        path.unlink()
        assert paretune.repair(folder).sentences == (
            "metrics.json was missing, and was made anew from the task.",
        )
        assert path.read_text() == text


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"version": 1, "sessions": [1]}', b"\xff"])
def test_damaged_provenance_is_set_aside(content, whole, copy):
    folder = copy()
    (folder / "provenance.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"provenance\.json.*sets it aside"):
        RowStore(folder).trials()
    (sentence,) = paretune.repair(folder).sentences
    assert sentence == (
        "provenance.json was damaged and is set aside in provenance.json.damaged: what it said of earlier "
        "sessions is lost."
    )
    assert (folder / "provenance.json.damaged").read_bytes() == content
    assert len(RowStore(folder).trials()) == 6


def test_what_a_newer_version_wrote_is_left_alone(whole, copy):
    folder = copy()
    for name in ("provenance.json", "plan.json", "metrics.json", "defaults.json"):
        path = folder / name
        text = path.read_text()
        path.write_text(json.dumps({**json.loads(text), "version": FORMAT_VERSION + 1}))
        with pytest.raises(DamagedError, match="update paretune"):
            paretune.repair(folder)
        assert str(FORMAT_VERSION + 1) in path.read_text()
        path.write_text(text)
    assert not list(folder.glob("*.damaged*"))


def test_a_damaged_report_of_retraining_is_set_aside_and_what_cannot_be_helped_is_told_last(whole, copy):
    folder = copy()
    (folder / "retrain" / "c000").mkdir(parents=True)
    (folder / "retrain" / "c000" / "report.json").write_text("{")
    (folder / "learned.json").write_text("{")
    with pytest.raises(
        DamagedError, match=r"(?s)learned\.json.*start the search anew.*Before that:\n.*retrain"
    ):
        paretune.repair(folder)
    assert (folder / "retrain" / "c000" / "report.json.damaged").read_text() == "{"


def test_a_folder_in_use_is_not_repaired(whole, copy):
    folder = RunFolder(copy())
    with folder.locked(), pytest.raises(paretune.InputError, match="another process"):
        paretune.repair(folder.path)


@pytest.mark.parametrize(
    "published",
    sorted(path.parent for path in (Path(__file__).parents[4] / "results" / "published").glob("*/plan.json")),
    ids=lambda path: path.name,
)
def test_committed_results_are_not_damaged(published: Path, tmp_path):
    copied = tmp_path / published.name
    shutil.copytree(published, copied)
    assert not paretune.repair(copied).was_damaged
    for path in published.rglob("*"):
        if path.is_file():
            assert (copied / path.relative_to(published)).read_bytes() == path.read_bytes()


def test_a_session_keeps_its_plan_once(whole):
    plan_of_whole: Plan = RowStore(whole).plan()
    first = {"session": 1, **plan_to_keep(plan_of_whole, [])}
    assert first["plan"]
    assert plan_to_keep(plan_of_whole, [first]) == {}
    extended = plan_of_whole.model_copy(update={"description": "more"})
    assert plan_to_keep(extended, [first, {"session": 2}])["plan"]["description"] == "more"
