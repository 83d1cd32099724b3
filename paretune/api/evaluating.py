"""Evaluating a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.contract import Evaluation


def evaluate(
    checkpoint: str | Path,
    *,
    problems: int = 10_000,
    seed: int = 0,
    device: str = "auto",
    allow_task_code: bool = False,
) -> Evaluation:
    """Evaluate a checkpoint on held-out problems, which no training and no choice ever saw.

    Args:
        checkpoint: a ``checkpoint.pt`` that retraining kept, or a trial's; or a search by its name or folder,
            for the best model that it has retrained.
        problems: how many held-out problems, at most.
        seed: seed of the draw of problems.
        device: ``auto``, ``cpu`` or ``cuda``.
        allow_task_code: whether the task may be code that the checkpoint names.

    Raises:
        CheckpointError: the file is not a usable checkpoint.
        InputError: there is no such device, no such search, or it has retrained nothing.

    >>> import paretune
    >>> retrained = paretune.open("results/quickstart").retrain(0, seeds=1, problems=100, progress=False)
    >>> paretune.evaluate(retrained.checkpoint, problems=100).problems
    100
    """
    from paretune.confirm.finding import find_checkpoint
    from paretune.confirm.retraining import evaluate_checkpoint
    from paretune.devices import pick_device

    path = find_checkpoint(checkpoint, Path("results"))
    return evaluate_checkpoint(
        path, pick_device(device), problems=problems, seed=seed, allow_task_code=allow_task_code
    )
