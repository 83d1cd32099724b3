"""Shards: what is written is read, and anything else is refused with its position."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainables.text.shards import DataError, Tokens, check_tokens, open_shard, write_shard


def some_tokens(count: int = 1000) -> Tokens:
    return (np.arange(count) * 7919 % 65536).astype(np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "train_000001.bin"
    write_shard(made, some_tokens())
    return made


def damage(path: Path, place: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(arrays(np.uint16, st.integers(0, 3000)))
def test_what_is_written_is_read(tmp_path: Path, tokens: Tokens) -> None:
    write_shard(tmp_path / "shard.bin", tokens)
    shard = open_shard(tmp_path / "shard.bin")
    assert len(shard) == len(tokens)
    np.testing.assert_array_equal(shard.tokens, tokens)
    assert [path.name for path in tmp_path.iterdir()] == ["shard.bin"]


def test_the_bytes_are_those_of_the_speedruns(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard.bin", np.array([50256, 1], dtype=np.uint16))
    content = (tmp_path / "shard.bin").read_bytes()
    assert content[:12] == bytes.fromhex("88d83401 01000000 02000000")
    assert content[12:1024] == bytes(1012)
    assert content[1024:] == bytes.fromhex("50c4 0100")


def test_every_second_token_is_written_too(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard.bin", some_tokens()[::2])
    np.testing.assert_array_equal(open_shard(tmp_path / "shard.bin").tokens, some_tokens()[::2])


def test_tokens_cannot_be_changed_by_their_reader(path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        open_shard(path).tokens[0] = 1


@pytest.mark.parametrize(
    ("place", "content", "words"),
    [
        (0, b"\1\0\0\0", "byte 0: magic number 1, expected 20240520; this is not a shard of tokens"),
        (4, b"\2\0\0\0", "byte 4: version 2, expected 1"),
        (8, b"\xff\xff\xff\xff", "byte 8: -1 tokens, expected 0 or more"),
        (8, b"\xe9\3\0\0", "byte 8: header promises 1,001 tokens, .* 3,026 bytes, .* 3,024: .* truncated"),
        (8, b"\xe7\3\0\0", "byte 8: header promises 999 tokens, .* 3,022 bytes, .* 3,024: .* too long"),
    ],
)  # fmt: skip
def test_a_header_that_is_not_right_is_refused(path: Path, place: int, content: bytes, words: str) -> None:
    damage(path, place, content)
    with pytest.raises(DataError, match=words) as refused:
        open_shard(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 3023, 3025])
def test_a_file_of_another_size_is_refused(path: Path, size: int) -> None:
    content = path.read_bytes() + b"\0"
    path.write_bytes(content[:size])
    with pytest.raises(DataError, match=r"truncated|too long"):
        open_shard(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such shard"):
        open_shard(tmp_path / "missing.bin")
    with pytest.raises(DataError, match="is a folder"):
        open_shard(tmp_path)


def test_a_token_outside_the_vocabulary_is_told_with_its_place(tmp_path: Path) -> None:
    tokens = np.zeros(5_000_000, dtype=np.uint16)
    tokens[4_500_000:] = 300
    tokens[4_600_000] = 301
    write_shard(tmp_path / "shard.bin", tokens)
    shard = open_shard(tmp_path / "shard.bin")
    check_tokens(shard, 302)
    with pytest.raises(
        DataError, match=r"token 4,600,000 \(byte 9,201,024\) is 301, but .* of 301 has tokens 0 to 300"
    ):
        check_tokens(shard, 301)
    with pytest.raises(DataError, match=r"token 4,500,000 .* is 300"):
        check_tokens(shard, 300)


def test_the_largest_vocabulary_has_every_token(tmp_path: Path) -> None:
    write_shard(tmp_path / "shard.bin", np.arange(65536, dtype=np.uint16))
    check_tokens(open_shard(tmp_path / "shard.bin"), 65536)
    with pytest.raises(DataError, match="token 65,535 "):
        check_tokens(open_shard(tmp_path / "shard.bin"), 65535)


@pytest.mark.parametrize(
    ("begin", "count"), [(0, 1000), (500, 10), (-5, 10), (990, 1000), (1000, 1), (2000, 5), (5, 0), (9, -4)]
)
def test_advice_is_harmless_wherever_it_points(path: Path, begin: int, count: int) -> None:
    shard = open_shard(path)
    shard.advise(begin, count)
    np.testing.assert_array_equal(shard.tokens, some_tokens())


def test_a_full_disk_leaves_the_old_shard_and_nothing_else(path: Path) -> None:
    """A limit on the size of files stands for the full disk: the write fails half way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(OSError, match="File too large"):
            write_shard(path, some_tokens(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [left.name for left in path.parent.iterdir()] == [path.name]
    np.testing.assert_array_equal(open_shard(path).tokens, some_tokens())
