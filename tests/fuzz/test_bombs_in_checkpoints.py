"""Checkpoints that state more than they hold: each is refused at once, and for the right reason."""

from __future__ import annotations

import io
import os
import pickle
import struct
import time
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.mutations import must_be_ours

from paretune.errors import Error
from trainables.checkpoints import load, load_model, save

ROOT = Path(__file__).parents[2]
REAL = ROOT / "results/published/under-777/retrain/c008/seed-0/checkpoint.pt"
CPU = torch.device("cpu")


def parts_of(content: Any) -> dict[str, bytes]:
    """Return the entries of the file that torch writes."""
    made = io.BytesIO()
    torch.save(content, made)
    with zipfile.ZipFile(made) as archive:
        return {entry.filename.partition("/")[2]: archive.read(entry) for entry in archive.infolist()}


def write(path: Path, parts: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in parts.items():
            archive.writestr(f"a/{name}", content)


def tensor(size: tuple[int, ...], stride: tuple[int, ...], elements: int, key: str = "0") -> bytes:
    """Return the instructions for a tensor of stated sizes, as torch writes them."""
    numbers = b"".join(pickle.dumps(part, 2)[2:-1] for part in (0, size, stride, False))
    storage = (
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        + pickle.dumps(key, 2)[2:-1]
        + pickle.dumps("cpu", 2)[2:-1]
        + pickle.dumps(elements, 2)[2:-1]
        + b"tQ"
    )
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + numbers + b"ccollections\nOrderedDict\n)RtR"


def pickled(value: bytes) -> bytes:
    """Return a checkpoint's values in which ``model`` holds what these instructions make."""
    return (
        b"\x80\x02}("
        + pickle.dumps("format", 2)[2:-1]
        + pickle.dumps("paretune-checkpoint", 2)[2:-1]
        + pickle.dumps("model", 2)[2:-1]
        + value
        + b"u."
    )


def with_tensor(path: Path, *stated: Any) -> None:
    write(path, {"data.pkl": pickled(tensor(*stated)), "version": b"3", "data/0": b"\0" * 64})


def zip_bomb(path: Path) -> None:
    parts = parts_of({"format": "paretune-checkpoint", "model": {"a": torch.zeros(2_000_000)}})
    write(path, parts, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000


def overlapping(path: Path) -> None:
    """One record of a megabyte, named by 900 entries: the file is small, the sum of its entries is not."""
    parts = {"data.pkl": pickle.dumps({}, 2), "version": b"3", "data/0": b"\0" * 1_000_000}
    write(path, parts)
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("a/data/0")
        for number in range(1, 900):
            other = zipfile.ZipInfo(f"a/data/{number}")
            other.header_offset, other.CRC = first.header_offset, first.CRC
            other.file_size = other.compress_size = first.file_size
            archive.filelist.append(other)
        archive._didModify = True


def million_keys(path: Path) -> None:
    write(
        path,
        {"data.pkl": pickle.dumps({str(number): 0 for number in range(300_000)}, 2), "version": b"3"},
    )


def nested(path: Path) -> None:
    write(path, {"data.pkl": pickled(b"]" * 50_000 + b"a" * 49_999), "version": b"3"})


def laughs(path: Path) -> None:
    """Ten lists, each of ten times the one before: ten thousand million values in a hundred instructions."""
    value: Any = ["ha"] * 10
    for _ in range(9):
        value = [value] * 10
    write(path, {"data.pkl": pickle.dumps({"format": value}, 2), "version": b"3"})


def bytes_made(path: Path) -> None:
    """A text of a megabyte that is encoded again and again."""
    text = pickle.dumps("x" * 1_000_000, 2)[2:-1]
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    write(path, {"data.pkl": b"\x80\x02(" + text + b"q\x00" + call * 20_000 + b"t.", "version": b"3"})


def far_memo(path: Path) -> None:
    write(path, {"data.pkl": b"\x80\x02]r" + struct.pack("<I", 2**31) + b".", "version": b"3"})


def runs_code(path: Path) -> None:
    class Exploit:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(path.parent / "was-run"),)

    write(path, {"data.pkl": pickle.dumps({"format": Exploit()}, 2), "version": b"3"})


def plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(OrderedDict(a=1)))


BOMBS: dict[str, Callable[[Path], None]] = {
    "compressed": zip_bomb,
    "more bytes than the file": overlapping,
    "its record has 64 bytes": lambda path: with_tensor(path, (10**12,), (1,), 10**12),
    "but its record has 16": lambda path: with_tensor(path, (10**12,), (0,), 16),
    "states 16 elements, but its record has 16": lambda path: with_tensor(path, (4, 4), (40, 1), 16),
    "is missing": lambda path: with_tensor(path, (4,), (1,), 16, "../../etc/passwd"),
    "keys and values": million_keys,
    "nested more than": nested,
    "more than 500,000 values": laughs,
    "beside its tensors": bytes_made,
    "is not a paretune checkpoint": far_memo,
    "asks for posix.mkdir": runs_code,
    "not in the zip format": plain_pickle,
}


@pytest.mark.parametrize("reason", BOMBS)
def test_what_states_more_than_it_holds_is_refused_at_once(reason: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    BOMBS[reason](path)
    began = time.process_time()
    refused = must_be_ours(load, path)
    assert isinstance(refused, Error)
    assert reason in str(refused)
    assert time.process_time() - began < 5
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_and_a_device_are_no_checkpoints(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path / "pipe.pt", Path("/dev/zero")):
        assert "is no file" in str(must_be_ours(load, path))


@pytest.mark.parametrize(
    "stated",
    [
        *(
            {"d_model": 10**9},
            {"d_ff": 10**12},
            {"n_layers": 10**9},
            {"n_layers": 9_999},
            {"position_rows": 10**12},
        ),
        *({"position_rows": 10**6, "position": "sinusoidal"}, {"digits": 18, "n_heads": 10**9}),
    ],
    ids=str,
)
def test_a_configuration_larger_than_its_weights_builds_no_model(
    stated: dict[str, Any], tmp_path: Path
) -> None:
    content = dict(load(REAL))
    save({**content, "config": content["config"] | stated}, tmp_path / "checkpoint.pt")
    refused = must_be_ours(load_model, tmp_path / "checkpoint.pt", CPU)
    assert "does not fit its own configuration" in str(refused)


def test_all_that_a_task_may_keep_comes_back(tmp_path: Path) -> None:
    """Tensors of other kinds, parameters, sets, bytes and devices: what torch reads without code."""
    kept = {
        "format": "paretune-checkpoint",
        "version": 1,
        "model": torch.nn.Linear(3, 2).state_dict(),
        "notes": {
            "kinds": [torch.zeros(3, dtype=kind) for kind in (torch.uint16, torch.bfloat16, torch.bool)],
            "parts": [
                torch.arange(12.0)[2:7],
                torch.arange(12.0).reshape(3, 4).T,
                torch.zeros(0, 5),
                torch.ones(()),
            ],
            "shared": [(one := torch.ones(4)), one],
            "plain": [b"ab", {1, 2}, (1, 2.5, None, True), 2**70, -5, torch.Size([1, 2]), torch.float32, CPU],
            "parameter": torch.nn.Parameter(torch.ones(2)),
        },
    }
    save(kept, tmp_path / "checkpoint.pt")
    found = load(tmp_path / "checkpoint.pt")["notes"]
    assert found["plain"] == kept["notes"]["plain"]
    assert torch.equal(found["parts"][1], kept["notes"]["parts"][1])
    assert found["shared"][0].data_ptr() == found["shared"][1].data_ptr()
