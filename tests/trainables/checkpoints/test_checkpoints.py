"""Checkpoint files: whole or not at all, loaded without running anything, refused with the reason."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.commands import no_file_larger_than

from trainables.addition.config import AdditionConfig
from trainables.checkpoints import FORMAT, VERSION, files, load, load_model, load_weights, make_snapshot, save
from trainables.contract import CheckpointError, Report
from trainables.loop import train
from trainables.tasks import TASKS

CPU = torch.device("cpu")


CONFIG = AdditionConfig.model_validate(
    {
        "digits": 2,
        "d_model": 6,
        "n_heads": 3,
        "d_ff": 5,
        "ffn_bias": True,
        "norm": "rmsnorm",
        "curriculum": [{"digits": [1, 2], "share": 0.5}],
        "steps": 3,
        "batch": 8,
        "lr": 0.0123,
        "val_problems": 50,
        "seed": 7,
    }
)


@pytest.fixture(scope="module")
def snapshot() -> dict[str, Any]:
    """The checkpoint of a model after three steps."""
    taken: list[Any] = []

    def report(row: Report, snapshot: Callable[[], Any]) -> None:
        taken.append(snapshot())

    train(TASKS["addition"], CONFIG, device=CPU, report=report)
    return dict(taken[-1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def built(**changes: object) -> torch.nn.Module:
    """Return a new model of the configuration, or of one that differs from it."""
    config = CONFIG.model_validate({**CONFIG.model_dump(mode="json"), **changes})
    return TASKS["addition"].workload(config, CPU).build_model()


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


# There and back


def test_a_checkpoint_comes_back_as_it_was_saved(snapshot: dict[str, Any], path: Path) -> None:
    save(snapshot, path)
    content = load(path)
    assert set(content) == {
        "format", "version", "task", "config", "step", "model", "optimizer", "progress", "metrics",
        "notes", "gauges",
    }  # fmt: skip
    assert same(dict(content), snapshot)
    assert (content["format"], content["version"], content["task"]) == (FORMAT, VERSION, "addition")
    assert content["step"] == content["progress"]["step"] == 3


def test_a_model_comes_back_with_its_configuration_its_weights_and_its_answers(
    snapshot: dict[str, Any], path: Path
) -> None:
    save(snapshot, path)
    loaded = load_model(path, CPU)
    assert loaded.config == CONFIG
    assert loaded.task is TASKS["addition"]
    assert loaded.step == 3
    assert not loaded.model.training
    assert same(dict(loaded.model.state_dict()), dict(snapshot["model"]))
    measured = loaded.workload.validate(loaded.model)
    assert measured == {name: loaded.metrics[name] for name in measured}
    assert set(measured) == {metric.name for metric in loaded.task.metrics}


def test_a_checkpoint_holds_plain_values_beside_its_tensors(snapshot: dict[str, Any]) -> None:
    def plain(value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str | int) and plain(part) for key, part in value.items())
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        return isinstance(value, torch.Tensor | str | int | float | bool | None)

    assert all(plain(value) for value in snapshot.values())


def test_a_snapshot_names_the_task_and_the_whole_configuration() -> None:
    made = make_snapshot(
        TASKS["addition"],
        CONFIG,
        step=1,
        model={},
        optimizer={},
        progress={"step": 1},
        metrics={"x": 1.0},
        notes={},
    )
    assert AdditionConfig.model_validate(made["config"]) == CONFIG
    assert set(made["config"]) == set(AdditionConfig.model_fields)


# Whole or not at all


def test_saving_again_replaces_the_older_file(snapshot: dict[str, Any], path: Path) -> None:
    save(snapshot, path)
    save({**snapshot, "step": 99}, path)
    assert load(path)["step"] == 99
    assert list(path.parent.iterdir()) == [path]


def write_some_then_fail(_: Any, file: Any) -> None:
    file.write(b"the first half")
    raise OSError(28, "No space left on device")


def fail(*_: object) -> None:
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize("at", ["writing", "flushing to the disk", "taking its place"])
def test_a_write_that_fails_leaves_the_older_file_and_nothing_else(
    at: str, snapshot: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(snapshot, path)
    before = path.read_bytes()
    broken = {
        "writing": (files.torch, "save", write_some_then_fail),
        "flushing to the disk": (os, "fsync", fail),
        "taking its place": (Path, "replace", fail),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*broken[at])
        with pytest.raises(OSError, match=r"No space left|Input/output error"):
            save({**snapshot, "step": 99}, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert load(path)["step"] == 3


@pytest.mark.parametrize("size", [0, 1000, 10_000])
def test_a_full_disk_is_an_error_of_the_system_wherever_it_is_met(
    size: int, snapshot: dict[str, Any], path: Path
) -> None:
    """Of a write that fails, torch.save makes an error of its archive."""
    save(snapshot, path)
    before = path.read_bytes()
    larger = {**snapshot, "notes": {"weights": torch.zeros(10_000)}}
    with no_file_larger_than(size), pytest.raises(OSError, match="File too large"):
        save(larger, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_first_write_that_fails_leaves_nothing(
    snapshot: dict[str, Any], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.torch, "save", write_some_then_fail)
    with pytest.raises(OSError, match="No space left"):
        save(snapshot, path)
    assert list(path.parent.iterdir()) == []


def test_a_write_into_no_folder_is_an_error_of_the_system(snapshot: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(snapshot, tmp_path / "missing" / "model.pt")


# What is no checkpoint

# PyTorch remarks on a pickle's protocol before it refuses the pickle.
IGNORE_REMARK = pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")


def refused(path: Path, reason: str) -> None:
    """Check that all ways of loading refuse the file, naming it and the reason."""
    attempts = (lambda: load(path), lambda: load_model(path, CPU), lambda: load_weights(built(), path))
    for attempt in attempts:
        with pytest.raises(CheckpointError, match=reason) as caught:
            attempt()
        assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(path: Path) -> None:
    refused(path, "there is no checkpoint")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder")


GARBAGE = {
    "nothing": b"",
    "zeros": bytes(1000),
    "a note": b"hello world",
    "a YAML file": b"task: addition\n",
    "a CSV file": b"a,b\n1,2\n",
    "a JSON file": b'{"format": "paretune-checkpoint", "version": 1}\n',
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "an empty archive": b"PK\x05\x06" + bytes(18),
    "the beginning of an archive": b"PK\x03\x04",
    "an old pickle": pickle.dumps({"format": FORMAT, "version": VERSION}, protocol=0),
    "a new pickle": pickle.dumps({"format": FORMAT, "version": VERSION}, protocol=5),
}


@IGNORE_REMARK
@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    refused(path, "is not a checkpoint|is not a paretune checkpoint")


@IGNORE_REMARK
def test_bytes_at_random_are_refused(path: Path) -> None:
    """Some begin like a pickle; whatever PyTorch's reader stumbles over, the user is told the same."""
    chance = random.Random(0)
    for beginning in (b"", b"\x80\x02", b"PK\x03\x04"):
        for _ in range(150):
            path.write_bytes(beginning + chance.randbytes(chance.randrange(40)))
            with pytest.raises(CheckpointError):
                load(path)


