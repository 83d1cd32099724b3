"""Compiled kernels on disk: whole or not at all, one's own, once for each shape, and bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.native_kernels import compiler, needs_compiler

from trainables.addition.config import AdditionConfig
from trainables.addition.native import cache
from trainables.addition.native.cache import UnsafeCacheError, cache_folder, cached_libraries, library_for
from trainables.addition.native.compiler import Compiler, CompilerError
from trainables.addition.native.kernel_shape import shape_header

pytestmark = needs_compiler


def header(**values: object) -> str:
    return shape_header(AdditionConfig.model_validate({"digits": 1, "d_model": 4, "d_ff": 4, **values}))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "kernels"
    monkeypatch.setenv("PARETUNE_CACHE", str(place))
    return place


@pytest.fixture
def counting(tmp_path: Path) -> Compiler:
    """A compiler that writes a line for every library that it compiles."""
    script = tmp_path / "counting"
    real = compiler()
    script.write_text(f'#!/bin/sh\necho once >> {tmp_path}/log\nexec {real.path} "$@"\n')
    script.chmod(0o755)
    return Compiler(str(script), real.version)


def times_compiled(tmp_path: Path) -> int:
    log = tmp_path / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_shape_is_compiled_once(folder: Path, counting: Compiler, tmp_path: Path) -> None:
    first = library_for(header(), counting)
    assert library_for(header(), counting) == first
    assert times_compiled(tmp_path) == 1
    assert [path.name for path in folder.iterdir()] == [first.name], "nothing else is left behind"


def test_what_does_not_change_the_kernel_shares_it(folder: Path, counting: Compiler) -> None:
    one = library_for(header(lr=0.1, batch=8, tied_embeddings=True, qkv_rank=2), counting)
    other = library_for(header(lr=0.2, batch=16, tied_embeddings=False, n_heads=1), counting)
    assert one == other


def test_whatever_changes_the_kernel_is_another_library(
    folder: Path, counting: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        library_for(header(), counting),
        library_for(header(d_ff=5), counting),
        library_for(header(), counting, scalar="double"),
        library_for(header(), Compiler(counting.path, "another version")),
        library_for(header(), Compiler(counting.path, counting.version, _other_processor())),
    }
    monkeypatch.setattr(cache, "processor_description", lambda: "another processor")
    found.add(library_for(header(), counting))
    monkeypatch.undo()
    monkeypatch.setenv("PARETUNE_CACHE", str(folder))
    monkeypatch.setattr(cache, "FLAGS", (*cache.FLAGS, "-g"))
    found.add(library_for(header(), counting))
    assert len(found) == 7


def _other_processor() -> str:
    import platform

    return {"x86_64": "x86-64", "aarch64": "armv8-a", "arm64": "armv8-a"}[platform.machine()]


def test_folder_and_libraries_are_their_users_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        library = library_for(header(), compiler())
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(library) == 0o700


def test_what_belongs_to_someone_else_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library_for(header(), compiler())
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(UnsafeCacheError, match=f"{folder} belongs to another user, so it is not loaded"):
        library_for(header(), compiler())


def test_a_library_of_someone_else_in_ones_own_folder_is_not_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = library_for(header(), compiler())
    own = os.getuid()
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        status = real(path)
        if path != library:
            return status
        return os.stat_result([*status[:4], own + 1, *status[5:]])

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(UnsafeCacheError, match=f"{library.name} belongs to another user"):
        library_for(header(), compiler())


@pytest.mark.parametrize("who", ["folder", "library"])
def test_what_others_can_write_is_not_loaded(who: str, folder: Path) -> None:
    library = library_for(header(), compiler())
    path = folder if who == "folder" else library
    path.chmod(0o722)
    with pytest.raises(UnsafeCacheError, match="can be changed by other users") as raised:
        library_for(header(), compiler())
    assert f"chmod go-w {path}" in str(raised.value)
    path.chmod(0o700)
    assert library_for(header(), compiler()) == library


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    library = library_for(header(), compiler())
    elsewhere = tmp_path / "elsewhere.so"
    library.rename(elsewhere)
    library.symlink_to(elsewhere)
    with pytest.raises(UnsafeCacheError):
        library_for(header(), compiler())


def test_a_folder_that_cannot_be_is_said_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "file" / "kernels"))
    with pytest.raises(CompilerError, match="set PARETUNE_CACHE to another one"):
        library_for(header(), compiler())


def test_the_folder_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARETUNE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/paretune/kernels")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/paretune/kernels"


BUILD = (
    "import sys; from test_native_cache import *;print(library_for(header(), Compiler(sys.argv[1], 'one')))"
)


def start_build(path: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, path], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def test_trials_that_start_together_compile_once(folder: Path, counting: Compiler, tmp_path: Path) -> None:
    processes = [start_build(counting.path) for _ in range(4)]
    said = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert said == {str(path) for path in cached_libraries()}
    assert times_compiled(tmp_path) == 1
    assert len(list(folder.iterdir())) == 1


def test_a_killed_compilation_leaves_no_library_and_nobody_waiting(
    folder: Path, tmp_path: Path, counting: Compiler
) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nsleep 60\n")
    slow.chmod(0o755)
    process = start_build(str(slow))
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(cached_libraries()) == []
    # The same key: the lock of the killed process must be free.
    slow.write_text(f'#!/bin/sh\nexec {counting.path} "$@"\n')
    library = library_for(header(), Compiler(str(slow), "one"))
    assert library.exists()


def test_leftovers_of_killed_compilations_are_removed(folder: Path) -> None:
    library_for(header(), compiler())
    old = folder / "build-abandoned"
    old.mkdir()
    (old / "kernel.cpp").write_text("half")
    os.utime(old, (0, 0))
    fresh = folder / "build-of-another-process"
    fresh.mkdir()
    library_for(header(d_ff=7), compiler())
    assert not old.exists()
    assert fresh.exists(), "somebody may be compiling there"


def test_what_was_not_used_for_longest_goes_when_there_is_too_much(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = [library_for(header(d_ff=width), compiler()) for width in (1, 2, 3)]
    for age, library in zip((300, 200, 100), libraries, strict=True):
        os.utime(library, (time.time() - age, time.time() - age))
    library_for(header(d_ff=1), compiler())  # used again just now
    sizes = [library.stat().st_size for library in libraries]
    monkeypatch.setattr(cache, "MAX_BYTES", sum(sizes) + 1000)
    newest = library_for(header(d_ff=4), compiler())
    left = cached_libraries()
    assert libraries[1] not in left
    assert {libraries[0], newest} <= set(left)
    assert sum(path.stat().st_size for path in left) <= cache.MAX_BYTES
