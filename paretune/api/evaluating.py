"""Evaluating a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainables.contract import Evaluation


def evaluate(
    checkpoint: str | Path, *, problems: int = 10_000, seed: int = 0, device: str = "auto"
) -> Evaluation:
    """Evaluate a checkpoint on held-out problems, which no training and no choice ever saw.

    Args:
        checkpoint: a ``checkpoint.pt`` that retraining kept, or a trial's.
        problems: how many held-out problems, at most.
        seed: seed of the draw of problems.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        CheckpointError: the file is not a usable checkpoint.
        InputError: there is no such device.

    >>> import paretune
    >>> retrained = paretune.open("results/quickstart").retrain(0, seeds=1, problems=100, progress=False)
    >>> paretune.evaluate(retrained.checkpoint, problems=100).problems
    100
    """
    from paretune.confirm.retraining import evaluate_checkpoint
    from paretune.devices import pick_device

    return evaluate_checkpoint(Path(checkpoint), pick_device(device), problems=problems, seed=seed)
