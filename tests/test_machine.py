"""bf16 and torch.compile: taken where the machine has them, and never at the price of a run."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainables.addition.config import AdditionConfig
from trainables.addition.task import AdditionTask
from trainables.config import TrainingConfig
from trainables.contract import Report
from trainables.loop import train
from trainables.machine import forward_context, why_not_compile

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SMALL = {"digits": 1, "d_model": 8, "d_ff": 8, "batch": 8, "steps": 6, "eval_every": 2, "val_problems": 5}


def losses(**values: object) -> list[float]:
    reports: list[Report] = []
    config = AdditionConfig.model_validate({**SMALL, **values})
    train(AdditionTask(), config, device=CPU, report=lambda row, _: reports.append(row))
    return [row.metrics["train_loss"] for row in reports]


def test_on_a_cpu_auto_is_float32_and_not_compiled() -> None:
    config = TrainingConfig()
    assert isinstance(forward_context(nn.Linear(2000, 1000), config, CPU), nullcontext)
    assert why_not_compile(config, CPU) == "on a CPU compiling takes longer than it saves"
    assert why_not_compile(TrainingConfig(compile="off"), CUDA) == "it is switched off"
    assert why_not_compile(TrainingConfig(compile="on"), CPU) is None


def test_compiling_for_a_gpu_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert why_not_compile(TrainingConfig(), CUDA) == "triton is not installed"


def test_on_a_gpu_auto_takes_bf16_for_large_models_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    monkeypatch.setattr(torch, "autocast", lambda kind, dtype: (kind, dtype))
    small, large = nn.Linear(10, 10), nn.Linear(1000, 1000)
    assert isinstance(forward_context(small, TrainingConfig(), CUDA), nullcontext)
    assert forward_context(large, TrainingConfig(), CUDA) == ("cuda", torch.bfloat16)
    assert isinstance(forward_context(large, TrainingConfig(precision="float32"), CUDA), nullcontext)


def test_a_gpu_without_bf16_trains_in_float32_and_says_so_when_asked_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "GTX 1080")
    large = nn.Linear(1000, 1000)
    assert isinstance(forward_context(large, TrainingConfig(), CUDA), nullcontext)
    assert not caplog.records
    assert isinstance(forward_context(large, TrainingConfig(precision="bf16"), CUDA), nullcontext)
    assert caplog.messages == ["GTX 1080 has no bf16; training in float32"]


def test_bf16_rounds_training_and_leaves_weights_and_validation_in_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, set[torch.dtype]] = {"training": set(), "validation": set()}
    from trainables.transformer.model import Transformer

    forward = Transformer.forward

    def watched(self: Transformer, tokens: Tensor, **options: int) -> Tensor:
        logits = forward(self, tokens, **options)
        seen["training" if self.training else "validation"].add(logits.dtype)
        assert {parameter.dtype for parameter in self.parameters()} == {torch.float32}
        return logits

    monkeypatch.setattr(Transformer, "forward", watched)
    assert losses(precision="bf16")[-1] > 0
    assert seen == {"training": {torch.bfloat16}, "validation": {torch.float32}}


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_training_gives_the_losses_of_eager_training() -> None:
    assert losses(compile="on") == pytest.approx(losses(compile="off"), rel=1e-4)


def test_where_compiling_fails_training_goes_on_without_and_says_so_once(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from test_machine import losses\n"
        "print(losses(compile='on') == losses(compile='off'))\n"
    )
    broken = {"CXX": "/bin/false", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        env={**os.environ, **broken},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"
    warnings = [line for line in done.stderr.splitlines() if "torch.compile" in line]
    assert len(warnings) == 1, done.stderr
    assert warnings[0].startswith("torch.compile failed and is not used: ")


def test_an_error_of_the_model_itself_is_not_taken_for_one_of_the_compiler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from trainables.addition.workload import AdditionWorkload

    def broken(self: AdditionWorkload, model: nn.Module, batch: Tensor) -> Tensor:
        raise RuntimeError("the data is wrong")

    monkeypatch.setattr(AdditionWorkload, "loss", broken)
    with caplog.at_level(logging.WARNING), pytest.raises(RuntimeError, match="the data is wrong"):
        losses(compile="on")
    with pytest.raises(RuntimeError, match="the data is wrong"):
        losses()
