"""The files of a search: their versions, what became of old ones, and what is said of damaged ones."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.rows import METRICS, PLAN, write_search

from analysis.answer import answer
from analysis.confirmation import confirmation
from analysis.files.layout import DamagedError
from analysis.ranking import ranking
from analysis.rows import SearchRows
from analysis.store import FORMAT_VERSION, RowStore
from search_spaces.plan import Plan

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
FOLDERS = sorted(path.parent for path in PUBLISHED.glob("*/plan.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_committed_results_can_be_read_for_as_long_as_they_exist(folder: Path) -> None:
    """Whatever wrote them: a change of the format that makes this fail needs a reader of the old one."""
    store = RowStore(folder)
    trials = store.trials()
    reports = store.reports()
    assert store.plan().trials >= len(trials) > 0
    judged_by = {"addition": "exact_match", "gpt2": "bits_per_byte"}[store.plan().task]
    assert judged_by in {metric["name"] for metric in store.metrics()}
    assert store.defaults()
    assert [session["session"] for session in store.sessions()] == list(range(1, len(store.sessions()) + 1))
    assert set(reports["trial"]) <= set(trials)
    by_trial = store.reports_by_trial()
    assert sum(map(len, by_trial.values())) == len(reports)
    assert [row["step"] for row in by_trial[reports["trial"].iloc[0]]] == sorted(
        reports[reports["trial"] == reports["trial"].iloc[0]]["step"]
    )
    lines = (folder / "confirmations.jsonl").read_text().splitlines() if _is_confirmed(folder) else []
    assert len(store.confirmations()) == len(lines)


def _is_confirmed(folder: Path) -> bool:
    return (folder / "confirmations.jsonl").exists()


def test_there_are_committed_results_with_confirmations() -> None:
    assert len(FOLDERS) >= 8
    assert any(map(_is_confirmed, FOLDERS))


def test_what_is_written_states_its_version_and_reads_back(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    plan = Plan.model_validate(PLAN)
    store.write_plan(plan)
    store.write_metrics(METRICS)
    store.write_defaults({"batch": 64, "version": 3})
    store.write_sessions([{"session": 1}])
    store.append_trial({"trial": "c000-s0", "configuration": 0, "seed_index": 0, "ending": None})
    store.append_report({"trial": "c000-s0", "step": 5, "at": "now"})
    store.append_confirmation({"configuration": 0, "seed": 7})

    for name in ("plan", "metrics", "defaults", "provenance"):
        assert json.loads((tmp_path / f"{name}.json").read_text())["version"] == FORMAT_VERSION
    assert "version" not in (tmp_path / "reports.jsonl").read_text(), "rows do not pay for it"
    assert store.plan() == plan
    assert store.metrics() == METRICS
    assert store.defaults() == {"batch": 64, "version": 3}
    assert store.sessions() == [{"session": 1}]
    assert list(store.trials()) == ["c000-s0"]
    assert store.reports()["step"].tolist() == [5]
    assert store.confirmations() == [{"configuration": 0, "seed": 7}]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 4 + [".jsonl"] * 3


def test_last_row_counts_and_columns_of_all_rows_are_counted(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    head = {"configuration": 0, "seed_index": 0}
    for label, more in (("a", {"x": 1}), ("b", {}), ("a", {"ending": "solved"})):
        store.append_trial({"trial": label, **head, **more})
    seen: Counter[str] = Counter()
    assert list(store.trials(seen)) == ["a", "b"], "as they were handed out"
    assert store.trials()["a"] == {"trial": "a", **head, "ending": "solved"}
    assert (seen["trial"], seen["x"]) == (3, 1)
    for step, value in ((2, 0.1), (1, 0.2), (2, 0.3)):
        store.append_report({"trial": "a", "step": step, "value": value})
    assert store.reports()["value"].tolist() == [0.2, 0.3]
    assert [row["value"] for row in store.reports_by_trial()["a"]] == [0.2, 0.3]


def test_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    store.write_sessions([{"session": 1}])
    (tmp_path / ".provenance.json.partial").mkdir()  # nothing can be written there
    with pytest.raises(OSError, match=r"provenance\.json"):
        store.write_sessions([{"session": 1}, {"session": 2}])
    assert store.sessions() == [{"session": 1}]


# Damage


def _with(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_text(change(path.read_text()))

    return damage


def _line(number: int, text: str) -> Callable[[str], str]:
    def change(content: str) -> str:
        lines = content.splitlines()
        lines[number - 1] = text
        return "\n".join(lines) + "\n"

    return change


def _edited(**changes: Any) -> Callable[[str], str]:
    return lambda content: json.dumps({**json.loads(content), **changes})


REPORT = {"configuration": 0, "params": 500, "config": {"d_model": 1}, "seeds": []}

DAMAGES = [
    (
        _with("plan.json", lambda text: text[: len(text) // 2]),
        r"plan\.json:\d+: is damaged: .*; `paretune repair .*search` makes it anew where",
    ),
    (_with("plan.json", lambda text: ""), r"plan\.json:1: is damaged: .*; else restore it from a copy"),
    (
        _with("plan.json", lambda text: "[" * 100_000),
        r"plan\.json: is damaged: it is not JSON; `paretune repair",
    ),
    (_with("plan.json", lambda text: "[]"), r"plan\.json: is not a plan: .*map of keys.*; else restore it"),
    (
        _with("plan.json", _edited(target_hold="often")),
        r"plan\.json: is not a plan: target_hold: .*; `paretune repair",
    ),
    (
        _with("plan.json", _edited(version=99)),
        r"plan\.json: was written by a newer paretune \(format 99;.*update",
    ),
    (
        _with("plan.json", _edited(version="new")),
        r"plan\.json: has no valid version: 'new'; `paretune repair",
    ),
    (
        lambda folder: (folder / "metrics.json").unlink(),
        r"metrics\.json: is missing; `paretune repair .*search` makes it anew from the task; or restore it",
    ),
    (_with("metrics.json", lambda text: text[:-20]), r"metrics\.json:\d+: is damaged: .*; or restore it"),
    (_with("metrics.json", lambda text: "{}"), r"metrics\.json: does not list metrics; `paretune repair"),
    (_with("metrics.json", lambda text: '{"version": 9}'), r"metrics\.json: .*newer paretune"),
    (
        _with("defaults.json", lambda text: "[]"),
        r"defaults\.json: does not hold parameters; `paretune repair",
    ),
    (
        _with("provenance.json", lambda text: "\0"),
        r"provenance\.json:1: is damaged: .*; `paretune repair .*search` sets it aside",
    ),
    (
        _with("provenance.json", lambda text: "{}"),
        r"provenance\.json: does not list sessions; `paretune repair",
    ),
    (_with("provenance.json", _edited(version=2)), r"provenance\.json: was written by a newer paretune"),
    (
        _with("trials.jsonl", _line(3, '{"trial": ')),
        r"trials\.jsonl:3: is not a row: .*; `paretune repair .*search` sets this",
    ),
    (
        _with("trials.jsonl", _line(3, "{}")),
        r"trials\.jsonl:3: 'trial' is missing; `paretune repair .*search` sets this",
    ),
    (
        _with("trials.jsonl", _line(2, '{"trial": 7}')),
        r"trials\.jsonl:2: 'trial' is 7; `paretune repair .*search` sets this",
    ),
    (
        _with("trials.jsonl", lambda text: text.replace('"finished"', '"won"')),
        r"trials\.jsonl:\d+: 'ending' is 'won', which is none of solved, .*; `paretune repair",
    ),
    (
        _with("trials.jsonl", lambda text: text + "garbage\n"),
        r"trials\.jsonl:\d+: is not a row: 'garbage'; `paretune repair .*search` sets this",
    ),
    (
        _with("reports.jsonl", lambda text: text + "garbage\n"),
        r"reports\.jsonl:\d+: is not a row: 'garbage'; `paretune repair .*search` sets this",
    ),
    (
        _with("reports.jsonl", _line(2, "garbage")),
        r"reports\.jsonl:2: is not a row: 'garbage'; `paretune repair .*search` sets this",
    ),
    (
        _with("reports.jsonl", _line(2, '{"step": 1}')),
        r"reports\.jsonl:2: 'trial' is missing; `paretune repair",
    ),
    (
        _with("reports.jsonl", _line(2, '{"trial": "c000-s0", "step": "x"}')),
        r"reports\.jsonl:2: 'step' is 'x'; `paretune repair .*search` sets this",
    ),
    (
        _with("retrain/c000/report.json", lambda text: text[:-3]),
        r"retrain/c000/report\.json:\d+: is damaged: .*; `paretune repair .*sets it aside; or",
    ),
    (_with("confirmations.jsonl", _line(1, "{}")), r"confirmations\.jsonl:1: 'configuration' is missing"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGES)
def test_damage_is_told_with_file_line_and_way_out(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    write_search(tmp_path / "search")
    folder = tmp_path / "search"
    store = RowStore(folder)
    store.write_defaults({"batch": 64})
    store.write_sessions([{"session": 1}])
    for step in (1, 2, 3):
        store.append_report({"trial": "c000-s0", "configuration": 0, "step": step, "exact_match": 0.5})
    for seed in (7, 8):
        row = {"configuration": 0, "seed": seed, "params": 500, "values": {"d_model": 1}, "ending": "solved"}
        store.append_confirmation(row)
    (folder / "retrain" / "c000").mkdir(parents=True)
    (folder / "retrain" / "c000" / "report.json").write_text(json.dumps(REPORT))
    _ask_everything(folder)

    damage(folder)
    with pytest.raises(DamagedError, match=f"^{folder}/{message}"):
        _ask_everything(folder)


def _ask_everything(folder: Path) -> None:
    rows = SearchRows(folder)
    assert rows.defaults is not None
    ranking(rows)
    answer(rows)
    confirmation(rows)
    assert not rows.reports.empty


def test_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    write_search(tmp_path / "search")
    plan = tmp_path / "search" / "plan.json"
    plan.unlink()
    plan.mkdir()
    with pytest.raises(DamagedError, match=r"plan\.json: cannot be read: Is a directory$"):
        RowStore(tmp_path / "search").plan()


def test_search_without_provenance_or_defaults_reads_as_an_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(FOLDERS[0], folder)
    for name in ("provenance.json", "defaults.json"):
        (folder / name).unlink()
    store = RowStore(folder)
    assert store.sessions() == []
    assert store.defaults() == {}
    assert store.trials()


def test_reports_of_some_trials_are_those_among_all(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    for step in (2, 1):
        for label in ("a", "c012-s0", "ab"):
            store.append_report({"trial": label, "step": step})
    with (tmp_path / "reports.jsonl").open("a") as file:
        file.write(
            json.dumps({"step": 3, "trial": "a"}) + "\n" + json.dumps({"step": 3, "trial": "ab"}) + "\n"
        )
    whole = store.reports_by_trial()
    for labels in (set(), {"a"}, {"c012-s0", "a"}, {"ab", "none"}):
        assert store.reports_by_trial(labels) == {k: v for k, v in whole.items() if k in labels}
