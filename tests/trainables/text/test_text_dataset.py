"""Data sets: split by document, built whole or not at all, read across shards, and refused when damaged."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import no_file_larger_than
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.text.building import Document, build_dataset, check_free, split_documents
from trainables.text.dataset import SPLITS, Dataset, Split, open_dataset, write_description
from trainables.text.errors import DataError
from trainables.text.python_text import MAX_BYTES, documents, find_dataset, python_dataset
from trainables.text.shards import open_shard, write_shard
from trainables.text.tokenizers import BytesTokenizer, CharsTokenizer

ROOT = Path(__file__).parents[3]
STORIES = [
    Document(f"story {number}", f"This is story {number}. " * (1 + number % 7)) for number in range(40)
]


def build(folder: Path, *, shard_tokens: int = 700, **options: object) -> Dataset:
    """Build the stories into several shards."""
    return build_dataset(
        folder, STORIES, BytesTokenizer(), source="stories", shard_tokens=shard_tokens, **options
    )  # type: ignore[arg-type]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return build(tmp_path / "stories")


def everything(dataset: Dataset, split: Split) -> list[int]:
    return dataset.read(split, 0, dataset.length(split)).tolist()


def texts(dataset: Dataset, split: Split) -> list[str]:
    """Return the documents of a split, read back."""
    return bytes(everything(dataset, split)).decode().split("\0")[1:]


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# What is built


def test_every_document_is_on_one_side_and_none_is_lost(dataset: Dataset) -> None:
    train, val = texts(dataset, "train"), texts(dataset, "val")
    assert sorted(train + val) == sorted(document.text for document in STORIES)
    assert train == [document.text for document in STORIES if document.text in train], "in their order"
    total = sum(len(document.text) for document in STORIES)
    assert 0.1 * total <= sum(map(len, val)) < 0.2 * total
    assert dataset.description.train.documents == len(train)
    assert dataset.description.val.documents == len(val)


def test_counts_are_those_of_the_text(dataset: Dataset) -> None:
    for split in SPLITS:
        said, held = dataset.contents(split), texts(dataset, split)
        assert said.bytes == sum(map(len, held))
        assert said.tokens == dataset.length(split) == said.bytes + len(held)
        assert dataset.token_bytes[everything(dataset, split)].sum() == said.bytes


def test_the_same_documents_make_the_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    build(tmp_path / "again" / "stories")
    assert content_of(tmp_path / "again" / "stories") == content_of(dataset.folder)


def test_how_it_is_cut_into_shards_does_not_matter(dataset: Dataset, tmp_path: Path) -> None:
    whole = build(tmp_path / "whole", shard_tokens=10**6)
    assert whole.contents("train").files == ("train_000001.bin",)
    files = dataset.contents("train").files
    assert len(files) > 3
    assert all(len(open_shard(dataset.folder / name)) == 700 for name in files[:-1])
    for split in SPLITS:
        assert whole.contents(split).sha256 == dataset.contents(split).sha256
        assert everything(whole, split) == everything(dataset, split)


@settings(max_examples=60)
@given(
    st.lists(st.text("ab \n", min_size=0, max_size=30), min_size=1, max_size=12),
    st.floats(0.01, 0.99),
)
def test_a_split_keeps_its_promises(pieces: list[str], share: float) -> None:
    given_documents = [Document(str(number), piece) for number, piece in enumerate(pieces)]
    kept = [piece for piece in pieces if piece.strip()]
    if len(set(kept)) < 2:
        return
    split = split_documents(given_documents, share)
    train, val = [d.text for d in split.train], [d.text for d in split.val]
    assert train
    assert val
    assert not set(train) & set(val), "equal texts stay together"
    assert sorted(train + val) == sorted(kept)
    turned = split_documents(given_documents[::-1], share)
    assert {d.name for d in turned.val} == {d.name for d in split.val}, "the order of the files is nothing"


def test_a_document_larger_than_the_share_stays_in_training() -> None:
    novel, notes = Document("novel", "word " * 1000), [Document(str(n), f"note {n}") for n in range(5)]
    split = split_documents([novel, *notes], 0.1)
    assert novel in split.train
    assert split_documents([novel, Document("other", "word " * 900)], 0.1).val[0].name == "other"


def test_of_a_single_document_the_end_is_validation_and_that_is_said(tmp_path: Path) -> None:
    text = "abcdefghij" * 10
    copies = [Document("one", text), Document("copy", text)]
    for found in ([copies[0]], copies):
        dataset = build_dataset(
            tmp_path / f"of-{len(found)}", found, CharsTokenizer.of([text]), source="letters", val_share=0.2
        )
        assert dataset.tokenizer.decode(everything(dataset, "train")) == text[:80] * len(found)
        assert dataset.tokenizer.decode(everything(dataset, "val")) == text[80:] * len(found)
        assert dataset.description.source == "letters; one document, whose end is validation"


@pytest.mark.parametrize(
    ("pieces", "share", "words"),
    [
        ([], 0.1, "there is no text"),
        ([" \n", ""], 0.1, "there is no text"),
        (["a"], 0.1, "one character is not enough text"),
        (["ab", "cd"], 0.0, "more than 0 and less than 1, but is 0"),
        (["ab", "cd"], 1.0, "more than 0 and less than 1"),
        (["ab", "cd"], float("nan"), "more than 0 and less than 1"),
        (["ab", "c\ud83d"], 0.1, "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_built_is_refused_and_leaves_nothing(
    tmp_path: Path, pieces: list[str], share: float, words: str
) -> None:
    found = [Document("piece", piece) for piece in pieces]
    with pytest.raises(DataError, match=words):
        build_dataset(tmp_path / "set", found, BytesTokenizer(), source="pieces", val_share=share)
    assert not any(tmp_path.iterdir())


# Whole or not at all


def test_an_error_in_the_middle_leaves_nothing_and_names_the_document(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"story 1.*which does not occur in the training text"):
        build_dataset(tmp_path / "set", STORIES, CharsTokenizer.of([STORIES[0].text]), source="stories")
    assert not any(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_and_the_old_one_as_it_was(dataset: Dataset) -> None:
    before = content_of(dataset.folder)
    with no_file_larger_than(2000), pytest.raises(OSError, match="File too large"):
        build(dataset.folder, overwrite=True, shard_tokens=5000)
    assert content_of(dataset.folder) == before
    assert [path.name for path in dataset.folder.parent.iterdir()] == ["stories"]


@pytest.mark.parametrize("size", [0, 150, 500])
def test_a_description_that_does_not_fit_on_the_disk_leaves_the_old_one(dataset: Dataset, size: int) -> None:
    """As when more shards are fetched into a folder that trials are reading."""
    before = content_of(dataset.folder)
    lengths = np.full(dataset.vocabulary, 7, dtype=np.uint8)
    with no_file_larger_than(size), pytest.raises(OSError, match="File too large"):
        write_description(dataset.folder, dataset.description, lengths)
    after = content_of(dataset.folder)
    assert after.keys() == before.keys()
    changed = [name for name in before if before[name] != after[name]]
    assert changed == (["token_bytes.npy"] if size > 128 + dataset.vocabulary else [])
    assert len(open_dataset(dataset.folder).token_bytes) == dataset.vocabulary


def test_who_reads_a_description_while_it_is_written_reads_the_old_one(dataset: Dataset) -> None:
    before = content_of(dataset.folder)
    with (dataset.folder / "token_bytes.npy").open("rb", buffering=0) as lengths:
        first = lengths.read(130)
        longer = dataset.description.model_copy(update={"name": "another", "vocabulary": 300})
        write_description(dataset.folder, longer, np.full(300, 7, dtype=np.uint8))
        assert first + lengths.read() == before["token_bytes.npy"]
    assert open_dataset(dataset.folder).token_bytes.tolist() == [7] * 300


SLOW_BUILD = """
import signal, sys, time
from pathlib import Path
from test_text_dataset import *
# Tests that run in the background of a script inherit that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def slowly(done, total):
    print("working", flush=True)
    time.sleep(60)