def test_a_truncated_checkpoint_is_refused(snapshot: dict[str, Any], path: Path) -> None:
    save(snapshot, path)
    whole = path.read_bytes()
    for length in (1, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path, "is not a checkpoint")


class LeavesAMark:
    """What a malicious file would hold: unpickled carelessly, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@IGNORE_REMARK
@pytest.mark.parametrize("inside", ["an archive", "a plain pickle", "a checkpoint's metrics"])
def test_code_in_a_file_is_refused_and_not_run(
    inside: str, snapshot: dict[str, Any], path: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    trap = LeavesAMark(mark)
    if inside == "a plain pickle":
        path.write_bytes(pickle.dumps(trap))
    elif inside == "an archive":
        torch.save(trap, path)
    else:
        torch.save({**snapshot, "metrics": {"exact_match": trap}}, path)
    refused(path, "is not a checkpoint")
    assert not mark.exists()

    # The trap works: read without protection, the same file does make the folder.
    if inside == "a plain pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [{}, {"model": {}}, {"format": "something else", "version": VERSION}, [1, 2], torch.zeros(2), "text"],
    ids=["empty", "no format", "other format", "list", "tensor", "string"],
)
def test_other_content_is_refused(content: Any, path: Path) -> None:
    torch.save(content, path)
    refused(path, "is not a paretune checkpoint")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_is_refused_with_both_versions(
    version: Any, snapshot: dict[str, Any], path: Path
) -> None:
    save({**snapshot, "version": version}, path)
    refused(path, f"has checkpoint version {version!r}; this paretune reads version {VERSION}")


# What does not fit itself


@pytest.mark.parametrize(
    "changes",
    [
        {"task": ["addition"]},
        {"config": {"d_model": "wide"}},
        {"config": {"colour": "blue"}},
        {"config": None},
        {"model": {}},
        {"model": None},
        {"model": [1, 2]},
    ],
    ids=str,
)
def test_a_checkpoint_that_does_not_fit_itself_is_refused(
    changes: dict[str, Any], snapshot: dict[str, Any], path: Path
) -> None:
    save({**snapshot, **changes}, path)
    with pytest.raises(CheckpointError, match="does not fit its own configuration"):
        load_model(path, CPU)


@pytest.mark.parametrize(
    "change", [{"d_model": 9}, {"ffn_bias": False}, {"n_layers": 2}, {"digits": 3}], ids=str
)
def test_weights_that_do_not_fit_the_stated_configuration_are_refused(
    change: dict[str, Any], snapshot: dict[str, Any], path: Path
) -> None:
    save({**snapshot, "config": {**snapshot["config"], **change}}, path)
    with pytest.raises(CheckpointError, match="does not fit its own configuration"):
        load_model(path, CPU)


@pytest.mark.parametrize("part", ["task", "config", "step", "model", "metrics"])
def test_a_checkpoint_without_one_of_its_parts_is_refused(
    part: str, snapshot: dict[str, Any], path: Path
) -> None:
    save({key: value for key, value in snapshot.items() if key != part}, path)
    with pytest.raises(CheckpointError):
        load_model(path, CPU)


# Only the weights


def test_a_checkpoint_of_a_task_that_is_not_here_is_refused_with_those_there_are(
    snapshot: dict[str, Any], path: Path
) -> None:
    save({**snapshot, "task": "subtraction"}, path)
    with pytest.raises(CheckpointError, match=r"cannot be used here: .*no task 'subtraction'.*addition"):
        load_model(path, CPU)


def test_a_model_takes_the_weights_of_a_checkpoint(snapshot: dict[str, Any], path: Path) -> None:
    save(snapshot, path)
    model = built()
    assert not same(dict(model.state_dict()), dict(snapshot["model"]))
    load_weights(model, path)
    assert same(dict(model.state_dict()), dict(snapshot["model"]))
    assert model.training, "it is to be trained"


def test_weights_do_not_ask_what_they_were_trained_for(snapshot: dict[str, Any], path: Path) -> None:
    """Nor whether the rest of the file means anything to this version's tasks."""
    save({**snapshot, "task": "subtraction", "config": {"colour": "blue"}}, path)
    load_weights(built(), path)


@pytest.mark.parametrize(
    "change", [{"d_model": 9}, {"ffn_bias": False}, {"n_layers": 2}, {"digits": 3}, {"norm": "none"}], ids=str
)
def test_weights_of_another_model_are_refused(
    change: dict[str, Any], snapshot: dict[str, Any], path: Path
) -> None:
    save(snapshot, path)
    with pytest.raises(CheckpointError, match="cannot be started from: it holds another model") as caught:
        load_weights(built(**change), path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "broken",
    [{"model": None}, {"model": [1, 2]}, {"model": {}}, {"model": {"colour": torch.ones(2)}}],
    ids=str,
)
def test_what_are_no_weights_is_refused(broken: dict[str, Any], snapshot: dict[str, Any], path: Path) -> None:
    save({**snapshot, **broken}, path)
    with pytest.raises(CheckpointError, match="cannot be started from") as caught:
        load_weights(built(), path)
    assert str(path) in str(caught.value)


def test_a_checkpoint_without_weights_is_refused(snapshot: dict[str, Any], path: Path) -> None:
    save({key: value for key, value in snapshot.items() if key != "model"}, path)
    with pytest.raises(CheckpointError, match="cannot be started from"):
        load_weights(built(), path)
