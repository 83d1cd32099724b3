"""Places on a storage, and a search's copy there: on a local S3 server, and on a plain folder."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.s3 import s3_server

from paretune.errors import InputError
from paretune.storage.copying import OWNER_FILE, Storage, claim, remembered_in
from paretune.storage.fetching import fetch
from paretune.storage.places import Place, StorageError


@pytest.fixture(params=["s3", "folder"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the storage is: the same must hold on either kind."""
    if request.param == "folder":
        yield str(tmp_path / "shared")
        return
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A search's folder with a plan and some rows."""
    folder = tmp_path / "here" / "adders"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text('{"a": "plan"}\n')
    (folder / "trials.jsonl").write_text('{"trial": "c000-s0"}\n')
    (folder / "reports.jsonl").write_text('{"step": 1}\n')
    (folder / ".lock").touch()
    return folder


def opened(folder: Path, url: str, says: Callable[[str], None] = print) -> Storage:
    claim(folder, url)
    storage = Storage.open(folder, says)
    assert storage is not None
    return storage


def checkpoint_in(folder: Path, number: int, content: bytes = b"weights") -> Path:
    path = folder / "ray" / "session-1" / "c000-s0" / f"checkpoint_{number:06d}"
    path.mkdir(parents=True)
    (path / "checkpoint.pt").write_bytes(content)
    return path


def test_a_place_is_read_and_written_and_travels_to_other_machines(url: str) -> None:
    place = pickle.loads(pickle.dumps(Place.of(url) / "adders" / "deep"))
    assert place.read("a.json") is None
    assert place.files() == []
    place.write("a.json", b"one")
    place.write("a.json", b"two")
    assert place.read("a.json") == b"two"
    assert place.files() == ["a.json"]
    assert Place.of(url).files(recursive=True) == ["adders/deep/a.json"]
    assert Place.of(url).files() == []
    place.remove_file("a.json")
    place.remove_file("a.json")
    place.remove()
    place.remove()
    assert Place.of(url).files(recursive=True) == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("shared/folder", "neither a URL nor an absolute path; name one, such as s3://BUCKET"),
        ("ftp://host/folder", "of no kind that is known; name one, such as s3://BUCKET"),
        ("s3://key:secret@bucket/folder", "holds a password, which would be written down with the search"),
        ("s3:///folder", "names no bucket"),
        ("s3://bucket/folder?unknown=1", "cannot be used: Unexpected query parameter"),
    ],
)
def test_a_storage_that_is_none_is_refused(url: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        Place.of(url)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_storage_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match=r"file/x cannot be written: .*(File exists|Not a directory)"):
        Place.of(str(tmp_path / "file" / "x")).write("a", b"")
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as url:
        nowhere = Place.of(url.replace("searches", "nowhere"))
        with pytest.raises(
            StorageError, match=r"s3://nowhere\S+ cannot be written: Bucket 'nowhere\S+ not found"
        ):
            nowhere.write("a", b"")


def test_a_search_without_a_storage_has_none(folder: Path) -> None:
    assert Storage.open(folder) is None
    (folder / "storage.json").write_text("{")
    with pytest.raises(InputError, match=r"storage\.json is damaged"):
        Storage.open(folder)


def test_rows_are_copied_and_a_replaced_checkpoint_outlives_the_rows_that_name_it(
    url: str, folder: Path
) -> None:
    storage = opened(folder, url)
    for number in (0, 1):
        (storage.place / f"ray/session-1/c000-s0/checkpoint_{number:06d}").write("checkpoint.pt", b"weights")
    old, new = (f"{storage.ray.path}/session-1/c000-s0/checkpoint_{n:06d}" for n in (0, 1))
    assert storage.local(new) == str(folder / "ray/session-1/c000-s0/checkpoint_000001")
    storage.copy()
    assert storage.place.read("trials.jsonl") == b'{"trial": "c000-s0"}\n'
    storage.replaced(old)
    kept = [name for name in storage.place.files(recursive=True) if name.startswith("ray/")]
    assert len(kept) == 2, "the copy names the old one still"
    with (folder / "trials.jsonl").open("a") as file:
        file.write('{"trial": "c000-s0", "checkpoint": "new"}\n{"trial": "c0')
    storage.close()
    assert storage.place.read("trials.jsonl").endswith(b'"checkpoint": "new"}\n'), "whole lines only"
    assert [name for name in storage.place.files(recursive=True) if name.startswith("ray/")] == [
        "ray/session-1/c000-s0/checkpoint_000001/checkpoint.pt"
    ]
    assert set(storage.place.files()) == {"owner.json", "plan.json", "reports.jsonl", "trials.jsonl"}
    assert json.loads(storage.place.read(OWNER_FILE))["over"] is True


