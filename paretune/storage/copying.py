"""A search's rows, copied to its storage now and then, and at the end; and checkpoints that nobody needs."""

from __future__ import annotations

import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.files.layout import RAY_FOLDER, REPORTS_FILE, TRIALS_FILE
from paretune.errors import InputError
from paretune.storage.places import Place, StorageError

STORAGE_FILE = "storage.json"
"""In a search's folder: where its storage is, and which search the storage holds."""
OWNER_FILE = "owner.json"
"""In the storage: which search it holds, and who works on it."""

_EVERY_S = 60.0
_MOST_OF_THE_TIME = 0.05
"""A copy is made so seldom that it takes at most this share of the time."""
_SILENT_FOR_S = 300.0
"""A session that has not copied for so long, on another machine, is taken to be over."""


class Storage:
    """The storage of one search, as its driver uses it.

    The rows stay in the search's folder; what is here of them is a copy, at most a minute old. A checkpoint
    that another has replaced is removed once the copy names the other, so a copy never names one that is
    gone.

    Args:
        folder: of the search.
        place: its folder in the storage.
        search_id: of the search that the storage holds.
        says: told in words when rows cannot be copied.
    """

    def __init__(
        self, folder: Path, place: Place, search_id: str, says: Callable[[str], None] = lambda words: None
    ) -> None:
        self._folder = folder
        self._id = search_id
        self._says = says
        self._replaced: list[Place] = []
        self._copied: dict[str, tuple[int, int]] = {}
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False
        self.place = place
        """The search's folder there."""

    @classmethod
    def open(cls, folder: Path, says: Callable[[str], None] = lambda words: None) -> Storage | None:
        """Open the storage that a search has, see :func:`claim`, or make it; None if it has none.

        Raises:
            InputError: it holds another search, or another machine works on it.
            StorageError: it cannot be reached or written.
        """
        remembered = remembered_in(folder)
        if remembered is None:
            return None
        url, own = str(remembered["url"]), str(remembered["id"])
        place = Place.of(url) / folder.name
        owner = owner_of(place)
        if owner is not None and owner["id"] != own:
            raise InputError(
                f"{place.url} holds another search of this name; begin this one with another --name, or "
                "resume that one where there is no results folder of this name: "
                f"paretune resume {folder.name} --storage {url}"
            )
        require_free(owner, place)
        found = cls(folder, place, own, says)
        found.sign(is_over=False)
        return found

    def sign(self, *, is_over: bool) -> None:
        """Write down that this process works on the search, or does no more.

        Raises:
            StorageError: it cannot be written.
        """
        signed = {"id": self._id, "host": platform.node(), "pid": os.getpid(), "at": _now(), "over": is_over}
        self.place.write(OWNER_FILE, json.dumps(signed).encode())

    # Checkpoints

    @property
    def ray(self) -> Place:
        """Where Ray keeps checkpoints."""
        return self.place / RAY_FOLDER

    def local(self, path: str) -> str:
        """Return the path in the search's folder of a checkpoint of the storage: rows name it by that."""
        return str(self._folder / path.removeprefix(f"{self.place.path}/"))

    def place_of(self, path: str) -> Place:
        """Return where a checkpoint is in the storage that has this path in the search's folder."""
        return self.place / str(Path(path).relative_to(self._folder))

    def replaced(self, path: str) -> None:
        """Take note that a checkpoint, by its path in the storage, is needed no more once rows are copied."""
        self._replaced.append(self.place / path.removeprefix(f"{self.place.path}/"))

    def upload(self, checkpoints: Iterable[str]) -> None:
        """Copy checkpoints of the search's folder that are not in the storage: it began without one.

        Raises:
            StorageError: they cannot be written.
        """
        for path in map(Path, checkpoints):
            there = self.place / str(path.relative_to(self._folder))
            if path.is_dir() and not there.files():
                there.upload(path)

    # Rows

    @contextmanager
    def copied(self) -> Iterator[None]:
        """Copy rows now and then while the block runs, and at its end."""
        self._start()
        try:
            yield
        finally:
            self.close()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._keep_copying, name="paretune-storage", daemon=True)
        self._thread.start()

    def copy(self) -> None:
        """Copy what has changed since the last copy, and remove checkpoints that were replaced before it.

        Raises:
            StorageError: it cannot be written.
        """
        replaced, self._replaced = self._replaced, []
        try:
            # Rows of trials are read before reports and written after them. So in a copy that is cut off no
            # trial has a checkpoint that is ahead of its reports.
            names = sorted(_files_in(self._folder), key=lambda name: (name == REPORTS_FILE, name))
            contents = {name: content for name in names if (content := self._changed(name)) is not None}
            for name in sorted(contents, key=lambda name: (name == TRIALS_FILE, name)):
                self.place.write(name, contents[name])
                self._copied[name] = _stamp(self._folder / name, len(contents[name]))
            self.sign(is_over=False)
        except StorageError:
            self._replaced = replaced + self._replaced
            raise
        for place in replaced:
            with suppress(StorageError):  # it takes room, and does no harm
                place.remove()

    def close(self) -> None:
        """Make the last copy. Where that fails it is told: the rows themselves are in the folder."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
        self._try_to_copy()
        with suppress(StorageError):
            self.sign(is_over=True)

    def _keep_copying(self) -> None:
        wait = _EVERY_S
        while not self._is_over.wait(wait):
            began = time.monotonic()
            self._try_to_copy()
            wait = max(_EVERY_S, (time.monotonic() - began) / _MOST_OF_THE_TIME)

    def _try_to_copy(self) -> None:
        try:
            self.copy()
            self._failed = False
        except (StorageError, OSError) as error:
            if not self._failed:
                self._says(f"The rows could not be copied: {error}. They are whole in {self._folder}.")
            self._failed = True

    def _changed(self, name: str) -> bytes | None:
        """Return a file's content if it has changed; of rows, only whole lines."""
        path = self._folder / name
        try:
            size = path.stat().st_size
            if self._copied.get(name) == _stamp(path, size):
                return None
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        return content[: content.rfind(b"\n") + 1] if name.endswith(".jsonl") else content


