"""Checkpoint files: plain values and tensors, written whole or not at all, loaded without code.

A checkpoint is a dict saved by ``torch.save``:
``format`` ("paretune-checkpoint"), ``version`` (1), ``task`` (its name, or where its class is), ``config``
(plain values), ``step``, ``model`` and ``optimizer`` (state dicts), ``progress`` (what the loop needs to
resume), ``metrics`` (those of the step's report), ``notes`` (what the model needs beside its weights),
``gauges`` (what was measured since the last report; not in files of earlier versions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from trainables.checkpoints.archives import inspect
from trainables.checkpoints.stated import RefusedError
from trainables.config import TrainingConfig
from trainables.contract import CheckpointError, Task, Workload, parameter_count
from trainables.replacing import replacing
from trainables.tasks import TaskError, get_task, reference_of

FORMAT = "paretune-checkpoint"
VERSION = 1

_KINDS: Mapping[str, type] = {
    "step": int,
    "optimizer": dict,
    "progress": dict,
    "metrics": dict,
    "notes": dict,
}

_USUAL, _USUAL_LAYERS = 2**16, 64
"""Sizes of models up to which tables and masks are small, whatever the other sizes are."""

_MOST_CONSTANTS = 256 * 2**20
"""Bytes of tables and masks that any model may have; those of more weights may have more."""

Snapshot = Mapping[str, Any]
"""A checkpoint's content in memory."""


@dataclass(frozen=True)
class LoadedModel:
    """A model from a checkpoint, ready to be asked."""

    task: Task
    config: TrainingConfig
    workload: Workload
    model: nn.Module
    step: int
    metrics: Mapping[str, float]
    notes: Mapping[str, Any]
    """What the workload wrote down when it was saved; empty in files of before there were any."""


def make_snapshot(
    task: Task,
    config: TrainingConfig,
    *,
    step: int,
    model: Mapping[str, Any],
    optimizer: Mapping[str, Any],
    progress: Mapping[str, Any],
    metrics: Mapping[str, float],
    notes: Mapping[str, Any],
) -> Snapshot:
    """Return the content of a checkpoint."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": reference_of(task),
        "config": config.model_dump(mode="json"),
        "step": step,
        "model": model,
        "optimizer": optimizer,
        "progress": dict(progress),
        "metrics": dict(metrics),
        "notes": dict(notes),
    }


def save(snapshot: Snapshot, path: Path) -> None:
    """Write a checkpoint so that ``path`` never holds half of one.

    Raises:
        OSError: the disk is full or the folder cannot be written; an older file stays as it was.
    """
    try:
        with replacing(path) as file:
            torch.save(dict(snapshot), file)
    except RuntimeError as error:
        # After a write that failed, or Ctrl-C, torch.save raises that its archive could not be ended.
        reason = error.__context__
        if isinstance(reason, OSError | KeyboardInterrupt):
            raise reason from None
        raise


def load(path: Path) -> Snapshot:
    """Read a checkpoint onto the CPU, without running anything that the file may contain.

    Raises:
        CheckpointError: there is no such file, or it is not a checkpoint of this version.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; name the .pt file in it")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} is no file; name a checkpoint's .pt file")
    damaged = f"{path} is not a checkpoint, or is damaged"
    try:
        with path.open("rb") as file:
            inspect(file)
            file.seek(0)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except PermissionError:
        raise CheckpointError(f"{path} cannot be read: permission denied") from None
    except RefusedError as error:
        raise CheckpointError(f"{damaged}: {error}; retrain writes them as checkpoint.pt") from error
    except Exception as error:
        # The unpickler answers what is no checkpoint with almost any exception, and torch's own
        # text for refused content recommends to load it unsafely.
        raise CheckpointError(f"{damaged}; retrain writes them as checkpoint.pt") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a paretune checkpoint")
    if content.get("version") != VERSION:
        raise CheckpointError(
            f"{path} has checkpoint version {content.get('version')!r}; this paretune reads version {VERSION}"
        )
    for key, kind in _KINDS.items():
        if key in content and not isinstance(content[key], kind):
            raise CheckpointError(f"{path} is not a whole checkpoint: {key} is {content[key]!r:.60}")
    return content


def load_weights(model: nn.Module, path: Path) -> None:
    """Give a model the weights of a checkpoint, whatever it was trained for.

    Raises:
        CheckpointError: as for :func:`load`, or its weights are those of another model.
    """
    content = load(path)
    try:
        model.load_state_dict(content["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be started from: it holds another model. {error}") from error


def load_model(path: Path, device: torch.device, *, allow_task_code: bool = False) -> LoadedModel:
    """Build the model that a checkpoint holds, with its weights, in evaluation mode.

    Args:
        path: the checkpoint.
        device: where the model shall live.
        allow_task_code: whether a task that the checkpoint names by its file or module may run.

    Raises:
        CheckpointError: as for :func:`load`; or its task is not here, or may not run; or the weights do not
            fit the stated configuration.
    """
    content = load(path)
    try:
        task = get_task(content["task"], allow_code=allow_task_code)
        config = task.config_class.model_validate(content["config"])
        _check_size(task, config, content["model"])
        workload = task.workload(config, device)
        model = workload.build_model()
        model.load_state_dict(content["model"])
        model.eval()
        notes = content.get("notes", {})
        return LoadedModel(task, config, workload, model, content["step"], content["metrics"], notes)
    except KeyError as error:
        raise CheckpointError(f"{path} is not a whole checkpoint: it lacks {error}") from error
    except TaskError as error:
        raise CheckpointError(f"{path} cannot be used here: {error}") from error
    except (ValidationError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit its own configuration: {error}") from error


def _check_size(task: Task, config: TrainingConfig, weights: Mapping[str, Any]) -> None:
    """Compare the model that a configuration makes with the weights that there are, before memory is taken.

    Raises:
        ValueError: the model has more parameters than there are, or constants that are much larger.
    """
    if not isinstance(weights, Mapping):
        raise TypeError("its weights are no mapping")
    there = [value for value in weights.values() if isinstance(value, torch.Tensor)]
    parameters, held = parameter_count(task, config), sum(value.numel() for value in there)
    if parameters > held:
        raise ValueError(f"it makes a model of {parameters:,} parameters, but the file has {held:,}")
    sizes = [getattr(config, name, 0) for name in task.size_fields]
    largest = max((size for size in sizes if isinstance(size, int)), default=0)
    if largest <= _USUAL and getattr(config, "n_layers", 0) <= _USUAL_LAYERS:
        return  # a model of nothing takes torch seconds to import what it needs
    nothing = torch.device("meta")
    try:
        with nothing:
            model = task.workload(config, nothing).build_model()
    except Exception:  # a task of the user's own that needs numbers to build its model
        return
    constants = sum(buffer.numel() * buffer.element_size() for buffer in model.buffers())
    if constants > _MOST_CONSTANTS + 16 * sum(value.numel() * value.element_size() for value in there):
        raise ValueError(f"it makes a model with {constants:,} bytes of constants beside its parameters")
