"""What needs a CUDA device: training on it, and trials that share it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.commands import run_cli

from analysis.rows import SearchRows
from trainables.checkpoints import Snapshot, load, load_model, save
from trainables.contract import Report, parameter_count
from trainables.loop import Start, train
from trainables.tasks import get_task

pytestmark = pytest.mark.gpu

DEVICE = torch.device("cuda")
SPEEDRUN: dict[str, Any] = {
    "format": "characters",
    "answer_order": "forward",
    "carries": "balanced",
    "train_problems": 20_000,
    "n_layers": 6,
    "n_heads": 6,
    "d_model": 192,
    "d_ff": 768,
    "lr": 0.003,
    "warmup": 0.2,
    "steps": 100,
    "eval_every": 50,
    "val_problems": 500,
}
"""The 3-digit speedrun's model, 2.7 million parameters, for fewer steps than it needs."""

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")
needs_bf16 = pytest.mark.skipif(
    not (torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)),
    reason="needs a GPU with bf16",
)


def trained(folder: Path, **settings: object) -> tuple[list[Report], Path]:
    """Train the speedrun's model, and return the reports and its last checkpoint."""
    task = get_task("addition")
    config = task.config_class.model_validate({**SPEEDRUN, **settings})
    reports: list[Report] = []
    path = folder / "checkpoint.pt"

    def report(row: Report, snapshot: Callable[[], Snapshot]) -> None:
        reports.append(row)
        save(snapshot(), path)

    assert train(task, config, device=DEVICE, report=report) == "finished"
    return reports, path


def losses_of(reports: list[Report]) -> dict[str, list[float]]:
    return {name: [report.metrics[name] for report in reports] for name in ("train_loss", "val_loss")}


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


