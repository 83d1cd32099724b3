"""Where the cache is, and what is said where there is no place for one."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from trainables.cache import NoCacheError, cache_folder


@pytest.fixture(autouse=True)
def _no_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PARETUNE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_own_folder_goes_before_the_system_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("kernels") == tmp_path / ".cache" / "paretune" / "kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder("kernels") == tmp_path / "xdg" / "paretune" / "kernels"
    monkeypatch.setenv("PARETUNE_CACHE", "~/own")
    assert cache_folder("kernels") == tmp_path / "own"


def test_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(NoCacheError, match=r"no place for kernels: .*home.* or set PARETUNE_CACHE"):
        cache_folder("kernels")