try:
    build(Path(sys.argv[1]), progress=slowly)
except KeyboardInterrupt:
    sys.exit(130)
"""


def start_slow_build(folder: Path) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, str(folder)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "working\n"
    return started


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    started = start_slow_build(tmp_path / "set")
    assert any(tmp_path.iterdir())
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 130
    assert not any(tmp_path.iterdir())


def test_what_a_killed_build_left_is_removed_but_not_what_is_being_built(tmp_path: Path) -> None:
    killed, working = start_slow_build(tmp_path / "set"), start_slow_build(tmp_path / "set")
    try:
        killed.kill()
        killed.wait()
        assert len(list(tmp_path.iterdir())) == 2
        build(tmp_path / "set")
        assert len(list(tmp_path.iterdir())) == 2, "the data set, and what is being built"
        assert not (tmp_path / "set").name.startswith(".")
        open_dataset(tmp_path / "set").verify()
    finally:
        working.kill()
        working.wait()


def test_an_existing_data_set_is_replaced_only_when_asked(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="is already a data set; replace it with --overwrite"):
        build(dataset.folder)
    (dataset.folder / "of-old").write_text("")
    assert (
        build(dataset.folder, overwrite=True, shard_tokens=300).contents("val").files[-1] != "val_000000.bin"
    )
    assert not (dataset.folder / "of-old").exists()
    assert [path.name for path in dataset.folder.parent.iterdir()] == ["stories"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_data_set_is_never_written_to(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "mine").mkdir()
    check_free(tmp_path / "mine", overwrite=overwrite)
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("")
    for name in ("mine", "file"):
        with pytest.raises(DataError, match="is not a data set, so nothing is written to it"):
            build(tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_an_empty_folder_may_become_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    build(tmp_path / "set").verify()


# Reading


def test_reading_crosses_shards(dataset: Dataset) -> None:
    whole = everything(dataset, "train")
    for begin, count in ((0, 1), (699, 2), (650, 1500), (len(whole) - 1, 1), (700, 700), (5, 0)):
        read = dataset.read("train", begin, count)
        assert read.dtype == np.uint16
        assert read.tolist() == whole[begin : begin + count]
        dataset.advise("train", begin, count)
    dataset.advise("train", -10, 10**9)


@pytest.mark.parametrize(("begin", "count"), [(-1, 1), (0, -1), (10**9, 1)])
def test_reading_what_is_not_there_is_refused(dataset: Dataset, begin: int, count: int) -> None:
    with pytest.raises(IndexError, match="of val, which has"):
        dataset.read("val", begin, count)
    with pytest.raises(IndexError):
        dataset.read("val", 1, dataset.length("val"))


def test_it_can_be_sent_to_another_process_without_its_tokens(dataset: Dataset) -> None:
    before = everything(dataset, "train")
    sent = pickle.dumps(dataset)
    assert len(sent) < 500
    assert everything(pickle.loads(sent), "train") == before


def test_opening_reads_no_shard(dataset: Dataset) -> None:
    (dataset.folder / "train_000002.bin").unlink()
    opened = open_dataset(dataset.folder)
    assert opened.length("train") > 0
    assert opened.read("val", 0, 1).tolist() == [0]
    with pytest.raises(DataError, match=r"train_000002\.bin: there is no such shard"):
        opened.read("train", 0, 1)


# Refusals


def test_a_whole_one_passes(dataset: Dataset) -> None:
    dataset.check(256)
    dataset.check(50_000)
    dataset.verify()


def test_a_model_with_too_small_a_vocabulary_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="but a vocabulary of 100 has tokens 0 to 99"):
        dataset.check(100)


def test_a_token_outside_the_own_vocabulary_is_refused(dataset: Dataset) -> None:
    write_shard(dataset.folder / "val_000000.bin", np.full(dataset.length("val"), 256, dtype=np.uint16))
    with pytest.raises(DataError, match=r"token 0 .* is 256, but a vocabulary of 256"):
        open_dataset(dataset.folder).check(300)


def test_a_changed_token_is_found(dataset: Dataset) -> None:
    with (dataset.folder / "val_000000.bin").open("r+b") as file:
        file.seek(1024 + 2 * 5)
        file.write(b"Z\0")
    dataset.check(256)
    with pytest.raises(DataError, match=r"val has sha256 .*its files were changed"):
        dataset.verify()


def test_a_shard_of_another_length_is_found(dataset: Dataset) -> None:
    write_shard(dataset.folder / "train_000001.bin", np.zeros(10, dtype=np.uint16))
    with pytest.raises(DataError, match=r"the shards of train hold .* but dataset\.json promises"):
        dataset.check(256)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "zip", "format: Input should be 'paretune-dataset'"),
        ("version", 2, "version: Input should be 1"),
        ("extra", 1, "extra: Extra inputs are not permitted"),
        ("vocabulary", "256", "vocabulary: Input should be a valid integer"),
        ("vocabulary", 70_000, "vocabulary: Input should be less than or equal to 65536"),
        ("document_start", 256, "document_start: 256 is not below the vocabulary of 256"),
        ("train", {}, "train.files: Field required"),
    ],
)
def test_a_description_that_is_not_right_is_refused(
    dataset: Dataset, key: str, value: object, words: str
) -> None:
    path = dataset.folder / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(DataError, match=words) as refused:
        open_dataset(dataset.folder)
    assert str(path) in str(refused.value)


def test_a_description_leads_to_no_file_elsewhere(dataset: Dataset) -> None:
    path = dataset.folder / "dataset.json"
    path.write_text(path.read_text().replace("val_000000.bin", "../secret.bin"))
    with pytest.raises(DataError, match="names no file in this folder"):
        open_dataset(dataset.folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_description_that_is_none_is_refused(dataset: Dataset, content: bytes) -> None:
    (dataset.folder / "dataset.json").write_bytes(content)
    with pytest.raises(DataError, match="build the data set again"):
        open_dataset(dataset.folder)


def test_a_tokenizer_other_than_described_is_refused(dataset: Dataset) -> None:
    path = dataset.folder / "dataset.json"
    described = json.loads(path.read_text())
    path.write_text(json.dumps({**described, "tokenizer": {"kind": "chars", "characters": "abc"}}))
    with pytest.raises(DataError, match="has 4 tokens and the mark 0, but the file says 256"):
        _ = open_dataset(dataset.folder).tokenizer


def test_bytes_of_tokens_are_data_and_nothing_else(dataset: Dataset) -> None:
    path = dataset.folder / "token_bytes.npy"
    for content in (np.array([{}]), np.ones(256), np.ones(5, dtype=np.uint8)):
        np.save(path, content, allow_pickle=True)
        with pytest.raises(
            DataError, match=r"token_bytes\.npy: (cannot be read|expected unsigned|has the shape)"
        ):
            open_dataset(dataset.folder).check(256)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(dataset.folder).check(256)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("python", "paretune data python --folder"),
        ("fineweb", "paretune data fineweb --shards 1 --folder"),
        ("stories", "paretune data text FILE... --tokenizer bytes --folder"),
    ],
)
def test_a_missing_one_is_refused_with_the_command_that_makes_it(
    tmp_path: Path, name: str, command: str
) -> None:
    with pytest.raises(DataError, match=f"there is no data set; make one with `{command} {tmp_path / name}`"):
        open_dataset(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"has no dataset\.json, so it is not a data set"):
        open_dataset(tmp_path / name)


# The one that is always there


def test_the_text_of_python_is_text_in_order_and_bounded() -> None:
    found = documents()
    names = [document.name for document in found]
    assert names == sorted(set(names))
    assert 1_000_000 < sum(len(document.text.encode()) for document in found) <= MAX_BYTES
    folders = {folder for name in names for folder in name.split("/")[:-1]}
    assert "json" in folders
    assert not folders & {"test", "tests", "idle_test", "site-packages", "__pycache__", "pydoc_data"}
    assert "topics/assert" in names


def test_the_default_is_built_once_by_whoever_is_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "cache"))
    program = "from trainables.text.python_text import *; print(python_dataset())"
    both = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.communicate(timeout=60)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    folder = python_dataset()
    assert said == {str(folder)}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]
    began = time.monotonic()
    assert python_dataset() == folder
    assert time.monotonic() - began < 0.5
    assert find_dataset("python").folder == folder
    find_dataset(str(folder)).verify()


def test_nothing_of_it_needs_torch() -> None:
    program = (
        "import sys, trainables.text.fineweb, trainables.text.files, trainables.text.python_text;"
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
