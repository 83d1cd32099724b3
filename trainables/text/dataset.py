"""A data set: a folder of token shards with a description.

The folder holds ``dataset.json`` (:class:`Description`), ``token_bytes.npy`` (bytes of UTF-8 for each token)
and the shards that ``dataset.json`` names. Nothing in it is code, and nothing is executed.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainables.replacing import replacing
from trainables.text.errors import DataError, MissingDataError
from trainables.text.shards import Shard, Tokens, check_tokens, open_shard
from trainables.text.tokenizers import Tokenizer, tokenizer_from_json

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")

DESCRIPTION_FILE = "dataset.json"
TOKEN_BYTES_FILE = "token_bytes.npy"


class Contents(BaseModel):
    """The description of a split.

    ``bytes`` is the text's length in UTF-8, without marks; ``sha256`` is that of all tokens, as little-endian
    uint16, shard after shard.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    files: tuple[str, ...] = Field(min_length=1, strict=False)
    tokens: int = Field(gt=0)
    bytes: int = Field(ge=0)
    documents: int = Field(ge=0)
    sha256: str


class Description(BaseModel):
    """The content of ``dataset.json``. ``source`` is the origin of the text, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["paretune-dataset"] = "paretune-dataset"
    version: Literal[1] = 1
    name: str
    source: str
    tokenizer: dict[str, Any]
    vocabulary: int = Field(gt=1, le=2**16)
    document_start: int = Field(ge=0)
    train: Contents
    val: Contents


@dataclass(frozen=True)
class Dataset:
    """A data set on disk. Shards are opened, and their headers checked, when they are first read.

    It can be pickled; the other process opens the same folder.
    """

    folder: Path
    description: Description

    def __reduce__(self) -> tuple[Any, ...]:
        return (open_dataset, (self.folder,))

    @property
    def name(self) -> str:
        """Its name."""
        return self.description.name

    @property
    def vocabulary(self) -> int:
        """Number of tokens of its tokenizer: 0 to ``vocabulary - 1``."""
        return self.description.vocabulary

    @property
    def document_start(self) -> int:
        """The mark that begins every document."""
        return self.description.document_start

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer.

        Raises:
            DataError: the tokenizer needs files that this machine lacks, or differs from the description.
        """
        made = tokenizer_from_json(self.description.tokenizer)
        if (made.vocabulary, made.document_start) != (self.vocabulary, self.document_start):
            raise DataError(
                f"{self.folder / DESCRIPTION_FILE}: the tokenizer {made.name} has {made.vocabulary:,} tokens "
                f"and the mark {made.document_start}, but the file says {self.vocabulary:,} and "
                f"{self.document_start}; build the data set again"
            )
        return made

    @cached_property
    def token_bytes(self) -> NDArray[np.unsignedinteger[Any]]:
        """UTF-8 bytes of each token, shape (vocabulary,); 0 for the mark.

        Raises:
            DataError: the file is missing or invalid.
        """
        path = self.folder / TOKEN_BYTES_FILE
        try:
            with path.open("rb") as file:
                shape, kind = _array_header(file)
                # What the header states is compared before memory is taken for it.
                raw = file.read(self.vocabulary * kind.itemsize + 1)
        except (OSError, ValueError, EOFError, SyntaxError, TypeError, TokenError, RecursionError) as error:
            raise DataError(f"{path}: cannot be read: {error}; build the data set again") from error
        if kind.kind != "u":
            raise DataError(f"{path}: expected unsigned integers; build the data set again")
        if shape != (self.vocabulary,):
            raise DataError(
                f"{path}: has the shape {shape}, expected {(self.vocabulary,)}, a number for each "
                "token; build the data set again"
            )
        if len(raw) != self.vocabulary * kind.itemsize:
            raise DataError(f"{path}: is cut short, or too long; build the data set again")
        return np.frombuffer(raw, dtype=kind)

    def contents(self, split: Split) -> Contents:
        """Return the description of a split in ``dataset.json``."""
        return self.description.train if split == "train" else self.description.val

    def length(self, split: Split) -> int:
        """Return the number of tokens of a split, marks included."""
        return self.contents(split).tokens

    def read(self, split: Split, begin: int, count: int) -> Tokens:
        """Return tokens ``begin`` to ``begin + count`` of a split, of shape (count,), across shards.

        Raises:
            IndexError: the split has fewer tokens.
            DataError: a shard is missing, or differs from ``dataset.json``.
        """
        if begin < 0 or count < 0 or begin + count > self.length(split):
            raise IndexError(
                f"{self.folder}: tokens {begin:,} to {begin + count:,} of {split}, which has "
                f"{self.length(split):,}"
            )
        read: Tokens = np.empty(count, dtype=np.uint16)
        for shard, first in self._shards(split):
            low, high = max(begin, first), min(begin + count, first + len(shard))
            if low < high:
                read[low - begin : high - begin] = shard.tokens[low - first : high - first]
        return read

    def advise(self, split: Split, begin: int, count: int) -> None:
        """Ask the system to read tokens from disk ahead of use; tokens outside the split are ignored."""
        for shard, first in self._shards(split):
            if first < begin + count and begin < first + len(shard):
                shard.advise(begin - first, count)

    def check(self, vocabulary: int) -> None:
        """Check all headers and all tokens, as before a search.

        Args:
            vocabulary: number of tokens of the model.

        Raises:
            DataError: a file is missing or damaged, or a token is not below ``vocabulary``.
        """
        assert self.token_bytes.shape == (self.vocabulary,)
        for split in SPLITS:
            for shard, _ in self._shards(split):
                check_tokens(shard, min(vocabulary, self.vocabulary))

    def verify(self) -> None:
        """Check everything, and compare it with ``dataset.json``: counts, and the sha256.

        Raises:
            DataError: as :meth:`check`, or something differs from ``dataset.json``.
        """
        self.check(self.vocabulary)
        for split in SPLITS:
            said = self.contents(split)
            found = count_contents(self.folder, said.files, self.token_bytes, self.document_start)
            for field, value in found.model_dump().items():
                if value != getattr(said, field):
                    raise DataError(
                        f"{self.folder}: {split} has {field} {value}, but {DESCRIPTION_FILE} says "
                        f"{getattr(said, field)}; its files were changed: build the data set again"
                    )

    def _shards(self, split: Split) -> list[tuple[Shard, int]]:
        """Return the shards of a split, opened, each with the index of its first token."""
        return self._train_shards if split == "train" else self._val_shards

    @cached_property
    def _train_shards(self) -> list[tuple[Shard, int]]:
        return self._open("train")

    @cached_property
    def _val_shards(self) -> list[tuple[Shard, int]]:
        return self._open("val")

    def _open(self, split: Split) -> list[tuple[Shard, int]]:
        opened, first = [], 0
        for name in self.contents(split).files:
            shard = open_shard(self.folder / name)
            opened.append((shard, first))
            first += len(shard)
        if first != self.length(split):
            raise DataError(
                f"{self.folder}: the shards of {split} hold {first:,} tokens, but {DESCRIPTION_FILE} "
                f"promises {self.length(split):,}; build the data set again"
            )
        return opened


