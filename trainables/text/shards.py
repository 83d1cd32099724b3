"""Tokens on disk in the format of the GPT-2 speedruns, memory-mapped.

A shard is a header of 256 little-endian int32, ``[20240520, 1, number of tokens, 0, ...]``, and then the
tokens as little-endian uint16. Anything else is refused, with the position of the difference.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.replacing import replacing
from trainables.text.errors import DataError

__all__ = ["HEADER_BYTES", "DataError", "Shard", "Tokens", "check_tokens", "open_shard", "write_shard"]

Tokens = NDArray[np.uint16]

MAGIC = 20240520
VERSION = 1
HEADER_BYTES = 256 * 4
TOKEN_BYTES = 2
MAX_TOKENS = 2**31 - 1
"""The largest int32, the limit of the header."""

_CHUNK_TOKENS = 2**22
"""Tokens per block when scanning: 8 MiB, so that a scan needs little memory."""


class Shard:
    """An open shard.

    ``tokens`` is a read-only view, of shape (number of tokens,), of the mapped file: only pages that are read
    are in memory, shared by all processes of the machine.
    """

    def __init__(self, path: Path, mapped: mmap.mmap, count: int) -> None:
        self.path = path
        self._mapped = mapped
        tokens: Tokens = np.ndarray((count,), dtype="<u2", buffer=mapped, offset=HEADER_BYTES)
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.tokens)

    def advise(self, begin: int, count: int) -> None:
        """Ask the system to read tokens ``begin`` to ``begin + count`` from disk ahead of their use.

        Tokens outside the shard are ignored. Without system support, nothing happens.
        """
        begin, end = max(begin, 0), min(begin + count, len(self))
        if begin >= end or not hasattr(mmap, "MADV_WILLNEED"):
            return
        first = HEADER_BYTES + TOKEN_BYTES * begin
        start = first - first % mmap.PAGESIZE
        # Read-ahead is only a hint.
        with suppress(OSError):
            self._mapped.madvise(mmap.MADV_WILLNEED, start, HEADER_BYTES + TOKEN_BYTES * end - start)

    def chunks(self) -> Iterator[tuple[int, Tokens]]:
        """Yield all tokens in views of some MiB, each with the index of its first token."""
        for begin in range(0, len(self), _CHUNK_TOKENS):
            self.advise(begin + _CHUNK_TOKENS, _CHUNK_TOKENS)
            yield begin, self.tokens[begin : begin + _CHUNK_TOKENS]


def open_shard(path: Path) -> Shard:
    """Map a shard into memory.

    Raises:
        DataError: there is no such file, or its header or size is invalid.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            count = _tokens_promised(path, file.read(HEADER_BYTES), size)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such shard; build or download the data set again") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: is a folder, expected a shard of tokens") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return Shard(path, mapped, count)


def write_shard(path: Path, tokens: Tokens) -> None:
    """Write tokens, of shape (number of tokens,), as a shard, atomically.

    Raises:
        OSError: the disk is full or cannot be written to; then nothing is left behind.
    """
    assert tokens.dtype == np.uint16
    assert tokens.ndim == 1
    assert len(tokens) <= MAX_TOKENS
    header = np.zeros(256, dtype="<i4")
    header[:3] = MAGIC, VERSION, len(tokens)
    with replacing(path) as file:
        file.write(header.tobytes())
        file.write(np.ascontiguousarray(tokens, dtype="<u2").data)


def check_tokens(shard: Shard, vocabulary: int) -> None:
    """Check every token of a shard.

    Raises:
        DataError: a token is not below ``vocabulary``.
    """
    for begin, chunk in shard.chunks():
        if int(chunk.max()) < vocabulary:
            continue
        index = begin + int(np.argmax(chunk >= vocabulary))
        raise DataError(
            f"{shard.path}: token {index:,} (byte {HEADER_BYTES + TOKEN_BYTES * index:,}) is "
            f"{shard.tokens[index]}, but a vocabulary of {vocabulary:,} has tokens 0 to "
            f"{vocabulary - 1:,}; set the vocabulary of the tokenizer that the data was made with, or build "
            "the data set again"
        )


def _tokens_promised(path: Path, header: bytes, size: int) -> int:
    """Return the header's number of tokens, which the file of ``size`` bytes is known to hold."""
    if len(header) < HEADER_BYTES:
        raise DataError(
            f"{path}: ends at byte {size:,}, within the header of {HEADER_BYTES:,} bytes; it is not a shard "
            "of tokens, or was truncated: build or download it again"
        )
    magic, version, count = (int(value) for value in np.frombuffer(header, dtype="<i4", count=3))
    if magic != MAGIC:
        raise DataError(
            f"{path}: byte 0: magic number {magic}, expected {MAGIC}; this is not a shard of tokens: "
            "`paretune data text` makes shards from text"
        )
    if version != VERSION:
        raise DataError(
            f"{path}: byte 4: version {version}, expected {VERSION} (tokens as uint16); make the shard again "
            "in that version"
        )
    if count < 0:
        raise DataError(f"{path}: byte 8: {count:,} tokens, expected 0 or more; build or download it again")
    expected = HEADER_BYTES + TOKEN_BYTES * count
    if size != expected:
        what = "truncated" if size < expected else "too long"
        raise DataError(
            f"{path}: byte 8: header promises {count:,} tokens, which make a file of {expected:,} "
            f"bytes, but it has {size:,}: it is {what}; build or download it again"
        )
    return count