def test_a_copy_that_is_cut_off_has_no_trial_ahead_of_its_reports(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = opened(folder, url)
    storage.copy()
    for name in ("trials.jsonl", "reports.jsonl"):
        with (folder / name).open("a") as file:
            file.write('{"more": true}\n')
    wrote: list[str] = []
    write = Place.write

    def failing(place: Place, name: str, content: bytes) -> None:
        if wrote:
            raise StorageError("the network is gone")
        wrote.append(name)
        write(place, name, content)

    monkeypatch.setattr(Place, "write", failing)
    with pytest.raises(StorageError, match="the network is gone"):
        storage.copy()
    monkeypatch.undo()
    assert wrote == ["reports.jsonl"]
    storage.copy()
    assert storage.place.read("trials.jsonl") == (folder / "trials.jsonl").read_bytes()


def test_a_search_is_fetched_where_it_is_not(url: str, folder: Path, tmp_path: Path) -> None:
    storage = opened(folder, url)
    storage.upload([str(checkpoint_in(folder, 0)), str(folder / "ray" / "gone")])
    storage.close()
    for name in ("..\\plan.json", ".lock", "run.py"):  # whoever else writes there
        storage.place.write(name, b"not ours")
    shutil.rmtree(folder)
    found = fetch(url, "adders", tmp_path / "elsewhere")
    assert sorted(path.name for path in found.iterdir()) == [
        "plan.json",
        "reports.jsonl",
        "storage.json",
        "trials.jsonl",
    ]
    again = opened(found, url)
    there = again.place / "ray/session-1/c000-s0/checkpoint_000000"
    there.download(tmp_path / "weights")
    assert (tmp_path / "weights" / "checkpoint.pt").read_bytes() == b"weights"
    with pytest.raises(InputError, match="is there already; resume it with: paretune resume adders"):
        fetch(url, "adders", tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"there is no search 'subtracters' in .*: .* has no owner\.json"):
        fetch(url, "subtracters", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere" / "subtracters").exists()


def test_two_searches_of_a_name_do_not_mix(url: str, folder: Path, tmp_path: Path) -> None:
    opened(folder, url).close()
    other = tmp_path / "other" / "adders"
    shutil.copytree(folder, other)
    (other / "storage.json").unlink()
    with pytest.raises(InputError, match=r"holds another search of this name; begin this one with another"):
        opened(other, url)
    with pytest.raises(
        InputError, match=r"the checkpoints of adders are in .*; name that with --storage, or"
    ):
        claim(folder, str(tmp_path / "somewhere-else"))
    assert remembered_in(folder)["url"] == url


def test_a_search_that_another_machine_works_on_is_left_alone(url: str, folder: Path, tmp_path: Path) -> None:
    storage = opened(folder, url)
    storage.copy()
    signed = json.loads(storage.place.read(OWNER_FILE))
    storage.place.write(OWNER_FILE, json.dumps({**signed, "host": "far-away"}).encode())
    with pytest.raises(InputError, match=r"far-away works on the search in .*adders.*try again in \d+ s"):
        opened(folder, url)
    with pytest.raises(InputError, match="far-away works on the search"):
        fetch(url, "adders", tmp_path / "elsewhere")
    storage.place.write(OWNER_FILE, json.dumps({**signed, "host": "far-away", "over": True}).encode())
    assert fetch(url, "adders", tmp_path / "elsewhere").is_dir()
    storage.place.write(OWNER_FILE, b"{}")
    with pytest.raises(InputError, match=r"owner\.json in .* is damaged"):
        opened(folder, url)


def test_rows_that_cannot_be_copied_are_told_of_once_and_end_nothing(tmp_path: Path, folder: Path) -> None:
    said: list[str] = []
    storage = opened(folder, str(tmp_path / "shared"), said.append)
    shutil.rmtree(tmp_path / "shared")
    (tmp_path / "shared").write_text("no folder any more")
    storage.close()
    assert len(said) == 1
    assert "The rows could not be copied" in said[0]
    assert f"They are whole in {folder}." in said[0]
