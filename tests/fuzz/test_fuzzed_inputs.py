"""Other files of strangers: space files, data sets, tokenizers, the library of curves, trusted files."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.mutations import as_json, byte_changes, changed, changes, fuzzed, must_be_ours, with_bytes
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from paretune.plan.loading import load_bound
from paretune.plan.summary import summarise
from paretune.stopping.library import read_library
from search_spaces.loader import SpaceFile
from trainables.text.building import Document, build_dataset
from trainables.text.dataset import open_dataset
from trainables.text.tokenizers import make_tokenizer, tokenizer_from_json
from trainables.trusted import is_trusted, trusted_files

ROOT = Path(__file__).parents[2]
SPACES = ["quickstart", "aligned_cliff", "gpt2_124m", "second_pass_763", "what_breaks", "aligned_halving"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strange")


@cache
def text_of(space: str) -> bytes:
    return (ROOT / f"search_spaces/{space}.yaml").read_bytes()


@cache
def values_of(space: str) -> Any:
    return json.loads(json.dumps(YAML(typ="safe").load(text_of(space))))


def check(path: Path) -> Any:
    return summarise(load_bound(SpaceFile(path), {}, None))


@fuzzed(40)
@given(st.sampled_from(SPACES), byte_changes)
def test_bytes_of_space_files(place: Path, space: str, wanted: Any) -> None:
    path = place / "space.yaml"
    path.write_bytes(with_bytes(text_of(space), wanted))
    must_be_ours(check, path)


@fuzzed(40)
@given(st.sampled_from(SPACES), changes)
def test_values_of_space_files(place: Path, space: str, wanted: Any) -> None:
    path = place / "space.yaml"
    path.write_bytes(as_json(changed(values_of(space), wanted)))
    must_be_ours(check, path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small data set."""
    folder = tmp_path_factory.mktemp("made") / "data"
    documents = [Document(f"d{number}", f"text {number}, and some more of it. " * 5) for number in range(12)]
    texts = [document.text for document in documents]
    build_dataset(folder, documents, make_tokenizer("chars", texts), source="made for a test")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def use(folder: Path) -> None:
    found = open_dataset(folder)
    found.verify()
    found.tokenizer.decode(found.tokenizer.encode("text 1"))
    found.read("val", 0, min(4, found.length("val")))


def put(folder: Path, files: dict[str, bytes], name: str, raw: bytes) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for other, content in files.items():
        (folder / other).write_bytes(raw if other == name else content)


@fuzzed(15)
@given(byte_changes)
def test_bytes_of_data_sets(place: Path, dataset: dict[str, bytes], wanted: Any) -> None:
    for name, raw in dataset.items():
        put(place / "data", dataset, name, with_bytes(raw, wanted))
        must_be_ours(use, place / "data")


@fuzzed(15)
@given(changes)
def test_values_of_data_sets(place: Path, dataset: dict[str, bytes], wanted: Any) -> None:
    made = as_json(changed(json.loads(dataset["dataset.json"]), wanted))
    put(place / "data", dataset, "dataset.json", made)
    must_be_ours(use, place / "data")


def test_token_bytes_that_claim_more_than_there_is(place: Path, dataset: dict[str, bytes]) -> None:
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }"
    put(place / "data", dataset, "token_bytes.npy", header.ljust(127) + b"\n" + b"\1" * 50)
    assert isinstance(must_be_ours(use, place / "data"), Exception)


@fuzzed(15)
@given(changes)
def test_tokenizers(wanted: Any) -> None:
    must_be_ours(tokenizer_from_json, changed({"kind": "chars", "characters": "abc"}, wanted))


@cache
def library() -> dict[str, bytes]:
    """A small library of curves: three trials, five reports of each, of one search."""
    folder = ROOT / "results/published/learning_curves"
    content = json.loads((folder / "searches.json").read_bytes())
    trials = pd.read_parquet(folder / "trials.parquet")
    name = str(trials["search"].iloc[0])
    trials = trials[trials["search"] == name].head(3)
    reports = pd.read_parquet(folder / "reports.parquet")
    reports = reports[reports["trial"].isin(trials["trial"]) & (reports["search"] == name)].head(15)
    content["searches"] = {name: content["searches"][name]}
    return {
        "searches.json": json.dumps(content).encode(),
        "trials.parquet": trials.to_parquet(index=False),
        "reports.parquet": reports.to_parquet(index=False),
    }


@fuzzed(15)
@given(byte_changes)
def test_bytes_of_libraries(place: Path, wanted: Any) -> None:
    for name, raw in library().items():
        put(place / "library", library(), name, with_bytes(raw, wanted))
        must_be_ours(read_library, place / "library")


@fuzzed(15)
@given(changes)
def test_values_of_libraries(place: Path, wanted: Any) -> None:
    made = as_json(changed(json.loads(library()["searches.json"]), wanted))
    put(place / "library", library(), "searches.json", made)
    must_be_ours(read_library, place / "library")


@fuzzed(15)
@given(byte_changes)
def test_the_list_of_trusted_files(place: Path, wanted: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(place))
        (place / "paretune").mkdir(exist_ok=True)
        (place / "paretune/trusted_tasks.txt").write_bytes(with_bytes(b"/a/task.py\n/b/other.py\n", wanted))
        found = must_be_ours(trusted_files)
        assert all(isinstance(path, Path) for path in found)
        must_be_ours(is_trusted, place / "no.py")