def remembered_in(folder: Path) -> dict[str, Any] | None:
    """Return the ``url`` and the ``id`` of a search's storage; None if it has none.

    Raises:
        InputError: what is written down is damaged.
    """
    return _url_and_id(_read(folder / STORAGE_FILE), f"{folder / STORAGE_FILE}", ("url", "id"))


def claim(folder: Path, url: str) -> None:
    """Give a search a storage: below a URL, a folder of the search's name. It is made when it is opened.

    Raises:
        InputError: it has another one already.
    """
    remembered = remembered_in(folder)
    if remembered is None:
        remember(folder, url, secrets.token_hex(8))
    elif remembered["url"] != url:
        raise InputError(
            f"the checkpoints of {folder.name} are in {remembered['url']}; name that with --storage, or "
            "leave it out"
        )


def remember(folder: Path, url: str, search_id: str) -> None:
    """Write down where a search's storage is."""
    path = folder / STORAGE_FILE
    half = path.with_suffix(".half")
    half.write_text(json.dumps({"url": url, "id": search_id}) + "\n")
    half.replace(path)


def owner_of(place: Place) -> dict[str, Any] | None:
    """Return who works on the search in a place; None if there is no search.

    Raises:
        InputError: what is written down is damaged.
        StorageError: the storage does not answer.
    """
    keys = ("id", "host", "pid", "at", "over")
    return _url_and_id(place.read(OWNER_FILE), f"{OWNER_FILE} in {place.url}", keys)


def require_free(owner: dict[str, Any] | None, place: Place) -> None:
    """Check that no other machine works on a search.

    Raises:
        InputError: one does, or did a few minutes ago and has not said that it is over.
    """
    if owner is None or owner["over"] or owner["host"] == platform.node():
        return  # on this machine the folder's lock tells
    silent_for = (datetime.now(UTC) - datetime.fromisoformat(owner["at"])).total_seconds()
    if silent_for < _SILENT_FOR_S:
        raise InputError(
            f"{owner['host']} works on the search in {place.url}, or did {max(silent_for, 0):.0f} s ago; if "
            f"it is gone for good, try again in {_SILENT_FOR_S - silent_for:.0f} s"
        )


def _url_and_id(content: bytes | None, where: str, keys: Iterable[str]) -> dict[str, Any] | None:
    if content is None:
        return None
    try:
        known = json.loads(content)
        if not all(name in known for name in keys):
            raise ValueError("keys are missing")
        if "at" in known:
            datetime.fromisoformat(known["at"])
        return dict(known)
    except (ValueError, TypeError) as error:
        raise InputError(f"{where} is damaged ({error}); remove it if the search is yours") from None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def is_copied(name: str) -> bool:
    """Tell whether a file of this name is of a search's copy: at the folder's top, not hidden, no picture."""
    plain = "/" not in name and "\\" not in name and not name.startswith(".")
    return plain and name.endswith((".json", ".jsonl", ".yaml")) and name not in (STORAGE_FILE, OWNER_FILE)


def _files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if is_copied(path.name) and path.is_file()]


def _stamp(path: Path, size: int) -> tuple[int, int]:
    """Return what changes when a file does; rows are appended, so that their time alone would do too."""
    try:
        return path.stat().st_mtime_ns if path.suffix != ".jsonl" else 0, size
    except FileNotFoundError:
        return 0, size


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
