"""What needs a CUDA device: training on it, and trials that share it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import run_cli

from analysis.rows import SearchRows
from trainables.contract import Report
from trainables.loop import train
from trainables.tasks import get_task

pytestmark = pytest.mark.gpu


def test_training_on_a_gpu_reports_as_on_a_cpu():
    task = get_task("addition")
    config = task.config_class.model_validate({"steps": 60, "eval_every": 20, "batch": 64})
    device = torch.device("cuda")
    reports: list[Report] = []
    ending = train(task, config, device=device, report=lambda report, _: reports.append(report))
    assert ending == "finished"
    assert [report.step for report in reports] == [20, 40, 60]
    assert all(0 < report.metrics["val_loss"] < 5 for report in reports)


def test_four_trials_share_one_gpu(tmp_path: Path):
    space = tmp_path / "space.yaml"
    space.write_text(
        "name: shared\ntask: addition\nobjectives: [{metric: exact_match, direction: max}]\n"
        "fixed: {digits: 2, batch: 32, steps: 60, eval_every: 20}\n"
        "space:\n  d_model: {type: int, low: 4, high: 16, step: 4}\n"
        "search: {trials: 4}\nresources: {cpu: 0.25, gpu: 0.25}\n"
    )
    done = run_cli("search", space, "--results", tmp_path / "results")
    assert done.code == 0, done.out + done.err
    folder = tmp_path / "results" / "shared"
    (session,) = json.loads((folder / "provenance.json").read_text())["sessions"]
    assert session["concurrency"] >= 4
    assert list(SearchRows(folder).trials["ending"]) == ["finished"] * 4
