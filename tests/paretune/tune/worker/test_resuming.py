"""What a trial resumes from: the newest checkpoint that is whole; damaged ones are set aside, and named."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers.training import adder, trained_adder

from paretune.tune.worker.resuming import CHECKPOINT_FILE, Resumption
from trainables.checkpoints import load, save
from trainables.contract import CheckpointError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with checkpoints of steps 20, 40 and 60 of one run."""
    folder = tmp_path_factory.mktemp("saved")
    torch.set_num_threads(1)
    trained_adder(adder(), folder)
    return folder


def placed(saved: Path, ray: Path, *names: str) -> list[Path]:
    """Put checkpoints where a search keeps them, the first of the earliest step; return their folders."""
    folders = [ray / name for name in names]
    for folder, step in zip(folders, (20, 40, 60), strict=False):
        folder.mkdir(parents=True)
        shutil.copy(saved / f"{step}.pt", folder / CHECKPOINT_FILE)
    return folders


class Touched:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def executing(path: Path) -> None:
    path.write_bytes(pickle.dumps({"format": Touched(path.with_name("executed"))}))


def of_another_configuration(path: Path) -> None:
    config = {**load(path)["config"], "lr": 0.5}
    save({**load(path), "config": config}, path)


def flipped(path: Path) -> None:
    """Change a weight, as a bad disk does: torch itself would not notice."""
    content = bytearray(path.read_bytes())
    weight = next(iter(load(path)["model"].values()))
    content[content.index(weight.numpy().tobytes())] ^= 0xFF
    path.write_bytes(content)


DAMAGES = [cut, emptied, executing, of_another_configuration, flipped]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    damage: Callable[[Path], None], saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older, newer = placed(
        saved, tmp_path, "session-1/c000-s0/checkpoint_000000", "session-1/c000-s0/checkpoint_000001"
    )
    damage(newer / CHECKPOINT_FILE)
    held = (newer / CHECKPOINT_FILE).read_bytes()
    resumption = Resumption(adder(), newer)
    found = resumption.next()
    assert found is not None
    assert found["step"] == 20
    assert not (newer / CHECKPOINT_FILE).exists()
    assert (newer / "checkpoint.pt.damaged").read_bytes() == held, "nothing is thrown away"
    assert not (newer / "executed").exists()
    (record,) = caplog.records
    told = record.getMessage()
    assert "session-1/c000-s0/checkpoint_000001/checkpoint.pt" in told.replace(os.sep, "/")
    assert "is now checkpoint.pt.damaged" in told
    assert told.endswith("; resumed from the one before, at step 20")
    assert "retrain" not in told
    # At the next resume it is not looked at again.
    caplog.clear()
    again = Resumption(adder(), newer).next()
    assert again is not None
    assert again["step"] == 20
    assert not caplog.records
    assert (older / CHECKPOINT_FILE).exists()


def test_without_another_checkpoint_the_trial_starts_over_and_says_so(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (only,) = placed(saved, tmp_path, "session-1/c000-s0/checkpoint_000000")
    cut(only / CHECKPOINT_FILE)
    assert Resumption(adder(), only).next() is None
    assert caplog.records[0].getMessage().endswith("; the trial starts over")


def test_one_that_turns_out_not_to_fit_is_set_aside_too(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older, newer = placed(
        saved, tmp_path, "session-1/c000-s0/checkpoint_000000", "session-1/c000-s0/checkpoint_000001"
    )
    resumption = Resumption(adder(), newer)
    resumption.next()
    resumption.refuse("it does not fit this model")
    found = resumption.next()
    assert found is not None
    assert found["step"] == 20
    assert "it does not fit this model; resumed" in caplog.records[0].getMessage()
    assert (newer / "checkpoint.pt.damaged").exists()
    assert (older / CHECKPOINT_FILE).exists()


@pytest.mark.parametrize(
    "before",
    [
        "session-1/c000-s0/checkpoint_000007",
        "session-2/c000-s0/checkpoint_000001",
        "session-2/c000-s0+2/checkpoint_000004",
        "session-10/c000-s0/checkpoint_000000",
    ],
)
def test_the_one_before_may_be_of_an_earlier_session(before: str, saved: Path, tmp_path: Path) -> None:
    first, last = placed(saved, tmp_path, before, "session-10/c000-s0/checkpoint_000002")
    # None of these is the trial's, or known to rows.
    for other in (
        "session-2/c000-s01/checkpoint_000001",
        "session-10/c000-s0/checkpoint_000003",
        "session-11/c000-s0/checkpoint_000000",
        "session-2/c000-s0/checkpoint_tmp000009",
    ):
        placed(saved, tmp_path, other)
        save({**load(tmp_path / other / CHECKPOINT_FILE), "step": 33}, tmp_path / other / CHECKPOINT_FILE)
    emptied(last / CHECKPOINT_FILE)
    found = Resumption(adder(), last).next()
    assert found is not None
    assert found["step"] == 20
    emptied(first / CHECKPOINT_FILE)
    assert Resumption(adder(), last).next() is None


def test_a_trial_without_a_checkpoint_starts_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert Resumption(adder(), None).next() is None
        assert Resumption(adder(), tmp_path / "session-1" / "c000-s0" / "checkpoint_000000").next() is None
    assert not caplog.records


def test_what_does_not_change_gradients_or_names_a_path_may_differ(saved: Path, tmp_path: Path) -> None:
    (only,) = placed(saved, tmp_path, "session-1/c000-s0/checkpoint_000000")
    path = only / CHECKPOINT_FILE
    save({**load(path), "config": {**load(path)["config"], "start_from": "/old/weights.pt"}}, path)
    moved = adder(micro_batch=4).model_copy(update={"start_from": "/new/weights.pt"})
    assert Resumption(moved, only).next() is not None
    assert Resumption(adder(lr=0.5), only).next() is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_one_that_may_not_be_read_is_an_error_and_stays(saved: Path, tmp_path: Path) -> None:
    (only,) = placed(saved, tmp_path, "session-1/c000-s0/checkpoint_000000")
    (only / CHECKPOINT_FILE).chmod(0)
    with pytest.raises(CheckpointError, match="permission denied"):
        Resumption(adder(), only).next()
    assert (only / CHECKPOINT_FILE).exists()
