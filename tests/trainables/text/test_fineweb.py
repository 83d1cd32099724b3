"""Fetching shards, from a real server on this machine that can break off, lie, and refuse.

The two files of GPT-2's vocabulary must be on the machine for most of this: the bytes of each token are
looked up in them.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run_cli

from trainables.text.dataset import Dataset, open_dataset
from trainables.text.errors import DataError
from trainables.text.fineweb import REPOSITORY, download_fineweb
from trainables.text.gpt2 import missing_vocabulary
from trainables.text.shards import Tokens, write_shard

needs_gpt2 = pytest.mark.skipif(
    bool(missing_vocabulary()), reason="GPT-2's vocabulary is not on this machine"
)

TOKENS = 30_000
MARK = 50256


class Hub(ThreadingHTTPServer):
    """Serves files as the hub does, and can be told to behave badly."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.break_off_after: int | None = None
        """Bytes of the next answer's body after which the connection ends."""
        self.status = 200
        self.asked: list[tuple[str, str | None]] = []
        """Name and range of every file that was asked for with GET."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def fetched(self) -> list[str]:
        return [name for name, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        content = self.server.files.get(self.path.rpartition("/")[2])
        expected = f"/datasets/{REPOSITORY}/resolve/main/"
        if content is None or not self.path.startswith(expected) or self.server.status != 200:
            self.send_response(404 if self.server.status == 200 else self.server.status)
            self.send_header("X-Error-Code", "EntryNotFound" if self.server.status == 200 else "Down")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        asked = self.headers.get("Range")
        begin = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - begin))
        if asked:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not with_body:
            return
        self.server.asked.append((self.path.rpartition("/")[2], asked))
        end = len(content)
        if self.server.break_off_after is not None:
            end, self.server.break_off_after = begin + self.server.break_off_after, None
            self.close_connection = True
        self.wfile.write(content[begin:end])

    def log_message(self, *_: object) -> None:
        """Keep the tests' output free of every request."""


def some_tokens(seed: int) -> Tokens:
    tokens = np.random.default_rng(seed).integers(0, MARK, TOKENS).astype(np.uint16)
    tokens[::1000] = MARK
    return tokens


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("published")
    names = ["fineweb_val_000000.bin", *(f"fineweb_train_{number:06d}.bin" for number in (1, 2, 3))]
    for seed, name in enumerate(names):
        write_shard(folder / name, some_tokens(seed))
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture
def hub(published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Hub(dict(published))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(hub: Hub, folder: Path, shards: int, said: list[str] | None = None) -> Dataset:
    lines: list[str] = [] if said is None else said
    return download_fineweb(folder, shards, say=lines.append, shard_tokens=TOKENS, endpoint=hub.address)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@needs_gpt2
def test_shards_come_and_are_a_data_set(hub: Hub, tmp_path: Path) -> None:
    said: list[str] = []
    dataset = fetch(hub, tmp_path / "fineweb", 2, said)
    dataset.verify()
    assert "To fetch: 3 shards, 0.0 GB; free in" in said[0]
    assert dataset.read("train", 0, 2 * TOKENS).tolist() == [*some_tokens(1), *some_tokens(2)]
    assert dataset.read("val", 0, TOKENS).tolist() == some_tokens(0).tolist()
    assert dataset.description.train.documents == 2 * TOKENS // 1000
    assert (dataset.vocabulary, dataset.document_start, dataset.tokenizer.name) == (50257, MARK, "gpt2")
    assert names_in(dataset.folder) == sorted(
        ["dataset.json", "token_bytes.npy", *dataset.contents("train").files, *dataset.contents("val").files]
    )


@needs_gpt2
def test_bytes_are_those_of_the_decoded_text(hub: Hub, tmp_path: Path) -> None:
    dataset = fetch(hub, tmp_path / "fineweb", 1)
    import tiktoken

    encoding = tiktoken.get_encoding("gpt2")
    text = encoding.decode_bytes([token for token in some_tokens(0).tolist() if token != MARK])
    assert dataset.contents("val").bytes == len(text)


@needs_gpt2
def test_what_is_there_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path / "fineweb", 1)
    hub.asked.clear()
    assert fetch(hub, tmp_path / "fineweb", 3).length("train") == 3 * TOKENS
    assert hub.fetched == ["fineweb_train_000002.bin", "fineweb_train_000003.bin"]
    hub.asked.clear()
    assert fetch(hub, tmp_path / "fineweb", 2).length("train") == 2 * TOKENS
    assert hub.fetched == []


@needs_gpt2
def test_after_ctrl_c_the_same_command_goes_on(hub: Hub, tmp_path: Path) -> None:
    def interrupted(line: str) -> None:
        if line.startswith("Fetching fineweb_train_000002"):
            raise KeyboardInterrupt

    folder = tmp_path / "fineweb"
    with pytest.raises(KeyboardInterrupt):
        download_fineweb(folder, 3, say=interrupted, shard_tokens=TOKENS, endpoint=hub.address)
    assert names_in(folder) == ["fineweb_train_000001.bin", "fineweb_val_000000.bin"]
    hub.asked.clear()
    fetch(hub, folder, 3).verify()
    assert hub.fetched == ["fineweb_train_000002.bin", "fineweb_train_000003.bin"]


