"""The same trials by plain Ray Tune with Optuna and ASHA, as their documentation writes a search."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from trainables.checkpoints import Snapshot, save
from trainables.contract import Report
from trainables.loop import train
from trainables.tasks import get_task


def objective(config: dict[str, Any]) -> None:
    """Train one configuration, report as it goes, and store a checkpoint with the last report."""
    torch.set_num_threads(1)

    def report(told: Report, snapshot: Callable[[], Snapshot]) -> None:
        if told.ending is None:
            tune.report(told.as_row())
            return
        with tempfile.TemporaryDirectory() as folder:
            save(snapshot(), Path(folder) / "checkpoint.pt")
            tune.report(told.as_row(), checkpoint=tune.Checkpoint.from_directory(folder))

    task = get_task("addition")
    train(task, task.config_class.model_validate(config), device=torch.device("cpu"), report=report)


def search(fixed: dict[str, Any], *, trials: int, slots: int, reuse: bool, folder: Path) -> None:
    """Run a search.

    Args:
        fixed: what all configurations have.
        trials: trials of the search.
        slots: trials at a time.
        reuse: whether workers run more than one trial, which is not the default.
        folder: where Tune writes its files.
    """
    # A cluster of its own: another process's, just started, is not joined.
    ray.init(address="local", num_cpus=slots)
    tuner = tune.Tuner(
        objective,
        param_space={**fixed, "lr": tune.loguniform(1e-3, 1e-2)},
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            num_samples=trials,
            search_alg=OptunaSearch(),
            # Rungs at the last step only: all variants train the same steps.
            scheduler=ASHAScheduler(time_attr="step", max_t=fixed["steps"], grace_period=fixed["steps"]),
            reuse_actors=reuse,
        ),
        run_config=tune.RunConfig(storage_path=str(folder), name="plain"),
    )
    tuner.fit()
