"""bf16 and torch.compile: when they are taken, and that neither takes a run with it when it fails."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
from helpers.training import CPU, ScriptedTask, run, same_tensors, trained_adder, without_times
from helpers.training import adder as any_adder
from torch import Tensor, nn

from trainables.config import TrainingConfig
from trainables.machines.execution import CompiledModel, forward_context, why_not_compile
from trainables.optim.optimization import Optimization
from trainables.tasks import TASKS


def adder(**settings: object) -> TrainingConfig:
    """Return an adder that PyTorch trains, whatever else this machine could: compiling is about PyTorch."""
    return any_adder(engine="torch", **settings)


CUDA = torch.device("cuda")
SMALL, LARGE = 999_999, 1_000_000
"""Parameters just below and just at the number from which auto takes bf16."""


def of_size(parameters: int) -> nn.Module:
    return nn.Linear(parameters, 1, bias=False)


def config_with(**fields: object) -> TrainingConfig:
    return TrainingConfig.model_validate(fields)


# Precision


@pytest.mark.parametrize("parameters", [SMALL, LARGE])
@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_cpu_trains_in_float32_unless_bf16_is_asked_for(precision: str, parameters: int) -> None:
    model = of_size(parameters)
    with forward_context(model, config_with(precision=precision), CPU):
        assert not torch.is_autocast_enabled("cpu")
    with forward_context(model, config_with(precision="bf16"), CPU):
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_autocast_dtype("cpu") == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")


def test_auto_is_the_default() -> None:
    assert (TrainingConfig().precision, TrainingConfig().compile) == ("auto", "auto")


@pytest.mark.filterwarnings("ignore:.*CUDA is not available:UserWarning")
@pytest.mark.parametrize(
    ("precision", "parameters", "has_bf16", "expected", "warns"),
    [
        ("auto", SMALL, True, False, False),
        ("auto", LARGE, True, True, False),
        ("auto", LARGE, False, False, False),
        ("bf16", SMALL, True, True, False),
        ("bf16", SMALL, False, False, True),
        ("float32", LARGE, True, False, False),
        ("float32", LARGE, False, False, False),
    ],
)
def test_a_gpu_trains_in_bf16_where_it_has_it_and_the_model_is_large_or_asks_for_it(
    precision: str,
    parameters: int,
    has_bf16: bool,
    expected: bool,
    warns: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked = []

    def is_bf16_supported(including_emulation: bool = True) -> bool:
        asked.append(including_emulation)
        return has_bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    context = forward_context(of_size(parameters), config_with(precision=precision), CUDA)
    assert isinstance(context, torch.autocast) == expected
    if isinstance(context, torch.autocast):
        assert (context.device, context.fast_dtype) == ("cuda", torch.bfloat16)
    messages = [record.getMessage() for record in caplog.records]
    assert messages == (["Old GPU has no bf16; training in float32"] if warns else [])
    assert True not in asked, "emulated bf16 is slower than float32"


def test_bf16_trains_on_a_cpu_too_and_leaves_weights_and_validation_in_float32(tmp_path: Path) -> None:
    config = adder(precision="bf16")
    ending, reports, snapshots = trained_adder(config, tmp_path)
    assert ending == "finished"
    model_state = snapshots[60]["model"]
    assert {weight.dtype for weight in model_state.values() if weight.is_floating_point()} == {torch.float32}
    moments = [state["exp_avg"] for state in snapshots[60]["optimizer"]["adamw"]["state"].values()]
    assert {moment.dtype for moment in moments} == {torch.float32}

    workload = TASKS["addition"].workload(config, CPU)
    model = workload.build_model().eval()
    model.load_state_dict(model_state)
    measured = workload.validate(model)
    assert measured == {name: reports[-1].metrics[name] for name in measured}, "measured in float32"
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert workload.validate(model)["val_loss"] != measured["val_loss"], "bf16 would differ"


def test_bf16_learns_about_what_float32_learns(tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bf16"):
        _, reports, _ = trained_adder(adder(precision=precision), tmp_path)
        losses[precision] = [report.metrics["train_loss"] for report in reports]
    assert losses["bf16"] != losses["float32"]
    assert losses["bf16"] == pytest.approx(losses["float32"], abs=0.1)


def test_training_computes_under_autocast_and_validation_does_not() -> None:
    seen: dict[str, set[bool]] = {"training": set(), "validation": set()}

    class Watching(ScriptedTask):
        def loss(self, model: nn.Module, batch: int) -> Tensor:
            seen["training"].add(torch.is_autocast_enabled("cpu"))
            return super().loss(model, batch)

        def validate(self, model: nn.Module) -> dict[str, float]:
            seen["validation"].add(torch.is_autocast_enabled("cpu"))
            return super().validate(model)

    run(Watching(), config_with(steps=4, eval_every=2, precision="bf16"))
    assert seen == {"training": {True}, "validation": {False}}


def test_the_loss_is_in_float32_under_bf16() -> None:
    workload = TASKS["addition"].workload(adder(), CPU)
    model = workload.build_model()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert workload.loss(model, workload.batch(1)).dtype == torch.float32


# Whether to compile


@pytest.mark.parametrize(
    ("wanted", "device", "triton", "reason"),
    [
        ("off", CPU, True, "it is switched off"),
        ("off", CUDA, True, "it is switched off"),
        ("auto", CPU, True, "on a CPU compiling takes longer than it saves"),
        ("auto", CUDA, True, None),
        ("auto", CUDA, False, "triton is not installed"),
        ("on", CPU, True, None),
        ("on", CPU, False, None),
        ("on", CUDA, True, None),
        ("on", CUDA, False, "triton is not installed"),
    ],
    ids=str,
)
def test_why_a_model_is_not_compiled(
    wanted: str,
    device: torch.device,
    triton: bool,
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if triton else None)
    monkeypatch.setattr(torch, "compile", lambda model: nn.Sequential(model))
    config, model = config_with(compile=wanted), nn.Linear(1, 1)
    assert why_not_compile(config, device) == reason
    compiled = CompiledModel(model, config, device)
    assert (compiled.module is model) == (reason is not None)
    # What was asked for and cannot be is worth a line; what auto decides is not.
    expected = [f"torch.compile is not used: {reason}"] if wanted == "on" and reason else []
    assert [record.getMessage() for record in caplog.records] == expected


def compiled_by(monkeypatch: pytest.MonkeyPatch, make: Callable[[nn.Module], nn.Module]) -> None:
    """Let ``make`` stand for torch.compile."""
    monkeypatch.setattr(torch, "compile", make)


class FailsAtCall(nn.Module):
    """A compiled model whose compiler fails at its n-th call."""

    def __init__(self, model: nn.Module, call: int, error: Exception) -> None:
        super().__init__()
        self.model, self.call, self.error, self.calls = model, call, error, 0

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        self.calls += 1
        if self.calls == self.call:
            raise self.error
        output: Tensor = self.model(*inputs, **options)
        return output


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no compiler\nand a page of text"), "RuntimeError: no compiler"),
        (ValueError("\n  indented \n"), "ValueError: indented"),
        (OSError(), "OSError: "),
    ],
    ids=str,
)
def test_a_compiler_that_fails_is_given_up_once_with_one_line(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compiled_by(monkeypatch, lambda model: nn.Sequential(model))
    model = nn.Linear(1, 1)
    compiled = CompiledModel(model, config_with(compile="on"), CPU)
    assert compiled.module is not model
    compiled.give_up(error)
    assert compiled.module is model
    assert not compiled.is_compiled
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"torch.compile failed and is not used: {told}"]
    assert "\n" not in messages[0]


@pytest.mark.parametrize("call", [1, 2, 17])
@pytest.mark.parametrize("recipe", [{}, {"dropout": 0.2}, {"precision": "bf16"}], ids=str)
def test_training_goes_on_without_a_compiler_that_fails_at_any_step(
    call: int,
    recipe: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And no step is lost, or taken twice."""
    config = {"steps": 20, "eval_every": 10, **recipe}
    _, expected, expected_snapshots = trained_adder(adder(**config), tmp_path)
    compiled_by(monkeypatch, lambda model: FailsAtCall(model, call, RuntimeError("no compiler")))
    ending, reports, snapshots = trained_adder(adder(compile="on", **config), tmp_path)
    assert ending == "finished"
    assert same_tensors(snapshots[20]["model"], expected_snapshots[20]["model"])
    for now, before in zip(reports, expected, strict=True):
        assert without_times(now.metrics) == without_times(before.metrics)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


