"""Checkpoints of strangers: a model, or an error of ours; never another error, never much memory or time."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.mutations import byte_changes, changed, changes, fuzzed, must_be_ours, with_bytes
from hypothesis import given
from hypothesis import strategies as st

from trainables.checkpoints import load, load_model

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
REAL = ROOT / "results/published/under-777/retrain/c008/seed-0/checkpoint.pt"


@cache
def raw() -> bytes:
    return REAL.read_bytes()


def use(path: Path) -> Any:
    loaded = load_model(path, CPU)
    loaded.workload.validate(loaded.model)
    return loaded


def entries(file: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return [(entry.filename, archive.read(entry)) for entry in archive.infolist()]


def archive_of(parts: list[tuple[str, bytes]], kind: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", kind) as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strange") / "checkpoint.pt"


@fuzzed(20)
@given(byte_changes)
def test_bytes_that_changed(path: Path, wanted: Any) -> None:
    path.write_bytes(with_bytes(raw(), wanted))
    must_be_ours(use, path)


@fuzzed(20)
@given(byte_changes, st.booleans())
def test_instructions_that_changed(path: Path, wanted: Any, everywhere: bool) -> None:
    parts = entries(raw())
    path.write_bytes(
        archive_of(
            [(n, with_bytes(c, wanted) if n.endswith("data.pkl") or everywhere else c) for n, c in parts]
        )
    )
    must_be_ours(use, path)


@fuzzed(20)
@given(changes)
def test_values_that_changed(path: Path, wanted: Any) -> None:
    content = dict(load(REAL))
    plain = {key: content[key] for key in content if key not in ("model", "optimizer")}
    other = changed(plain, wanted)
    torch.save({**content, **other} if isinstance(other, dict) else other, path)
    must_be_ours(use, path)


@fuzzed(20)
@given(changes)
def test_configurations_that_changed(path: Path, wanted: Any) -> None:
    content = dict(load(REAL))
    torch.save({**content, "config": changed(content["config"], wanted)}, path)
    must_be_ours(use, path)
