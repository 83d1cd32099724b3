"""Searches of strangers: what is read of their files is right, or an error of ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers.mutations import as_json, byte_changes, changed, changes, fuzzed, must_be_ours, with_bytes
from hypothesis import example, given
from hypothesis import strategies as st

from analysis.answer import answer
from analysis.rows import SearchRows
from analysis.store import RowStore
from paretune.confirm.kept import best_checkpoint
from paretune.plan.binding import bind
from paretune.plan.learned import Learned
from paretune.record.findings_log import FindingsLog
from paretune.record.overview import overview
from paretune.record.recorder import read_past

ROOT = Path(__file__).parents[2]
REAL = ROOT / "results/published/under-777"
LINES = 12
"""Rows that are taken of each file: enough for findings, few enough to be quick."""

LEARNED = {
    "version": 1,
    "sources": [
        {
            **{"name": "quickstart", "folder": "/home/ada/results/quickstart", "digest": "0" * 64},
            **{"configurations": 4, "fitting": 2, "learned": 1, "differs": ["steps is 2000 there, 600 here"]},
            "left_out": {"known already": 1},
        }
    ],
    "configurations": [
        {
            **{"of": "quickstart c001", "values": {"d_model": 6, "lr": 0.01}, "params": 600},
            "trials": [
                {"ending": "solved", "step": 900, "metrics": {"exact_match": 1.0}, "out_of_memory": False}
            ],
        }
    ],
}


@cache
def real() -> dict[str, bytes]:
    """Return the files of a small search: of rows only the first."""
    files = {}
    for path in sorted(REAL.rglob("*.json*")):
        raw = path.read_bytes()
        if path.suffix == ".jsonl":
            raw = b"".join(
                raw.splitlines(keepends=True)[: LINES if path.name != "reports.jsonl" else 3 * LINES]
            )
        files[str(path.relative_to(REAL))] = raw
    return files | {"learned.json": json.dumps(LEARNED).encode()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strange") / "under-777"


def put(folder: Path, name: str, raw: bytes) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for other, content in real().items():
        place = folder / other
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(raw if other == name else content)


def learn(folder: Path) -> Any:
    store = RowStore(folder)
    content = store.learned()
    return None if content is None else Learned.of_json(content)


READERS: dict[str, Callable[[Path], Any]] = {
    "plan": lambda folder: RowStore(folder).plan(),
    "bind": lambda folder: bind(RowStore(folder).plan()),
    "metrics": lambda folder: RowStore(folder).metrics(),
    "defaults": lambda folder: RowStore(folder).defaults(),
    "sessions": lambda folder: RowStore(folder).sessions(),
    "trials": lambda folder: RowStore(folder).trials(),
    "reports": lambda folder: RowStore(folder).reports(),
    "reports by trial": lambda folder: RowStore(folder).reports_by_trial(),
    "confirmations": lambda folder: RowStore(folder).confirmations(),
    "retrained": lambda folder: RowStore(folder).retrained(),
    "past": lambda folder: read_past(RowStore(folder), {"exact_match", "params"}),
    "overview": overview,
    "kept": lambda folder: best_checkpoint(SearchRows(folder)),
    "frames": lambda folder: (SearchRows(folder).trials, SearchRows(folder).reports),
    "answer": lambda folder: answer(SearchRows(folder)).sentences,
    "findings log": lambda folder: FindingsLog(folder).refresh(),
}


SLOW = {"answer", "findings log"}


def read_all(folder: Path, names: Collection[str]) -> None:
    for name in names:
        try:
            must_be_ours(READERS[name], folder)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


NAMES = [
    "trials.jsonl", "reports.jsonl", "confirmations.jsonl", "plan.json", "metrics.json", "defaults.json",
    "provenance.json", "learned.json", "retrain/c008/report.json",
]  # fmt: skip


def values_changed(name: str, wanted: Any) -> bytes:
    raw = real()[name]
    if not name.endswith(".jsonl"):
        return as_json(changed(json.loads(raw), wanted))
    rows = changed([json.loads(line) for line in raw.splitlines()], wanted)
    return b"".join(as_json(row) + b"\n" for row in (rows if isinstance(rows, list) else [rows]))


@fuzzed(25)
@given(st.sampled_from(NAMES), byte_changes)
def test_bytes_that_changed(folder: Path, name: str, wanted: Any) -> None:
    put(folder, name, with_bytes(real()[name], wanted))
    read_all(folder, READERS.keys() - SLOW)


@fuzzed(40)
@given(st.sampled_from(NAMES), changes)
@example("reports.jsonl", [("set", 0.0, "\ud800")])
@example("trials.jsonl", [("set", 0.0, "\ud800")])
def test_values_that_changed(folder: Path, name: str, wanted: Any) -> None:
    put(folder, name, values_changed(name, wanted))
    read_all(folder, READERS.keys() - SLOW)


@fuzzed(5)
@given(st.sampled_from(NAMES), changes)
def test_answers_from_values_that_changed(folder: Path, name: str, wanted: Any) -> None:
    put(folder, name, values_changed(name, wanted))
    read_all(folder, SLOW)
