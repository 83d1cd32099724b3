"""The same trials by plain Ray Tune with Optuna and ASHA, as their documentation writes a search."""

from __future__ import annotations

import json
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


class Reports(tune.Callback):
    """Appends each report to a file when it reaches the driver.

    Tune's own ``result.json`` is copied to the results folder in the background, and where all trials end
    within a second that copy is sometimes never made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Write one line of JSON."""
        kept = ("trial_id", "timestamp", "wall_seconds", "cpu_seconds", "ending")
        with self.path.open("a") as file:
            file.write(json.dumps({name: result.get(name) for name in kept}) + "\n")


def search(
    fixed: dict[str, Any], *, trials: int, slots: int, reuse: bool, folder: Path, reports: Path
) -> None:
    """Run a search.

    Args:
        fixed: what all configurations have.
        trials: trials of the search.
        slots: trials at a time.
        reuse: whether workers run more than one trial, which is not the default.
        folder: where Tune writes its files.
        reports: the file to write all reports to.
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
        run_config=tune.RunConfig(storage_path=str(folder), name="plain", callbacks=[Reports(reports)]),
    )
    tuner.fit()
