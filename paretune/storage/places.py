"""A folder on a file system that many machines reach: S3, Google's storage, or a shared folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from paretune.errors import Error, InputError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

SCHEMES = ("s3", "gs", "file")
_EXAMPLE = "such as s3://BUCKET/FOLDER, gs://BUCKET/FOLDER, or the path of a folder that all machines share"


class StorageError(Error, OSError):
    """A storage that cannot be reached, read or written; the message says which, and why."""


@dataclass(frozen=True)
class Place:
    """A folder of a storage.

    >>> place = Place.of("/tmp") / "a-search" / "ray"
    >>> place.path
    '/tmp/a-search/ray'
    """

    url: str
    """Where it is, as it can be given on a command line."""
    filesystem: FileSystem
    """Arrow's file system; it can be pickled, and finds its credentials anew on each machine."""
    path: str
    """Its path there."""

    @classmethod
    def of(cls, url: str) -> Place:
        """Return the place at a URL, or at the absolute path of a folder.

        Raises:
            InputError: it is none that can be reached.
        """
        from pyarrow import fs

        parts = urlsplit(url)
        if not parts.scheme:
            if not Path(url).is_absolute():
                raise InputError(f"storage {url} is neither a URL nor an absolute path; name one, {_EXAMPLE}")
            return cls(url.rstrip("/") or "/", fs.LocalFileSystem(), url.rstrip("/") or "/")
        if parts.scheme not in SCHEMES:
            raise InputError(f"storage {url} is of no kind that is known; name one, {_EXAMPLE}")
        if "@" in parts.netloc:
            raise InputError(
                "the storage's URL holds a password, which would be written down with the search; keep it "
                "where the provider's tools look for it, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if parts.scheme != "file" and not parts.netloc:
            raise InputError(f"storage {url} names no bucket; name one, {_EXAMPLE}")
        try:
            filesystem, path = fs.FileSystem.from_uri(url)
        except (OSError, ValueError, NotImplementedError) as error:
            raise InputError(f"storage {url} cannot be used: {_first_line(error)}") from error
        return cls(url, filesystem, path.rstrip("/"))

    def __truediv__(self, name: str) -> Place:
        head, mark, query = self.url.partition("?")
        return Place(f"{head.rstrip('/')}/{name}{mark}{query}", self.filesystem, f"{self.path}/{name}")

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is none.

        Raises:
            StorageError: the storage does not answer.
        """
        with self._reaching("read"):
            try:
                with self.filesystem.open_input_file(f"{self.path}/{name}") as file:
                    return bytes(file.read())
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file as a whole, in place of one that is there.

        Raises:
            StorageError: it cannot be written.
        """
        with self._reaching("written"):
            path = f"{self.path}/{name}"
            # On storages without folders it makes none; the bucket itself is never made.
            self.filesystem.create_dir(path.rpartition("/")[0], recursive=True)
            with self.filesystem.open_output_stream(path) as file:
                file.write(content)

    def files(self, *, recursive: bool = False) -> list[str]:
        """Return the names of the files in it, relative to it; none if there is no such folder.

        Raises:
            StorageError: the storage does not answer.
        """
        from pyarrow import fs

        with self._reaching("read"):
            selector = fs.FileSelector(self.path, allow_not_found=True, recursive=recursive)
            infos = self.filesystem.get_file_info(selector)
        found = [str(info.path) for info in infos if info.type == fs.FileType.File]
        return sorted(path.removeprefix(f"{self.path}/") for path in found)

    def remove(self) -> None:
        """Remove it with all that is in it; one that is not there is no matter.

        Raises:
            StorageError: it cannot be removed.
        """
        with self._reaching("written"), suppress(FileNotFoundError):
            self.filesystem.delete_dir(self.path)

    def remove_file(self, name: str) -> None:
        """Remove a file in it; one that is not there is no matter.

        Raises:
            StorageError: it cannot be removed.
        """
        with self._reaching("written"), suppress(FileNotFoundError):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def upload(self, folder: Path) -> None:
        """Copy the files of a folder into it.

        Raises:
            StorageError: they cannot be written.
        """
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.write(str(path.relative_to(folder)), path.read_bytes())

    def download(self, folder: Path) -> None:
        """Copy the files in it into a folder, which is made.

        Raises:
            StorageError: they cannot be read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.files():
            content = self.read(name)
            if content is not None:
                (folder / name).write_bytes(content)

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.url} cannot be {what}: {_first_line(error)}") from error

    def __reduce__(self) -> Any:
        return Place.of, (self.url,)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
