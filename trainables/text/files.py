"""Documents from text files, compressed or not."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from trainables.text.building import Document
from trainables.text.errors import DataError

DOCUMENT_SEPARATOR = "<|endoftext|>"
"""Separator of documents in a file, as in published collections of short stories."""


def documents_in(paths: Iterable[Path]) -> Iterator[Document]:
    """Yield the documents of files in UTF-8; ``.xz`` and ``.gz`` are decompressed.

    Raises:
        DataError: a file is missing, cannot be decompressed, or is not UTF-8.
    """
    for path in paths:
        pieces = _text(path).split(DOCUMENT_SEPARATOR)
        for number, piece in enumerate(pieces, start=1):
            yield Document(f"{path}, document {number:,}" if len(pieces) > 1 else str(path), piece)


def _text(path: Path) -> str:
    try:
        content = _unpacked(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: is a folder; name the files in it") from error
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: cannot be decompressed: {error}; get the file again") from error
    try:
        # Files from Windows can begin with a byte order mark, which is not part of the text.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start:,} is not UTF-8; convert the file, for example with "
            f"`iconv -f latin1 -t utf-8 {path}`"
        ) from error


def _unpacked(path: Path) -> bytes:
    if path.suffix == ".xz":
        with lzma.open(path) as file:
            return file.read()
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            return file.read()
    return path.read_bytes()
