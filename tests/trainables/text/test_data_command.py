"""``paretune data`` as a person uses it: files in, a data set and the lines for a space file out."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import CLI, run_cli

from trainables.text.dataset import open_dataset

POEM = "The fog comes\non little cat feet.\n\nIt sits looking\nover harbor and city\n" * 20
STORIES = "<|endoftext|>".join(f"Story {number} of a cat.\n" for number in range(30))


@pytest.fixture
def poem(tmp_path: Path) -> Path:
    path = tmp_path / "poem.txt"
    path.write_text(POEM)
    return path


def test_a_file_becomes_a_data_set_and_the_lines_for_a_space_file(poem: Path, tmp_path: Path) -> None:
    done = run_cli("data", "text", poem, "--tokenizer", "chars", cwd=tmp_path)
    assert done.code == 0, done.err
    dataset = open_dataset(tmp_path / "data" / "poem")
    dataset.verify()
    assert done.out.endswith(f"For a space file:\n  data: data/poem\n  vocabulary: {dataset.vocabulary}\n")
    assert "data/poem: poem.txt; one document, whose end is validation; tokenizer chars" in done.out
    assert f"{dataset.length('train'):,} tokens" in done.out
    assert "1 document, 1 shard" in done.out
    text = "".join(
        dataset.tokenizer.decode(dataset.read(split, 0, dataset.length(split))) for split in ("train", "val")
    )
    assert text == POEM


def test_documents_are_separated_by_the_mark_and_by_files(poem: Path, tmp_path: Path) -> None:
    stories = tmp_path / "stories.txt"
    stories.write_text(STORIES)
    done = run_cli(
        "data",
        "text",
        stories,
        poem,
        "--tokenizer",
        "bytes",
        "--folder",
        tmp_path / "set",
        "--val-share",
        "0.2",
    )
    assert done.code == 0, done.err
    described = open_dataset(tmp_path / "set").description
    assert described.train.documents + described.val.documents == 31
    assert described.val.documents > 3
    assert described.source == "stories.txt, poem.txt"


@pytest.mark.parametrize(("ending", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_packed_files_are_unpacked(tmp_path: Path, ending: str, pack: object) -> None:
    assert callable(pack)
    packed = tmp_path / f"poem.txt{ending}"
    packed.write_bytes(pack(POEM.encode()))
    plain = tmp_path / "plain.txt"
    plain.write_text(POEM)
    sums = []
    for path in (packed, plain):
        assert run_cli("data", "text", path, "--tokenizer", "bytes", cwd=tmp_path).code == 0
        sums.append(open_dataset(tmp_path / "data" / path.name.partition(".")[0]).contents("train").sha256)
    assert sums[0] == sums[1]
    packed.write_bytes(packed.read_bytes()[:-20])
    refused = run_cli("data", "text", packed, "--tokenizer", "bytes", "--overwrite", cwd=tmp_path)
    assert refused.code == 2
    assert f"error: {packed}: cannot be decompressed" in refused.err
    packed.write_bytes(b"no such thing")
    again = run_cli("data", "text", packed, "--tokenizer", "bytes", "--overwrite", cwd=tmp_path)
    assert "cannot be decompressed" in again.err


def test_a_mark_of_windows_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"\xef\xbb\xbf" + b"some text of mine\r\n")
    run_cli("data", "text", "notes.txt", "--tokenizer", "bytes", cwd=tmp_path)
    assert bytes(open_dataset(tmp_path / "data" / "notes").read("train", 1, 4).astype(np.uint8)) == b"some"


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (None, (), "there is no such file"),
        (b"caf\xe9 au lait", (), "byte 3 is not UTF-8; convert the file, for example with `iconv"),
        (b" \n\n", (), "error: some.txt: there is no text in it; name files with text"),
        (b"", ("--tokenizer", "chars"), "needs at least one; the text is empty"),
        (b"some text", ("--val-share", "1.5"), "more than 0 and less than 1, but is 1.5"),
        (b"some text", ("--folder", "."), "is not a data set, so nothing is written to it"),
        (b"some text", ("--tokenizer", "words"), "'gpt2', 'bytes', 'chars'"),
    ],
)
def test_what_cannot_be_made_is_refused(
    tmp_path: Path, content: bytes | None, options: tuple[str, ...], words: str
) -> None:
    if content is not None:
        (tmp_path / "some.txt").write_bytes(content)
    tokenizer = () if "--tokenizer" in options else ("--tokenizer", "bytes")
    done = run_cli("data", "text", "some.txt", *tokenizer, *options, cwd=tmp_path)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert {path.name for path in tmp_path.rglob("*")} <= {"some.txt", "data"}


def test_of_several_files_without_text_the_first_is_named(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(" \n")
    done = run_cli("data", "text", "one.txt", "two.txt", "--tokenizer", "bytes", cwd=tmp_path)
    assert done.code == 2
    assert "error: one.txt: there is no text in it or in any other; name files" in done.err


def test_show_suggests_the_data_set_of_that_name_where_data_sets_are(poem: Path, tmp_path: Path) -> None:
    assert (
        run_cli("data", "text", poem, "--tokenizer", "bytes", "--folder", "data/mine", cwd=tmp_path).code == 0
    )
    done = run_cli("data", "show", "mine", cwd=tmp_path)
    assert done.code == 2
    assert done.err == "error: mine: there is no data set; did you mean data/mine?\n"
    assert "make one with" in run_cli("data", "show", "other", cwd=tmp_path).err


def test_a_folder_is_no_file_of_text(tmp_path: Path) -> None:
    done = run_cli("data", "text", tmp_path, "--tokenizer", "bytes", "--folder", tmp_path / "new")
    assert done.code == 2
    assert f"error: {tmp_path}: is a folder; name the files in it" in done.err


def test_gpt2_without_its_vocabulary_is_refused_with_what_to_do(
    poem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    done = run_cli("data", "text", poem, "--tokenizer", "gpt2", cwd=tmp_path)
    assert done.code == 2
    assert "error: GPT-2's vocabulary is not on this machine" in done.err
    assert "--download-vocabulary" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["poem.txt"]


def test_an_existing_one_is_replaced_only_when_asked(poem: Path, tmp_path: Path) -> None:
    command = ("data", "text", poem, "--tokenizer", "bytes")
    assert run_cli(*command, cwd=tmp_path).code == 0
    refused = run_cli(*command, cwd=tmp_path)
    assert refused.code == 2
    assert "data/poem: is already a data set; replace it with --overwrite" in refused.err
    poem.write_text(POEM.upper())
    assert run_cli(*command, "--overwrite", cwd=tmp_path).code == 0
    assert open_dataset(tmp_path / "data" / "poem").read("train", 1, 3).tolist() == [*b"THE"]


def test_show_tells_what_is_there_and_what_is_wrong(poem: Path, tmp_path: Path) -> None:
    run_cli("data", "text", poem, "--tokenizer", "bytes", cwd=tmp_path)
    folder = tmp_path / "data" / "poem"
    shown = run_cli("data", "show", folder)
    assert shown.code == 0
    assert shown.out.endswith("Every token was checked: the data set is intact.\n")
    content = json.loads(run_cli("data", "show", folder, "--json").out)
    assert content["folder"] == str(folder)
    assert content["train"]["bytes"] + content["val"]["bytes"] == len(POEM)
    shard = folder / "train_000001.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    for options in ((), ("--json",)):
        refused = run_cli("data", "show", folder, *options)
        assert refused.code == 2
        assert f"error: {shard}: byte 8: header promises" in refused.err
        if options:
            assert json.loads(refused.out)["error"]["message"].startswith(f"{shard}: byte 8: ")
        else:
            assert refused.out == ""
    missing = run_cli("data", "show", tmp_path / "nothing")
    assert missing.code == 2
    assert "there is no data set; make one with `paretune data text" in missing.err


def test_python_is_in_the_cache_or_where_it_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "cache"))
    done = run_cli("data", "python")
    assert done.code == 0, done.err
    assert done.out.endswith("  data: python\n  vocabulary: 256\n")
    assert run_cli("data", "show", "python").code == 0
    elsewhere = run_cli("data", "python", "--folder", tmp_path / "mine")
    assert elsewhere.out.endswith(f"  data: {tmp_path / 'mine'}\n  vocabulary: 256\n")
    (cached,) = (tmp_path / "cache").iterdir()
    assert open_dataset(cached).contents("train") == open_dataset(tmp_path / "mine").contents("train")
    assert run_cli("data", "python", "--folder", tmp_path / "mine").code == 2


def test_progress_is_for_a_terminal_only(poem: Path, tmp_path: Path) -> None:
    command = [*CLI, "data", "text", str(poem), "--tokenizer", "bytes", "--folder"]
    quiet = run_cli(*command[len(CLI) :], tmp_path / "quiet")
    assert quiet.err == ""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {
        "TERM": "xterm"
    }
    shown = subprocess.run(
        [*command, str(tmp_path / "shown")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
        check=False,
    )
    os.close(theirs)
    assert shown.returncode == 0
    assert b"Encoding" in os.read(ours, 65536)
    os.close(ours)


def test_data_alone_tells_what_there_is() -> None:
    done = run_cli("data")
    assert done.code == 0
    for name in ("text", "python", "fineweb", "show"):
        assert f"\n  {name} " in done.out
        assert "\n    paretune data " in run_cli("data", name, "--help").out


def test_the_command_line_starts_without_what_only_data_needs() -> None:
    heavy = ("torch", "tiktoken", "huggingface_hub")
    program = f"import sys, paretune.cli.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