def open_dataset(folder: Path) -> Dataset:
    """Return the data set in a folder. Only ``dataset.json`` is read; shards are opened when needed.

    Raises:
        MissingDataError: there is no such folder.
        DataError: it is not a data set, or ``dataset.json`` is invalid.
    """
    path = folder / DESCRIPTION_FILE
    try:
        description = Description.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        _refuse_missing(folder)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{path}: {place}: {first['msg']}; build the data set again") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not JSON in UTF-8: {error}; build the data set again") from error
    for name in (*description.train.files, *description.val.files):
        if Path(name).name != name or "\0" in name:
            raise DataError(f"{path}: {name!r} names no file in this folder; build the data set again")
    if description.document_start >= description.vocabulary:
        raise DataError(
            f"{path}: document_start: {description.document_start} is not below the vocabulary of "
            f"{description.vocabulary:,}; build the data set again"
        )
    return Dataset(folder, description)


def _array_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the header of an array in numpy's format, of its first version as it is written here.

    Raises:
        ValueError, SyntaxError, TypeError, TokenError: it is no such header.
    """
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the format")
    shape, _, kind = np.lib.format.read_array_header_1_0(file)
    return shape, kind


def write_description(folder: Path, description: Description, lengths: NDArray[np.uint8]) -> None:
    """Write ``token_bytes.npy``, from ``lengths`` of shape (vocabulary,), then ``dataset.json``.

    Writes are atomic: trials can be reading the files.

    Raises:
        OSError: the disk is full or the folder cannot be written; an older file is unchanged.
    """
    assert lengths.shape == (description.vocabulary,)
    # In memory first: on a full disk, numpy's writer hides the system's error.
    array = io.BytesIO()
    np.save(array, lengths, allow_pickle=False)
    with replacing(folder / TOKEN_BYTES_FILE) as file:
        file.write(array.getvalue())
    with replacing(folder / DESCRIPTION_FILE) as file:
        file.write((description.model_dump_json(indent=2) + "\n").encode())


def count_contents(
    folder: Path, files: tuple[str, ...], token_bytes: NDArray[Any], document_start: int
) -> Contents:
    """Return the description of shards, from reading every token.

    Args:
        token_bytes: UTF-8 bytes of each token, shape (vocabulary,).

    Raises:
        DataError: a shard is missing or damaged, or a token is outside the vocabulary.
    """
    tokens = size = documents = 0
    digest = hashlib.sha256()
    lengths = token_bytes.astype(np.int64)
    for name in files:
        shard = open_shard(folder / name)
        check_tokens(shard, len(token_bytes))
        for _, chunk in shard.chunks():
            tokens += len(chunk)
            size += int(lengths[chunk].sum())
            documents += int(np.count_nonzero(chunk == document_start))
            digest.update(chunk.data)
    return Contents(files=files, tokens=tokens, bytes=size, documents=documents, sha256=digest.hexdigest())


def _refuse_missing(folder: Path) -> NoReturn:
    if folder.name == "python":
        command = f"paretune data python --folder {folder}"
    elif "fineweb" in folder.name or any(folder.glob("fineweb_*.bin")):
        command = f"paretune data fineweb --shards 1 --folder {folder}"
    else:
        command = f"paretune data text FILE... --tokenizer bytes --folder {folder}"
    if folder.is_dir():
        raise DataError(
            f"{folder}: has no {DESCRIPTION_FILE}, so it is not a data set; make one with `{command}`"
        )
    raise MissingDataError(f"{folder}: there is no data set; make one with `{command}`", command)