@needs_gpt2
def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(hub: Hub, tmp_path: Path) -> None:
    """The client keeps pieces of 10 MiB, so the shard is larger."""
    piece, count = 10 * 2**20, 6_000_000
    write_shard(tmp_path / "large", np.arange(count, dtype=np.uint32).astype(np.uint16) % MARK)
    name = "fineweb_val_000000.bin"
    hub.files = dict.fromkeys((name, "fineweb_train_000001.bin"), (tmp_path / "large").read_bytes())
    hub.break_off_after = piece + 1000
    folder = tmp_path / "fineweb"
    download_fineweb(folder, 1, say=lambda _: None, shard_tokens=count, endpoint=hub.address)
    assert hub.asked[:2] == [(name, None), (name, f"bytes={piece}-")]
    assert (folder / name).read_bytes() == hub.files[name]


@needs_gpt2
def test_a_shard_that_is_not_whole_is_said_and_fetched_again(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "fineweb"
    fetch(hub, folder, 2)
    cut = folder / "fineweb_train_000002.bin"
    cut.write_bytes(cut.read_bytes()[:-100])
    hub.asked.clear()
    said: list[str] = []
    fetch(hub, folder, 2, said).verify()
    assert hub.fetched == [cut.name]
    assert "it is truncated" in said[0]
    assert "downloaded again" in said[0]


@needs_gpt2
@pytest.mark.parametrize("how", ["no shard", "another length", "token"])
def test_what_is_not_right_is_removed_and_said(hub: Hub, tmp_path: Path, how: str) -> None:
    name = "fineweb_train_000001.bin"
    right = hub.files[name]
    if how == "no shard":
        hub.files[name], words = b"<html>" * 1000, "byte 0: magic number"
    elif how == "another length":
        write_shard(tmp_path / "short", some_tokens(1)[:100])
        hub.files[name], words = (tmp_path / "short").read_bytes(), "byte 8: 100 tokens, expected 30,000"
    else:
        hub.files[name], words = right[:1024] + b"\xff\xff" + right[1026:], r"token 0 .* is 65535"
    with pytest.raises(DataError, match=f"what was fetched is not right and was removed: .*{words}"):
        fetch(hub, tmp_path / "fineweb", 1)
    assert names_in(tmp_path / "fineweb") == ["fineweb_val_000000.bin"], "what is right is kept"
    hub.files[name] = right
    fetch(hub, tmp_path / "fineweb", 1).verify()


@needs_gpt2
def test_a_hub_that_is_down_is_told_from_no_network(hub: Hub, tmp_path: Path) -> None:
    hub.status = 403
    with pytest.raises(DataError, match="the hub says 403"):
        fetch(hub, tmp_path / "fineweb", 1)
    assert not (tmp_path / "fineweb").exists(), "nothing came of it"


@needs_gpt2
def test_a_shard_that_is_gone_is_named(hub: Hub, tmp_path: Path) -> None:
    del hub.files["fineweb_train_000001.bin"]
    with pytest.raises(DataError, match=r"fineweb_train_000001\.bin is not in kjj0/fineweb10B-gpt2 any more"):
        fetch(hub, tmp_path / "fineweb", 1)


def test_too_little_room_is_said_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"2 shards need 4000000\.0 GB, but .* ask for fewer with --shards"):
        download_fineweb(
            tmp_path / "fineweb", 1, say=lambda _: None, shard_tokens=10**15, endpoint=hub.address
        )
    assert hub.asked == []
    assert not (tmp_path / "fineweb").exists()


def test_shards_are_not_mixed_with_something_else(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match="holds other files; choose another folder"):
        fetch(hub, tmp_path / "mine", 1)
    (tmp_path / "mine" / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match="holds another data set"):
        fetch(hub, tmp_path / "mine", 1)
    with pytest.raises(DataError, match="is a file"):
        fetch(hub, tmp_path / "mine" / "thesis.tex", 1)


@pytest.mark.parametrize("shards", [0, 104])
def test_there_are_so_many_shards_and_no_more(hub: Hub, tmp_path: Path, shards: int) -> None:
    with pytest.raises(DataError, match="there are 1 to 103 training shards"):
        fetch(hub, tmp_path / "fineweb", shards)
    assert run_cli("data", "fineweb", "--shards", shards, "--folder", tmp_path / "fineweb").code == 2


@needs_gpt2
def test_two_processes_do_not_fetch_into_one_folder(hub: Hub, tmp_path: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("Fetching fineweb_train"):
            with pytest.raises(DataError, match="another process is downloading into it"):
                fetch(hub, tmp_path / "fineweb", 1)
            met.append(line)

    met: list[str] = []
    download_fineweb(tmp_path / "fineweb", 1, say=say, shard_tokens=TOKENS, endpoint=hub.address)
    assert len(met) == 1
    open_dataset(tmp_path / "fineweb").verify()
