"""GPT-2's tokenizer. Its vocabulary is two files in tiktoken's cache, downloaded only on request."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.text.errors import DataError
from trainables.text.shards import Tokens
from trainables.text.tokenizers import REPLACEMENT, Ids, utf8

_HOST = "openaipublic.blob.core.windows.net"
_FILES = {
    f"https://{_HOST}/gpt-2/encodings/main/vocab.bpe": (
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
    ),
    f"https://{_HOST}/gpt-2/encodings/main/encoder.json": (
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"
    ),
}
"""Where tiktoken downloads the vocabulary, and the sha256 of each file."""

DOWNLOAD_SIZE = "1.5 MB"
"""Size of both files together."""


class Gpt2Tokenizer:
    """GPT-2's 50,257 tokens. The mark is 50256; ``<|endoftext|>`` in a text is ordinary text.

    Args:
        download: download the vocabulary if it is not on this machine.

    Raises:
        DataError: the vocabulary is not on this machine, or downloading it failed.
    """

    name = "gpt2"
    vocabulary = 50_257
    document_start = 50_256

    def __init__(self, *, download: bool = False) -> None:
        missing = missing_vocabulary()
        if missing and not download:
            raise DataError(
                f"GPT-2's vocabulary is not on this machine: {_cache_in_words()} has no whole "
                f"{' and no whole '.join(missing)}, and nothing is fetched from the network by itself; do "
                f"that once with `paretune data text ... --download-vocabulary` ({DOWNLOAD_SIZE}), or set "
                "TIKTOKEN_CACHE_DIR to a folder that has it"
            )
        import tiktoken

        try:
            self._encoding = tiktoken.get_encoding("gpt2")
        # An invalid file raises ValueError, every other failure OSError.
        except (OSError, ValueError) as error:
            raise DataError(
                f"GPT-2's vocabulary could not be fetched from {_HOST}: "
                f"{_in_plain_words(error)}; try again when there is a network, or copy tiktoken's cache from "
                "another machine and set TIKTOKEN_CACHE_DIR to it"
            ) from error
        assert self._encoding.n_vocab == self.vocabulary

    def encode(self, text: str) -> Tokens:
        """Return the tokens; see :class:`trainables.text.tokenizers.Tokenizer`."""
        utf8(text)  # tiktoken would silently replace invalid text
        return np.array(self._encoding.encode_ordinary(text), dtype=np.uint16)

    def decode(self, ids: Ids) -> str:
        """Return the text; see :class:`trainables.text.tokenizers.Tokenizer`."""
        pieces = []
        for number in map(int, ids):
            if 0 <= number < self.document_start:
                pieces.append(self._encoding.decode_single_token_bytes(number))
            elif number != self.document_start:
                pieces.append(REPLACEMENT.encode())
        return b"".join(pieces).decode("utf-8", errors="replace")

    def token_bytes(self) -> NDArray[np.uint8]:
        """Return the number of bytes of each token, shape (50257,); the longest has 128."""
        lengths = np.zeros(self.vocabulary, dtype=np.uint8)
        for number in range(self.document_start):
            lengths[number] = len(self._encoding.decode_single_token_bytes(number))
        return lengths

    def as_json(self) -> dict[str, Any]:
        """Return its name; it has no parameters."""
        return {"kind": self.name}


def missing_vocabulary() -> list[str]:
    """Return the names of the vocabulary's files that are missing or damaged in tiktoken's cache."""
    folder = vocabulary_cache()
    if folder is None:
        return [address.rpartition("/")[2] for address in _FILES]
    return [
        f"{name} ({address.rpartition('/')[2]})"
        for address, known in _FILES.items()
        if _sha256(folder / (name := hashlib.sha1(address.encode()).hexdigest())) != known
    ]


def vocabulary_cache() -> Path | None:
    """Return tiktoken's cache folder; None if its cache is switched off."""
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if name in os.environ:
            return Path(os.environ[name]) if os.environ[name] else None
    return Path(tempfile.gettempdir()) / "data-gym-cache"


def _cache_in_words() -> str:
    folder = vocabulary_cache()
    return "TIKTOKEN_CACHE_DIR is empty, so that tiktoken" if folder is None else str(folder)


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _in_plain_words(error: Exception) -> str:
    import requests

    if isinstance(error, requests.exceptions.HTTPError | ValueError):
        return str(error)
    if isinstance(error, requests.exceptions.RequestException):
        return "there is no connection to it"
    return str(error)
