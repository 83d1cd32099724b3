"""Writing a model to a file for AdderBoard, which takes its place only if it answers as the model does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from paretune.errors import InputError
from trainables.abilities import Export
from trainables.addition.adderboard import submission as submissions
from trainables.addition.adderboard import trial as trials
from trainables.addition.adderboard.notation import DIGITS
from trainables.addition.config import AdditionConfig
from trainables.addition.formats import make_format

_RANDOM_PROBLEMS = 100


def export(model: nn.Module, config: AdditionConfig, path: Path, *, name: str | None, author: str) -> Export:
    """Write a trained model as a Python file that needs torch only, after trying it out by itself.

    Args:
        model: the model, in evaluation mode.
        config: its configuration, for operands of ten digits.
        path: the file; an older one is replaced.
        name: what the file calls the model; by default after its number of parameters.
        author: the author named in the file.

    Raises:
        InputError: the model is for operands of other digits.
        CheckpointError: a weight is not finite.
        RuntimeError: the file that was made does not run.
        OSError: it cannot be written.
    """
    if config.digits != DIGITS:
        raise InputError(
            f"the challenge needs a model for operands of {DIGITS} digits, but this one was trained with "
            f"digits={config.digits}"
        )
    torch.set_num_threads(1)  # one answer at a time is too little for two threads
    submission = submissions.make_submission(config, model, name=name, author=author)
    problems = [*trials.EDGE_CASES, *trials.random_problems(_RANDOM_PROBLEMS)]
    with _partial_file(path) as partial:
        partial.write_text(submission.text, encoding="utf-8")
        trial = trials.try_out(partial, problems, model, make_format(config.layout))
        is_faithful = trial.agreeing == len(problems) and trial.parameters == submission.parameters
        size = partial.stat().st_size
        if is_faithful:
            partial.replace(path)
    edges = len(trials.EDGE_CASES)
    return Export(
        sentences=(
            f"written: {path} ({submission.parameters:,} parameters, {size:,} bytes)",
            f"run by itself: {trial.agreeing} of {len(problems)} answers are the checkpoint's",
            f"correct: {trial.right} of {len(problems)} ({edges} edge cases, {_RANDOM_PROBLEMS} random)",
        ),
        content={
            "written": str(path) if is_faithful else None,
            "bytes": size,
            "name": submission.name,
            "author": submission.author,
            "parameters": submission.parameters,
            "architecture": submission.architecture,
            "tricks": submission.tricks,
            "problems": len(problems),
            "agreeing": trial.agreeing,
            "correct": trial.right,
        },
        failure=None
        if is_faithful
        else f"{path} was not written, for it would not hold the checkpoint's model: {trial.agreeing} of "
        f"{len(problems)} answers agree, and it has {trial.parameters:,} of {submission.parameters:,} "
        "parameters; please report this",
    )


@contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file beside ``path``; nothing is left of it in the end."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
