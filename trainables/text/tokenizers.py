"""Tokenizers: one token per byte, one per character, or GPT-2's byte-pair encoding.

Every document begins with a mark, a separate token that no text can contain: it separates independent
documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trainables.text.errors import DataError
from trainables.text.shards import Tokens

Ids = Sequence[int] | NDArray[np.integer[Any]]

TOKENIZERS = ("bytes", "chars", "gpt2")
"""The names of all tokenizers."""

MAX_VOCABULARY = 65_535
"""Most tokens, mark included: tokens are stored in 16 bits."""

REPLACEMENT = "\ufffd"
"""Replaces invalid UTF-8, and tokens outside the vocabulary."""


class Tokenizer(Protocol):
    """Encodes and decodes text."""

    name: str
    vocabulary: int
    """Number of tokens, 0 to ``vocabulary - 1``, mark included."""
    document_start: int
    """The mark that begins every document."""

    def encode(self, text: str) -> Tokens:
        """Return the tokens of a text, of shape (number of tokens,), without the mark of a document.

        Raises:
            DataError: the text cannot be encoded.
        """
        ...

    def decode(self, ids: Ids) -> str:
        """Return the text of tokens. Marks become empty.

        Invalid UTF-8, and each token outside the vocabulary, which a model with a padded one can produce,
        become U+FFFD.
        """
        ...

    def token_bytes(self) -> NDArray[np.uint8]:
        """Return the UTF-8 bytes of each token, shape (vocabulary,); 0 for the mark."""
        ...

    def as_json(self) -> dict[str, Any]:
        """Return plain values from which :func:`tokenizer_from_json` makes the same tokenizer."""
        ...


class BytesTokenizer:
    """One token for each byte of UTF-8. The mark is 0; NUL bytes of a text are dropped."""

    name = "bytes"
    vocabulary = 256
    document_start = 0

    def encode(self, text: str) -> Tokens:
        """Return the bytes of a text; see :class:`Tokenizer`."""
        encoded = np.frombuffer(utf8(text), dtype=np.uint8)
        tokens: Tokens = encoded[encoded != self.document_start].astype(np.uint16)
        return tokens

    def decode(self, ids: Ids) -> str:
        """Return the text of bytes; see :class:`Tokenizer`."""
        pieces = [_PIECES[number] if 0 <= number < 256 else _REPLACEMENT_BYTES for number in map(int, ids)]
        return b"".join(pieces).decode("utf-8", errors="replace")

    def token_bytes(self) -> NDArray[np.uint8]:
        """Return 1 for every token but the mark, of shape (256,)."""
        lengths = np.ones(self.vocabulary, dtype=np.uint8)
        lengths[self.document_start] = 0
        return lengths

    def as_json(self) -> dict[str, Any]:
        """Return its name; it has no parameters."""
        return {"kind": self.name}


class CharsTokenizer:
    """One token per character of the vocabulary, in order, from 1 on. The mark is 0.

    Raises:
        DataError: ``characters`` are empty, too many, not sorted, or not distinct.
    """

    name = "chars"
    document_start = 0

    def __init__(self, characters: str) -> None:
        if not characters:
            raise DataError("a vocabulary of characters needs at least one; the text is empty")
        if len(characters) >= MAX_VOCABULARY:
            raise DataError(
                f"the text has {len(characters):,} different characters, but a vocabulary of characters "
                f"holds at most {MAX_VOCABULARY - 1:,}; use `--tokenizer bytes` or `gpt2`"
            )
        self.characters = characters
        self.vocabulary = 1 + len(characters)
        self._points = _code_points(characters)
        if np.any(self._points[1:] <= self._points[:-1]):
            raise DataError("the characters of a vocabulary must be sorted and distinct")

    @classmethod
    def of(cls, texts: Iterable[str]) -> CharsTokenizer:
        """Return the tokenizer of all characters that occur in ``texts``."""
        found: set[str] = set()
        for text in texts:
            found.update(text)
        return cls("".join(sorted(found)))

    def encode(self, text: str) -> Tokens:
        """Return one token for each character; see :class:`Tokenizer`."""
        points = _code_points(text)
        places = np.minimum(np.searchsorted(self._points, points), len(self._points) - 1)
        unknown = self._points[places] != points
        if unknown.any():
            index = int(np.argmax(unknown))
            raise DataError(
                f"character {index:,} of the text is {text[index]!a}, which does not occur in the training "
                "text, so there is no token for it; leave it out, or build the data set with `--tokenizer "
                "bytes`"
            )
        tokens: Tokens = (places + 1).astype(np.uint16)
        return tokens

    def decode(self, ids: Ids) -> str:
        """Return the characters; see :class:`Tokenizer`."""
        known = ["", *self.characters]
        return "".join(
            known[number] if 0 <= number < self.vocabulary else REPLACEMENT for number in map(int, ids)
        )

    def token_bytes(self) -> NDArray[np.uint8]:
        """Return the bytes of each character, 1 to 4, of shape (vocabulary,)."""
        lengths = [0, *(len(utf8(character)) for character in self.characters)]
        return np.array(lengths, dtype=np.uint8)

    def as_json(self) -> dict[str, Any]:
        """Return its name and its characters."""
        return {"kind": self.name, "characters": self.characters}


def make_tokenizer(kind: str, texts: Iterable[str], *, download: bool = False) -> Tokenizer:
    """Return the tokenizer of a name for a collection of texts.

    Args:
        kind: one of ``TOKENIZERS``.
        texts: the complete text; used only by a vocabulary of characters.
        download: download GPT-2's vocabulary if it is not on this machine.

    Raises:
        DataError: there is no such tokenizer, or its files are missing.
    """
    if kind == "chars":
        return CharsTokenizer.of(texts)
    return tokenizer_from_json({"kind": kind}, download=download)


def tokenizer_from_json(content: object, *, download: bool = False) -> Tokenizer:
    """Return the tokenizer that ``as_json`` described.

    Raises:
        DataError: the description is invalid, or the tokenizer's files are missing.
    """
    if not isinstance(content, Mapping):
        raise DataError(f"a tokenizer is described by a mapping with `kind`, but this is {content!r}")
    kind = content.get("kind")
    expected = {"kind", "characters"} if kind == "chars" else {"kind"}
    if kind not in TOKENIZERS:
        raise DataError(f"there is no tokenizer {kind!r}; there are {', '.join(TOKENIZERS)}")
    if set(content) != expected:
        raise DataError(f"a tokenizer {kind!r} is described by {sorted(expected)}, not by {sorted(content)}")
    if kind == "gpt2":
        from trainables.text.gpt2 import Gpt2Tokenizer

        return Gpt2Tokenizer(download=download)
    if kind == "bytes":
        return BytesTokenizer()
    if not isinstance(content["characters"], str):
        raise DataError(f"`characters` must be a text, but is {type(content['characters']).__name__}")
    return CharsTokenizer(content["characters"])


def utf8(text: str) -> bytes:
    """Return a text in UTF-8.

    Raises:
        DataError: it has a lone half of a surrogate pair.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"character {error.start:,} of the text, {text[error.start]!a}, is half of a surrogate "
            "pair, which UTF-8 cannot encode; remove it"
        ) from error


_PIECES = [b"", *(bytes([value]) for value in range(1, 256))]
_REPLACEMENT_BYTES = REPLACEMENT.encode()


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
