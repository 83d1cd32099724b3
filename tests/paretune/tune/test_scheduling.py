"""As many trials at a time as were asked for, and what Tune keeps of those that are over."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from helpers.commands import Search, run_cli
from helpers.plans import bound
from ray.train._internal.session import _TrainingResult
from ray.tune import Checkpoint
from ray.tune.experiment import Trial

from analysis.store import RowStore
from paretune.record.recorder import Recorder
from paretune.sampling.queue import TrialQueue
from paretune.tune.callback import Monitor
from paretune.tune.schedulers.newest_first import NewestFirst

TASK = '''
"""A task whose trials are short, and shorter still once two processes have run one."""

import os
import time
from pathlib import Path

import torch
from torch import nn

from paretune import BaseTask, BaseWorkload, Metric, TrainingConfig


class ShortConfig(TrainingConfig):
    folder: str = "."


class ShortWorkload(BaseWorkload[ShortConfig]):
    def model(self):
        return nn.Linear(1, 1)

    def draw(self, split, samples, generator):
        folder = Path(self.config.folder)
        if split == "train":
            with (folder / str(os.getpid())).open("a") as file:
                file.write("trial\\n")
            if len(list(folder.iterdir())) < 2:
                time.sleep(0.4)
        return torch.rand((samples, 1), generator=generator), torch.zeros(samples, 1)

    def loss(self, model, batch):
        return (model(batch[0]) - batch[1]).square().mean()

    def measure(self, model, batch):
        return model(batch[0])[:, 0] > 0


class Short(BaseTask):
    name = "short"
    config_class = ShortConfig
    workload_class = ShortWorkload
    metric = Metric(name="accuracy", direction="max", unit="share", description="none", best=1.0)
'''

SPACE = """
name: short
task: short.py:Short
objectives: [{metric: accuracy, direction: max}]
fixed: {folder: FOLDER, steps: 1, batch: 1, eval_every: 1}
space: {lr: {type: float, low: 0.001, high: 0.1}}
search: {trials: 160, sampler: random, concurrency: 2}
"""


def test_trials_shorter_than_a_workers_start_run_in_all_slots(tmp_path: Path):
    """Tune's own order hands the first worker to each trial in turn, and ends the one that starts for it."""
    processes = tmp_path / "processes"
    processes.mkdir()
    (tmp_path / "short.py").write_text(TASK)
    space = tmp_path / "short.yaml"
    space.write_text(SPACE.replace("FOLDER", str(processes)))
    done = run_cli("search", space, "--results", tmp_path / "results", "--allow-task-code")
    assert done.code == 0, done.out + done.err
    trials = Counter({path.name: len(path.read_text().split()) for path in processes.iterdir()})
    assert trials.total() == 160
    assert len(trials) == 2, "a worker was ended and started again"
    assert min(trials.values()) >= 5, trials
    (told,) = re.findall(r"This session took .*, (\d\.\d) trials at a time of 2\.", done.out)
    (session,) = RowStore(tmp_path / "results" / "short").sessions()
    assert float(told) == pytest.approx(session["at_a_time"], abs=0.06)
    assert 0.1 < session["at_a_time"] <= 2


def test_freed_worker_goes_to_the_newest_trial_that_does_not_run():
    scheduler = NewestFirst()
    assert scheduler.choose_trial_to_run(None) is None
    first, second, third = (Trial("run_trial", stub=True) for _ in range(3))
    scheduler.on_trial_add(None, first)
    scheduler.on_trial_add(None, second)
    assert scheduler.choose_trial_to_run(None) is second
    assert scheduler.choose_trial_to_run(None) is second, "asking changes nothing"
    second.set_status(Trial.RUNNING)
    assert scheduler.choose_trial_to_run(None) is first
    scheduler.on_trial_add(None, third)
    assert scheduler.choose_trial_to_run(None) is third
    third.set_status(Trial.TERMINATED)
    second.set_status(Trial.PENDING)  # its worker died
    scheduler.on_trial_add(None, second)
    assert scheduler.choose_trial_to_run(None) is second
    second.set_status(Trial.RUNNING)
    assert scheduler.choose_trial_to_run(None) is first, "none is left out"


def test_the_newest_two_checkpoints_of_a_trial_are_kept_and_rows_name_the_last(tmp_path: Path):
    spec = TrialQueue(bound()).next()
    monitor = Monitor([Recorder(RowStore(tmp_path), session=1)], {"step"})
    trial = Trial("run_trial", stub=True, config={"label": spec.label})
    monitor.announce(spec)
    folders = [tmp_path / f"checkpoint_{number:06d}" for number in range(3)]
    for folder in folders:
        folder.mkdir()
        checkpoint = Checkpoint(str(folder))
        monitor.on_checkpoint(0, [], trial, checkpoint)
        trial.run_metadata.checkpoint_manager.register_checkpoint(_TrainingResult(checkpoint, {}))
    assert [folder.exists() for folder in folders] == [False, True, True]
    assert RowStore(tmp_path).trials()[spec.label]["checkpoint"] == folders[-1].name


def test_tune_keeps_next_to_nothing_of_trials_that_are_over(every_ending: Search):
    (snapshot,) = (every_ending.folder / "ray" / "session-1").glob("experiment_state-*.json")
    kept = json.loads(snapshot.read_text())["trial_data"]
    assert len(kept) == 5
    for trial, metadata in kept:
        assert json.loads(trial)["config"] == {}
        assert json.loads(metadata)["metric_analysis"] == {}
        assert len(trial) + len(metadata) < 8000