class FailsBackwards(torch.autograd.Function):
    """What a compiler leaves behind that fails at the backward pass, which it compiles when it is needed."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        return logits.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        raise RuntimeError("no compiler")


class CompiledForwardsOnly(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        output: Tensor = FailsBackwards.apply(self.model(*inputs, **options))
        return output


def test_training_goes_on_without_a_compiler_that_fails_at_the_backward_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled_by(monkeypatch, CompiledForwardsOnly)
    ending, _ = run(TASKS["addition"], adder(compile="on", steps=4, eval_every=2))
    assert ending == "finished"


@pytest.mark.parametrize("recipe", [{}, {"grokfast_lamb": 2.0}, {"dropout": 0.2}], ids=str)
def test_a_step_whose_backward_pass_fails_is_taken_again_as_if_it_had_not_been_tried(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"steps": 4, "eval_every": 2, **recipe}
    _, expected, expected_snapshots = trained_adder(adder(**config), tmp_path)
    compiled_by(monkeypatch, CompiledForwardsOnly)
    _, reports, snapshots = trained_adder(adder(compile="on", **config), tmp_path)
    assert same_tensors(snapshots[4]["model"], expected_snapshots[4]["model"])
    assert without_times(reports[-1].metrics) == without_times(expected[-1].metrics)


def test_a_model_that_does_not_fit_is_not_tried_again_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As it is, it needs more; and the compiler is not what is to blame."""
    compiled_by(monkeypatch, lambda model: FailsAtCall(model, 3, torch.OutOfMemoryError("out of memory")))
    with pytest.raises(torch.OutOfMemoryError):
        run(TASKS["addition"], adder(compile="on", steps=4, eval_every=2))
    assert not caplog.records


