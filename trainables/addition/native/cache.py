"""Compiled kernels on disk, so that each shape is compiled once on a machine.

The folder is ``$PARETUNE_CACHE``, or ``paretune/kernels`` in the user's cache folder. A library is code that
will run, so folder and files belong to their user alone, and nothing owned by anyone else is loaded.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from trainables.addition.native.compiler import (
    FLAGS,
    KERNEL,
    TIMEOUT_SECONDS,
    Compiler,
    CompilerError,
    processor_description,
)
from trainables.cache import NoCacheError
from trainables.cache import cache_folder as general_cache_folder

MAX_BYTES = 64 * 1024 * 1024
"""Total size of all libraries; beyond it the least recently used are removed."""


_BUILD_PREFIX = "build-"


class UnsafeCacheError(CompilerError):
    """The cache belongs to someone else, or others can write to it."""


def cache_folder() -> Path:
    """Return the folder of compiled kernels, which may not exist yet."""
    try:
        return general_cache_folder("kernels")
    except NoCacheError as error:
        raise CompilerError(str(error)) from error


def library_for(shape_header: str, compiler: Compiler, *, scalar: str = "float") -> Path:
    """Return the kernel's shared library for a shape, compiled on first use.

    Args:
        shape_header: the text of ``shape.hpp``.
        compiler: compiles it on first use.
        scalar: ``float`` or ``double``.

    Raises:
        CompilerError: it could not be compiled, stored, or trusted.
    """
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = folder.resolve()
        _check_owned(folder)
        library = folder / f"{_key(shape_header, compiler, scalar)}.so"
        if not library.exists():
            # Several trials of one shape begin at the same time: one compiles, the others wait for it.
            with _locked(library.with_suffix(".lock")):
                if not library.exists():
                    _build(shape_header, compiler, scalar, library)
                    # Other processes clean up too; a file that is already gone is fine.
                    with suppress(OSError):
                        _tidy(folder, keep=library)
        os.utime(library)
        _check_owned(library)
    except OSError as error:
        raise CompilerError(
            f"the folder of compiled kernels cannot be used: {error}; set PARETUNE_CACHE to another one"
        ) from error
    return library


def missing_library(shape_header: str, compiler: Compiler, *, scalar: str = "float") -> str | None:
    """Return the name of a shape's library if it is not in the cache; None if it is.

    Raises:
        CompilerError: there is no place for a cache.
    """
    name = _key(shape_header, compiler, scalar)
    return None if (cache_folder() / f"{name}.so").exists() else name


def cached_libraries() -> dict[Path, int]:
    """Return the libraries in the cache with their sizes in bytes, the one used longest ago first."""
    found = []
    for path in cache_folder().glob("*.so"):
        # Another process may remove it meanwhile.
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    return {path: size for _, path, size in sorted(found)}


def _key(shape_header: str, compiler: Compiler, scalar: str) -> str:
    processor = processor_description() if compiler.processor == "native" else ""
    parts = [shape_header, scalar, compiler.path, compiler.version, compiler.processor, processor, *FLAGS]
    for source in sorted(KERNEL.glob("*.[ch]pp")):
        parts += [source.name, source.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _build(shape_header: str, compiler: Compiler, scalar: str, library: Path) -> None:
    """Compile next to the library's path and rename, so that the library appears atomically."""
    with tempfile.TemporaryDirectory(prefix=_BUILD_PREFIX, dir=library.parent) as folder:
        sources, built = Path(folder) / "kernel", Path(folder) / library.name
        shutil.copytree(KERNEL, sources)
        (sources / "shape.hpp").write_text(shape_header, encoding="utf-8")
        compiler.compile(sources, built, scalar=scalar)
        built.chmod(0o700)
        built.replace(library)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, whatever happens to it.

    The file goes with the lock; whoever waited for it locks a new one.
    """
    with FileLock(path, mode=0o600):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _check_owned(path: Path) -> None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise UnsafeCacheError(f"{path} is a symbolic link, which is not followed; remove it")
    if status.st_uid != os.getuid():
        raise UnsafeCacheError(
            f"{path} belongs to another user, so it is not loaded; remove it, or set PARETUNE_CACHE to a "
            "folder of your own"
        )
    if status.st_mode & 0o022:
        raise UnsafeCacheError(
            f"{path} can be changed by other users, so it is not loaded; remove it, or chmod go-w {path}"
        )


def _tidy(folder: Path, *, keep: Path) -> None:
    """Remove the remains of killed compilations, and the least recently used libraries beyond the limit."""
    for left in (*folder.glob(f"{_BUILD_PREFIX}*"), *folder.glob("*.lock")):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > 2 * TIMEOUT_SECONDS:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    libraries = cached_libraries()
    total = sum(libraries.values())
    for path, size in libraries.items():
        if total <= MAX_BYTES:
            return
        if path != keep:
            total -= size
            path.unlink(missing_ok=True)
