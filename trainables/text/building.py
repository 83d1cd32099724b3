"""Building a data set from documents: split, encode, write, and rename into place when complete."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainables.text.dataset import (
    DESCRIPTION_FILE,
    Contents,
    Dataset,
    Description,
    Split,
    count_contents,
    open_dataset,
    write_description,
)
from trainables.text.errors import DataError
from trainables.text.placing import placed
from trainables.text.shards import Tokens, write_shard
from trainables.text.tokenizers import Tokenizer, utf8

SHARD_TOKENS = 100_000_000
"""Tokens of a shard, as in the GPT-2 speedruns: 200 MB."""

Progress = Callable[[int, int], None]
"""Called now and then with the amount done and the total."""


@dataclass(frozen=True)
class Document:
    """A text that is independent of those before and after it; ``name`` is for messages."""

    name: str
    text: str


@dataclass(frozen=True)
class DocumentSplit:
    """Which documents are for training and which for validation.

    ``is_cut``: there was only one document, whose end is validation.
    """

    train: Sequence[Document]
    val: Sequence[Document]
    is_cut: bool = False


def build_dataset(
    folder: Path,
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    *,
    source: str,
    val_share: float = 0.1,
    shard_tokens: int = SHARD_TOKENS,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Make a data set and return it. All of its text is in memory during that.

    It is built beside ``folder`` and renamed when complete; an error or Ctrl-C leaves nothing behind, and an
    existing data set unchanged.

    Args:
        folder: its path; the last part is the data set's name.
        documents: in the order in which they are written. Those without text are left out.
        tokenizer: encodes them. Before each comes the tokenizer's mark.
        source: the origin of the text, in words.
        val_share: share of the text's bytes for validation, more than 0 and less than 1.
        shard_tokens: most tokens in a shard.
        overwrite: whether an existing data set may be replaced.
        progress: called with the bytes of text done and their total.

    Raises:
        DataError: there is no text, it cannot be encoded, or ``folder`` is taken.
    """
    check_free(folder, overwrite=overwrite)
    split = split_documents(documents, val_share)
    total = sum(len(utf8(document.text)) for document in (*split.train, *split.val))
    source += "; one document, whose end is validation" if split.is_cut else ""
    with placed(folder, replace=overwrite) as partial:
        writer = _Writer(partial, tokenizer, shard_tokens, progress, total)
        train = writer.write("train", split.train, first_number=1)
        val = writer.write("val", split.val, first_number=0)
        description = Description(
            name=folder.resolve().name,
            source=source,
            tokenizer=tokenizer.as_json(),
            vocabulary=tokenizer.vocabulary,
            document_start=tokenizer.document_start,
            train=train,
            val=val,
        )
        write_description(partial, description, tokenizer.token_bytes())
    return open_dataset(folder)


def split_documents(documents: Iterable[Document], val_share: float) -> DocumentSplit:
    """Divide documents into training and validation, depending only on their texts; their order is kept.

    In the order of the sha256 of their texts, documents go to validation until it has ``val_share`` of the
    bytes. One that is larger than the share stays in training, unless all are, and equal texts stay
    together. Of a single text, the last ``val_share`` becomes validation.

    Raises:
        DataError: there is no text, or the share is not between 0 and 1.
    """
    if not 0 < val_share < 1:
        raise DataError(f"the share of validation must be more than 0 and less than 1, but is {val_share}")
    given = list(documents)
    kept = [document for document in given if document.text.strip()]
    if not kept:
        place = f"{given[0].name}: " if given else ""
        others = " or in any other" if len(given) > 1 else ""
        raise DataError(f"{place}there is no text in it{others}; name files with text")
    texts = {hashlib.sha256(utf8(document.text)).digest(): document.text for document in kept}
    if len(texts) == 1:
        return _cut(kept, val_share)
    sizes = {key: len(utf8(text)) for key, text in texts.items()}
    share = val_share * sum(len(utf8(document.text)) for document in kept)
    chosen: set[bytes] = set()
    for key in sorted(key for key, size in sizes.items() if size <= share):
        if sum(sizes[other] for other in chosen) >= share or len(chosen) == len(sizes) - 1:
            break
        chosen.add(key)
    if not chosen:
        chosen.add(min(sizes, key=lambda key: (sizes[key], key)))
    sides: dict[bool, list[Document]] = {False: [], True: []}
    for document in kept:
        sides[hashlib.sha256(utf8(document.text)).digest() in chosen].append(document)
    return DocumentSplit(sides[False], sides[True])


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Make sure that a data set may be put into ``folder``.

    Raises:
        DataError: it holds something else than a data set, or one that may not be replaced.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / DESCRIPTION_FILE).is_file():
        raise DataError(
            f"{folder}: exists and is not a data set, so nothing is written to it; choose another "
            "folder with --folder, or remove it"
        )
    if not overwrite:
        raise DataError(
            f"{folder}: is already a data set; replace it with --overwrite, or choose another folder with "
            "--folder"
        )


class _Writer:
    """Encodes documents and writes them as shards."""

    def __init__(
        self, folder: Path, tokenizer: Tokenizer, shard_tokens: int, progress: Progress | None, total: int
    ) -> None:
        assert shard_tokens >= 1
        self._folder = folder
        self._tokenizer = tokenizer
        self._shard_tokens = shard_tokens
        self._progress = progress
        self._done, self._total = 0, total

    def write(self, split: Split, documents: Sequence[Document], *, first_number: int) -> Contents:
        """Write the shards of one split and return its description."""
        files: list[str] = []
        waiting: list[Tokens] = []

        def write_first(count: int) -> None:
            """Write the first ``count`` of the waiting tokens."""
            joined = np.concatenate(waiting)
            files.append(f"{split}_{first_number + len(files):06d}.bin")
            write_shard(self._folder / files[-1], joined[:count])
            waiting[:] = [joined[count:]]

        held = 0
        mark = np.array([self._tokenizer.document_start], dtype=np.uint16)
        for document in documents:
            encoded = self._encode(document)
            waiting += [mark, encoded]
            held += 1 + len(encoded)
            while held >= self._shard_tokens:
                write_first(self._shard_tokens)
                held -= self._shard_tokens
            self._done += len(utf8(document.text))
            if self._progress is not None:
                self._progress(self._done, self._total)
        if held:
            write_first(held)
        tokenizer = self._tokenizer
        return count_contents(self._folder, tuple(files), tokenizer.token_bytes(), tokenizer.document_start)

    def _encode(self, document: Document) -> Tokens:
        try:
            return self._tokenizer.encode(document.text)
        except DataError as error:
            raise DataError(f"{document.name}: {error}") from error


def _cut(documents: Sequence[Document], val_share: float) -> DocumentSplit:
    """Use the end of a text for validation; copies of it are cut at the same place."""
    text = documents[0].text
    if len(text) < 2:
        raise DataError(f"{documents[0].name}: one character is not enough text to train and to validate on")
    place = min(max(1, round(len(text) * (1 - val_share))), len(text) - 1)
    train = [Document(document.name, text[:place]) for document in documents]
    return DocumentSplit(
        train, [Document(document.name, text[place:]) for document in documents], is_cut=True
    )