def test_a_step_that_the_optimizer_fails_at_is_not_taken_twice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[int] = []

    def failing(self: Optimization, *, number: int, **given: float) -> None:
        calls.append(number)
        raise RuntimeError("a wrong step")

    compiled_by(monkeypatch, lambda model: FailsAtCall(model, 0, RuntimeError()))
    monkeypatch.setattr(Optimization, "step", failing)
    with pytest.raises(RuntimeError, match="a wrong step"):
        run(TASKS["addition"], adder(compile="on", steps=4, eval_every=2))
    assert calls == [1]
    assert not caplog.records


def test_an_error_of_the_model_itself_is_raised_whether_compiled_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class WrongBatch(ScriptedTask):
        def build_model(self) -> nn.Module:
            return nn.Linear(3, 1)

        def loss(self, model: nn.Module, batch: int) -> Tensor:
            return model(torch.ones(2, 3 if batch < 3 else 4)).sum()

    compiled_by(monkeypatch, nn.Sequential)
    for wanted in ("on", "off"):
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            run(WrongBatch(), config_with(steps=4, compile=wanted))


def test_validation_and_checkpoints_are_those_of_the_model_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiled module would prefix the names of the weights, and compile validation once more."""
    called = []

    class Watching(nn.Sequential):
        def forward(self, *inputs: Any, **options: Any) -> Tensor:
            called.append(self.training)
            output: Tensor = self[0](*inputs, **options)
            return output

    compiled_by(monkeypatch, Watching)
    _, _, snapshots = trained_adder(adder(compile="on", steps=4, eval_every=2), tmp_path)
    assert len(called) == 5, "once to be compiled, then in training, and nowhere else"
    expected = TASKS["addition"].workload(adder(), CPU).build_model().state_dict()
    assert snapshots[4]["model"].keys() == expected.keys()


def test_what_a_compiler_logs_before_it_fails_is_not_printed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Inductor's dump of a whole failed compilation, on some machines; TORCH_LOGS asks for it."""

    class Dumping(nn.Sequential):
        def forward(self, *inputs: Any, **options: Any) -> Tensor:
            logging.getLogger("torch._inductor.async_compile").error("Traceback\n  and the whole kernel")
            raise RuntimeError("C++ compile error\nand the whole command")

    dynamo = [logging.getLogger(name) for name in ("torch._dynamo", "torch._functorch", "torch._inductor")]
    for logger in dynamo:
        monkeypatch.setattr(logger, "level", logging.WARNING)
    compiled_by(monkeypatch, Dumping)
    monkeypatch.delenv("TORCH_LOGS", raising=False)
    ending, _ = run(TASKS["addition"], adder(compile="on", steps=2))
    assert ending == "finished"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "torch.compile failed and is not used: RuntimeError: C++ compile error"