@pytest.mark.parametrize(
    "faster",
    [
        pytest.param({"precision": "bf16", "compile": "off"}, marks=needs_bf16),
        pytest.param({"precision": "float32", "compile": "on"}, marks=needs_triton),
        pytest.param({"precision": "bf16", "compile": "on"}, marks=[needs_bf16, needs_triton]),
        pytest.param({"precision": "auto", "compile": "auto"}, marks=[needs_bf16, needs_triton]),
    ],
    ids=str,
)
def test_bf16_and_compilation_learn_about_what_float32_learns(
    faster: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Within a quarter of a nat after 100 steps: the batches are the same, the rounding is not."""
    expected = losses_of(trained(tmp_path, precision="float32", compile="off")[0])
    got = losses_of(trained(tmp_path, **faster)[0])
    assert expected["train_loss"][1] < expected["train_loss"][0]
    for name in ("train_loss", "val_loss"):
        assert got[name] == pytest.approx(expected[name], abs=0.25)
    assert "torch.compile" not in caplog.text, "it was not given up"
    assert "has no bf16" not in caplog.text


@needs_bf16
@needs_triton
def test_a_model_trained_in_bf16_and_compiled_answers_in_float32(tmp_path: Path):
    """Greedy decoding, token by token, says what teacher forcing measured in validation."""
    _, path = trained(tmp_path, precision="bf16", compile="on")
    loaded = load_model(path, DEVICE)
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}
    assert parameter_count(loaded.task, loaded.config) > 1_000_000, "auto takes bf16 from here on"
    measured = loaded.workload.validate(loaded.model)
    for name, value in measured.items():
        assert value == pytest.approx(loaded.metrics[name], abs=0.02)
    evaluation = loaded.workload.evaluate(loaded.model, problems=256, seed=0)
    assert evaluation.problems == 256
    assert evaluation.successes / 256 == pytest.approx(measured["exact_match"], abs=0.2)
    on_the_cpu = load_model(path, torch.device("cpu"))
    again = on_the_cpu.workload.validate(on_the_cpu.model)
    assert again["val_loss"] == pytest.approx(measured["val_loss"], abs=0.01)


@needs_triton
def test_a_second_pass_with_another_batch_dropout_and_a_finish_go_with_compilation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """The batch's size changes in the middle, and the finish computes as the model is."""
    small = {"n_layers": 1, "n_heads": 4, "d_model": 32, "d_ff": 64, "steps": 60, "eval_every": 20}
    reports, _ = trained(
        tmp_path,
        **small,
        compile="on",
        dropout=0.1,
        second_pass={"share": 0.5, "lr": 0.001, "batch": 96},
        finish="lbfgs",
        finish_above=0.0,
        finish_steps=2,
        finish_batch=512,
    )
    assert [report.step for report in reports] == [20, 21, 22]
    reports, _ = trained(
        tmp_path, **small, compile="on", second_pass={"share": 0.5, "lr": 0.001, "batch": 96}
    )
    assert [report.metrics["samples"] for report in reports] == [5120, 8640, 10560]
    assert all(0 < report.metrics["val_loss"] < 3 for report in reports)
    assert "torch.compile" not in caplog.text


LANGUAGE: dict[str, Any] = {
    "n_layers": 2,
    "d_model": 768,
    "n_heads": 6,
    "d_ff": 1024,
    "vocabulary": 50_304,
    "context": 4096,
    "batch": 4,
    "micro_batch": "auto",
    "position": "half_rotary",
    "qk_norm": True,
    "tied_head": False,
    "initialisation": "fan_in",
    "zero_init": True,
    "document_mask": True,
    "window": [64, 1792],
    "optimizer": "muon",
    "schedule": "constant_linear",
    "steps": 4,
    "eval_every": 2,
    "val_tokens": 16_384,
}
"""Heads, vocabulary and masks of the 124M model, with two blocks and shorter sequences."""


def language_model(
    folder: Path, device: torch.device, resume: Snapshot | None = None, **settings: object
) -> tuple[list[Report], Snapshot]:
    """Train it, and return the reports and the checkpoint of step 2."""
    task = get_task("gpt2")
    config = task.config_class.model_validate({**LANGUAGE, **settings})
    task.prepare(config)
    reports: list[Report] = []
    path = folder / "middle.pt"

    def report(row: Report, snapshot: Callable[[], Snapshot]) -> None:
        reports.append(row)
        if row.step == 2:
            save(snapshot(), path)

    assert train(task, config, device=device, report=report, start=Start(resume=resume)) == "finished"
    return reports, load(path)


@needs_bf16
@needs_triton
def test_a_language_model_trains_in_blocks_and_in_parts_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    reports, middle = language_model(tmp_path, DEVICE)
    assert "FlexAttention" in str(reports[0].engine)
    losses = [report.metrics["val_loss"] for report in reports]
    assert 0 < losses[1] < losses[0] < 12
    assert all(0 < report.metrics["peak_memory"] < 2**17 for report in reports)
    assert caplog.text == "", "nothing was given up"
    (resumed,), _ = language_model(tmp_path, DEVICE, resume=middle)
    assert resumed.metrics["val_loss"] == pytest.approx(losses[1], abs=0.02)
    by_products, _ = language_model(tmp_path, DEVICE, attention="sdpa", compile="off", micro_batch=1)
    assert by_products[0].metrics["val_loss"] == pytest.approx(losses[0], abs=0.05)


def test_a_retraining_says_which_gpu_it_was_on(tmp_path: Path):
    space = tmp_path / "space.yaml"
    space.write_text("""
name: small-text
task: gpt2
objectives: [{metric: val_loss, direction: min}]
target: {val_loss: 1.0}
fixed: {n_layers: 1, n_heads: 2, d_model: 32, d_ff: 64, context: 32, batch: 4, steps: 4, eval_every: 2,
  val_tokens: 256, compile: "off"}
only: [{lr: 0.01}]
""")
    results = tmp_path / "results"
    assert run_cli("search", space, "--results", results).code == 0
    retrained = ["retrain", "small-text", "--configuration", "0", "--seeds", "2", "--problems", "5"]
    done = run_cli(*retrained, "--results", results, "--device", "cuda")
    assert done.code == 0, done.err
    place = results / "small-text" / "retrain" / "c000"
    content = json.loads((place / "report.json").read_text())
    assert (content["device"], content["gpu"]) == ("cuda", torch.cuda.get_device_name(DEVICE))
    assert f"\n| {content['gpu']} |" in (place / "report.md").read_text()
