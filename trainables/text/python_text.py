"""The default data set: text that comes with Python, so that no network is needed.

Sources of the standard library and the topics of ``help()``: plenty of real text on every machine.
"""

from __future__ import annotations

import hashlib
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from trainables.cache import NoCacheError, cache_folder
from trainables.text.building import Document, Progress, build_dataset
from trainables.text.dataset import DESCRIPTION_FILE, Dataset, open_dataset
from trainables.text.errors import DataError
from trainables.text.tokenizers import BytesTokenizer

DEFAULT = "python"
"""The name of the default data set."""

MAX_BYTES = 12_000_000
"""Most bytes of text: enough that a small model cannot memorise it, and built in seconds."""

_LEFT_OUT = frozenset(
    {
        *("site-packages", "dist-packages", "__pycache__"),
        *("test", "tests", "idle_test", "lib2to3"),
        # Mostly tables of character sets.
        "encodings",
        # Its topics are included as text, below.
        "pydoc_data",
    }
)
"""Folders outside the standard library, or with files that are not written by hand."""


def documents() -> list[Document]:
    """Return the texts, in the order of their names, of at most ``MAX_BYTES`` bytes of UTF-8.

    If there is more, documents are taken in the order of the sha256 of their texts.

    Raises:
        DataError: this Python came without sources.
    """
    found = sorted({document.name: document for document in (*_sources(), *_topics())}.items())
    texts = [document for _, document in found if document.text.strip()]
    if len(texts) < 2:
        raise DataError(
            f"this Python has no sources of its standard library in {sysconfig.get_path('stdlib')}; make a "
            "data set of your own with `paretune data text FILE...`"
        )
    kept, size = set(), 0
    for document in sorted(texts, key=lambda document: hashlib.sha256(document.text.encode()).digest()):
        if size + len(document.text.encode()) <= MAX_BYTES:
            size += len(document.text.encode())
            kept.add(document.name)
    return [document for document in texts if document.name in kept]


def build_python_dataset(
    folder: Path, *, overwrite: bool = False, progress: Progress | None = None
) -> Dataset:
    """Build the default data set in a folder; see :func:`trainables.text.building.build_dataset`."""
    source = f"standard library and help topics of Python {platform.python_version()}"
    return build_dataset(
        folder, documents(), BytesTokenizer(), source=source, overwrite=overwrite, progress=progress
    )


def python_dataset(progress: Progress | None = None) -> Path:
    """Return the folder of the default data set in the cache, where it is built on first use.

    Several processes can do so at once: the first to finish puts it in place, and the others use it.

    Raises:
        DataError: there is no cache folder, or its place holds something else.
    """
    try:
        folder = _cached()
    except NoCacheError as error:
        raise DataError(str(error)) from error
    if (folder / DESCRIPTION_FILE).is_file():
        return folder
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        build_python_dataset(folder, progress=progress)
    except (OSError, DataError):
        if not (folder / DESCRIPTION_FILE).is_file():
            raise
    open_dataset(folder)
    return folder


def is_built() -> bool:
    """Return whether the default data set is already in the cache."""
    try:
        return (_cached() / DESCRIPTION_FILE).is_file()
    except NoCacheError:
        return False


def find_dataset(data: str) -> Dataset:
    """Return the data set that ``data`` names: ``python``, the default one, or a folder.

    Raises:
        DataError: there is none, and what makes it.
    """
    return open_dataset(python_dataset() if data == DEFAULT else Path(data))


def _cached() -> Path:
    return cache_folder("datasets") / f"python-{platform.python_version()}"


def _sources() -> Iterator[Document]:
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        # _sysconfigdata... describes how this Python was compiled, which differs between machines.
        if _LEFT_OUT.intersection(parts) or path.name.startswith("_sysconfigdata"):
            continue
        try:
            yield Document("/".join(parts), path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, OSError):
            continue


def _topics() -> Iterator[Document]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return
    for name, text in topics.items():
        yield Document(f"topics/{name}", text)