# Compiling for real


def graphs_run(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let torch.compile trace for real but run graphs as they are; return how many nodes each run one has."""
    ran: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        def call(*inputs: Any) -> Any:
            ran.append(len(graph.graph.nodes))
            return graph.forward(*inputs)

        return call

    real = torch.compile
    compiled_by(monkeypatch, lambda model: real(model, backend=backend))
    return ran


@pytest.fixture
def nothing_compiled():
    """Neither this test nor the next one finds what another has compiled."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("nothing_compiled")
@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"dropout": 0.2, "precision": "bf16"},
        {"second_pass": {"share": 0.5, "lr": 0.01, "batch": 24}},
        {"norm": "rmsnorm", "position": "rotary", "activation": "swiglu", "n_layers": 2},
    ],
    ids=str,
)
def test_a_transformer_is_one_graph_that_computes_the_same(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"steps": 20, "eval_every": 10, **recipe}
    _, expected, _ = trained_adder(adder(**config), tmp_path)
    ran = graphs_run(monkeypatch)
    _, reports, _ = trained_adder(adder(compile="on", **config), tmp_path)
    for now, before in zip(reports, expected, strict=True):
        assert without_times(now.metrics) == pytest.approx(without_times(before.metrics), rel=1e-4)
    assert len(ran) == 21, "one graph, before the clock starts and in every step"
    assert [record for record in caplog.records if record.name == "trainables.machines.execution"] == []


@pytest.mark.usefixtures("nothing_compiled")
def test_a_worker_that_has_compiled_many_models_compiles_the_next_one_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers are reused; the ninth shape would silently be trained without a compiler."""
    ran = graphs_run(monkeypatch)
    for trial in range(1, 11):
        ran.clear()
        run(TASKS["addition"], adder(compile="on", steps=1, d_model=2 * trial, val_problems=1))
        assert len(ran) == 2, f"trial {trial} was not compiled"


SCRIPT = """
import json, logging, sys, torch
sys.path.insert(0, {tests!r})
from test_execution import {task}
logging.basicConfig(level=logging.WARNING)
torch.set_num_threads(1)
print(json.dumps({task}(sys.argv[1])))
"""


def losses_of_gain(wanted: str) -> list[float]:
    """Train the smallest model that has something to compile in both directions."""

    class Gain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.linspace(-1, 1, 7))

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(x * self.weight).square()

    class Gains(ScriptedTask):
        def build_model(self) -> nn.Module:
            return Gain()

        def loss(self, model: nn.Module, batch: int) -> Tensor:
            return model(torch.linspace(0, 1, 21).view(3, 7)).sum()

    _, reports = run(Gains(), config_with(steps=12, eval_every=3, lr=0.1, compile=wanted))
    return [report.metrics["train_loss"] for report in reports]


def losses_of_adder(wanted: str) -> list[float]:
    _, reports = run(TASKS["addition"], adder(steps=8, eval_every=2, compile=wanted))
    return [report.metrics["train_loss"] for report in reports]


def in_a_process(task: str, wanted: str, cache: Path, **environment: str) -> tuple[list[float], str]:
    """Return the losses of a run in a new process, which finds nothing compiled, and its errors."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(tests=str(Path(__file__).parent), task=task), wanted],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        # The machine's vector instructions are taken as given: trying them takes seconds.
        env={
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
            "TORCHINDUCTOR_VEC_ISA_OK": "1",
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    losses: list[float] = json.loads(done.stdout)
    return losses, done.stderr


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_model_trains_as_it_does_without(tmp_path: Path) -> None:
    losses, errors = in_a_process("losses_of_gain", "on", tmp_path)
    assert losses == pytest.approx(losses_of_gain("off"), rel=1e-5)
    assert losses[-1] < 0.9 * losses[0]
    assert errors == ""
    assert any(tmp_path.rglob("*.so")), "something was compiled"


def test_a_broken_compiler_costs_one_line_of_warning(tmp_path: Path) -> None:
    losses, errors = in_a_process("losses_of_adder", "on", tmp_path, CXX="/bin/false")
    assert losses == losses_of_adder("off")
    (line,) = errors.splitlines()
    assert line.startswith("WARNING:trainables.machines.execution:torch.compile failed and is not used: ")
    assert "/bin/false" in line
