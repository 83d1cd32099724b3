"""The native engine in use: which configurations have it, what it shares with PyTorch, what it detects."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.native_kernels import CPU, compiler, needs_compiler, some_model, some_sequences
from helpers.training import run, trained_adder, without_times
from torch import Tensor

from trainables.addition.config import AdditionConfig
from trainables.addition.native import choice
from trainables.addition.native.choice import choose_engine
from trainables.addition.native.compiler import Compiler, find_compiler
from trainables.addition.native.engine import NativeEngine
from trainables.addition.workload import AdditionWorkload
from trainables.checkpoints import load_model
from trainables.config import TrainingConfig
from trainables.contract import Report
from trainables.tasks import get_task

pytestmark = needs_compiler

TASK = get_task("addition")
SMALL: dict[str, Any] = {
    "digits": 2, "d_model": 8, "d_ff": 16, "n_heads": 2, "lr": 0.01, "batch": 32,
    "steps": 60, "eval_every": 20, "val_problems": 200, "engine": "native",
}  # fmt: skip


def small(**values: Any) -> AdditionConfig:
    return AdditionConfig.model_validate({**SMALL, **values})


def trained(config: TrainingConfig, **options: Any) -> tuple[str, list[Report]]:
    return run(TASK, config, **options)


def values_of(reports: list[Report]) -> list[dict[str, float]]:
    return [without_times(report.metrics) for report in reports]


# Which engine a configuration has


def test_auto_takes_the_native_engine_on_a_cpu_and_says_so() -> None:
    engine, why = choose_engine(small(engine="auto"), CPU)
    assert isinstance(engine, NativeEngine)
    assert why == f"native, compiled by {compiler().version}"


def test_the_first_report_says_which_engine_and_the_others_do_not() -> None:
    for asked, said in (("auto", "native, compiled by"), ("torch", "PyTorch, as asked")):
        _, reports = trained(small(engine=asked))
        assert reports[0].engine is not None
        assert reports[0].engine.startswith(said)
        assert [report.engine for report in reports[1:]] == [None, None]
        assert "engine" in reports[0].as_row()
        assert "engine" not in reports[1].as_row()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"dropout": 0.1}, "dropout is 0.1"),
        ({"precision": "bf16"}, "precision is bf16"),
        ({"compile": "on"}, "compile is on"),
    ],
)
def test_what_only_pytorch_can_do_is_done_there_with_a_reason(values: dict[str, Any], reason: str) -> None:
    engine, why = choose_engine(small(**values, engine="auto"), CPU)
    assert engine is None
    assert why.startswith(f"PyTorch, because {reason}")
    assert "\n" not in why
    with pytest.raises(ValueError, match=f"engine native cannot be used: {reason}"):
        small(**values, engine="native")


def test_a_large_model_is_left_to_pytorch_unless_asked() -> None:
    large = {"digits": 3, "d_model": 128, "n_heads": 4, "d_ff": 512}
    engine, why = choose_engine(AdditionConfig.model_validate(large), CPU)
    assert engine is None
    assert why.startswith("PyTorch, because it has 200,960 parameters, and auto takes the native engine")
    asked, why = choose_engine(AdditionConfig.model_validate({**large, "engine": "native"}), CPU)
    assert asked is not None
    assert why.startswith("native")


def test_training_on_a_gpu_is_pytorchs() -> None:
    gpu = torch.device("cuda")
    assert choose_engine(small(engine="auto"), gpu) == (None, "PyTorch, because training is on a GPU")
    with pytest.raises(ValueError, match="engine native cannot be used: training is on a GPU"):
        choose_engine(small(engine="native"), gpu)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "find_compiler", lambda: None)
    monkeypatch.delenv("CXX", raising=False)


def test_without_a_compiler_it_is_said_what_to_install(no_compiler: None) -> None:
    engine, why = choose_engine(small(engine="auto"), CPU)
    assert engine is None
    assert why.startswith("PyTorch, because there is no C++ compiler")
    assert "install g++ or clang" in why
    with pytest.raises(ValueError, match="engine auto would use PyTorch"):
        choose_engine(small(engine="native"), CPU)


def test_a_compiler_named_wrongly_is_named(no_compiler: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert choose_engine(small(engine="auto"), CPU)[1].endswith(
        "the variable CXX is 'no-such-compiler', which is not a C++ compiler"
    )


def test_a_compiler_that_fails_costs_a_line_and_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'kernel.cpp:1: error: too tired' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(choice, "find_compiler", lambda: Compiler(str(broken), "tired 1.0"))
    ending, reports = trained(small(steps=20, engine="auto"))
    assert ending == "finished"
    assert reports[0].engine == (
        f"PyTorch, because {broken} (tired 1.0) could not compile the kernel: kernel.cpp:1: error: too tired"
    )


def test_the_variable_cxx_chooses_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is called by another, as with ccache."""
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nexec "$@"\n')
    wrapper.chmod(0o755)
    real = compiler().path
    for value, expected in (
        ("no-such-compiler", None),
        (str(wrapper), None),
        (f"{wrapper} {real}", f"{wrapper} {real}"),
    ):
        monkeypatch.setenv("CXX", value)
        find_compiler.cache_clear()
        found = find_compiler()
        assert (None if found is None else found.path) == expected
    assert found is not None
    monkeypatch.setenv("PARETUNE_CACHE", str(tmp_path / "kernels"))
    assert NativeEngine(small(), found).loss(some_model(small()), some_sequences(small(), 2)).isfinite()
    monkeypatch.undo()
    find_compiler.cache_clear()


# One model, one checkpoint, two engines


def test_both_engines_learn_the_same_from_the_same_seed() -> None:
    """Until rounding has had time to grow, step by step the same losses."""
    settings = {"steps": 10, "eval_every": 1}
    _, native = trained(small(engine="native", **settings))
    _, torchs = trained(small(engine="torch", **settings))
    for ours, theirs in zip(native, torchs, strict=True):
        assert ours.metrics["train_loss"] == pytest.approx(theirs.metrics["train_loss"], rel=1e-4)
        assert ours.metrics["val_loss"] == pytest.approx(theirs.metrics["val_loss"], rel=1e-4)


def test_checkpoints_of_both_engines_hold_the_same_things(tmp_path: Path) -> None:
    shapes = []
    for engine in ("native", "torch"):
        folder = tmp_path / engine
        folder.mkdir()
        snapshot = trained_adder(small(engine=engine), folder)[2][60]
        shapes.append(
            {
                "keys": sorted(snapshot),
                "model": {name: tensor.shape for name, tensor in snapshot["model"].items()},
                "optimizer": sorted(snapshot["optimizer"]["adamw"]["state"]),
            }
        )
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(("first", "then"), [("native", "torch"), ("torch", "native")])
def test_training_goes_on_in_the_other_engine(first: str, then: str, tmp_path: Path) -> None:
    _, whole, snapshots = trained_adder(small(engine=first), tmp_path)
    _, rest = trained(small(engine=then), resume=snapshots[20])
    assert [report.step for report in rest] == [40, 60]
    for ours, theirs in zip(rest, whole[1:], strict=True):
        assert ours.metrics["val_loss"] == pytest.approx(theirs.metrics["val_loss"], rel=1e-2)


def test_what_the_native_engine_trained_is_evaluated_in_pytorch(tmp_path: Path) -> None:
    """Exact match by the engine's one pass equals exact match of PyTorch's own model."""
    config = small(d_model=16, n_heads=4, d_ff=32, steps=1500, eval_every=1500, batch=64)
    _, reports, _ = trained_adder(config, tmp_path)
    loaded = load_model(tmp_path / "1500.pt", CPU)
    in_torch = AdditionWorkload(config.model_copy(update={"engine": "torch"}), CPU)
    measured = in_torch.validate(loaded.model)
    assert reports[-1].metrics["exact_match"] == measured["exact_match"] > 0.1
    assert reports[-1].metrics["token_accuracy"] == measured["token_accuracy"]
    assert reports[-1].metrics["val_loss"] == pytest.approx(measured["val_loss"], rel=1e-4)


@pytest.mark.parametrize(
    "recipe",
    [
        {"schedule": "constant"},
        {"grokfast_lamb": 2.0},
        {"grad_clip": 0.0},
        {"second_pass": {"share": 0.5, "lr": 0.01, "batch": 48}},
        {"finish": "lbfgs", "finish_above": 0.0, "finish_steps": 2, "finish_batch": 64},
        {"finish": "cma_es", "finish_above": 0.0, "finish_steps": 2, "finish_batch": 64},
        {"chain_share": 0.5},
        {"carries": "balanced", "train_problems": 500},
        {"curriculum": [{"digits": [1, 1], "share": 1}, {"digits": [1, 2], "share": 1, "weight_decay": 0.1}]},
    ],
    ids=lambda recipe: next(iter(recipe)),
)
def test_every_recipe_runs_natively(recipe: dict[str, Any]) -> None:
    ending, reports = trained(small(engine="native", **recipe))
    assert ending == "finished"
    assert reports[0].engine is not None
    assert reports[0].engine.startswith("native")
    assert reports[-1].metrics["val_loss"] < 3


# The same again, bit for bit


def test_the_same_seed_gives_the_same_bits_whatever_else_runs() -> None:
    _, alone = trained(small())
    busy = "import math\nwhile True: math.factorial(2000)"
    others = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(4)]
    try:
        torch.rand(17)
        _, crowded = trained(small())
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert values_of(alone) == values_of(crowded)


def test_another_process_gives_the_same_bits() -> None:
    script = (
        "import torch; torch.set_num_threads(1); from test_native_engine import *;"
        "print(repr(values_of(trained(small())[1])))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    torch.set_num_threads(1)
    assert said[0] == said[1] == repr(values_of(trained(small())[1])) + "\n"


def test_two_threads_may_use_two_engines_of_one_kernel() -> None:
    from concurrent.futures import ThreadPoolExecutor

    config = small()
    model, sequences = some_model(config), some_sequences(config, 300)
    one, two = NativeEngine(config, compiler()), NativeEngine(config, compiler())
    right = one.loss(model, sequences).item()
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(lambda engine: [engine.loss(model, sequences).item() for _ in range(50)], (one, two))
        )
    assert found == [[right] * 50] * 2


# What is not finite


def test_a_token_that_there_is_not_makes_the_loss_not_finite() -> None:
    """And reads nothing that is not there: PyTorch would raise, the kernel has no such way out."""
    config = small()
    engine, model, sequences = (
        NativeEngine(config, compiler()),
        some_model(config),
        some_sequences(config, 20),
    )
    for token in (-1, config.layout.vocabulary, 1_000_000_000):
        wrong = sequences.clone()
        wrong[7, 2] = token
        assert math.isnan(engine.loss(model, wrong).item())
    assert math.isfinite(engine.loss(model, sequences).item())


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_bad_weight_makes_the_loss_not_finite_and_no_answer_right(bad: float) -> None:
    """With finite-math-only optimisations a comparison with NaN may come out true, and answers with it."""
    config = small()
    workload = AdditionWorkload(config, CPU)
    model = workload.build_model()
    for name, parameter in model.named_parameters():
        with torch.no_grad():
            before = parameter.flatten()[0].item()
            parameter.view(-1)[0] = bad
        assert not math.isfinite(workload.loss(model, workload.batch(1)).item()), name
        assert workload.validate(model)["exact_match"] == 0, name
        with torch.no_grad():
            parameter.view(-1)[0] = before
    assert math.isfinite(workload.loss(model, workload.batch(1)).item())


def test_activations_let_nan_through() -> None:
    for activation in ("gelu", "relu", "squared_relu", "swiglu"):
        config = small(activation=activation)
        engine = NativeEngine(config, compiler())
        model = some_model(config)
        with torch.no_grad():
            model.blocks[0].feed_forward.up.weight.fill_(math.nan)  # type: ignore[union-attr,operator]
        assert math.isnan(engine.loss(model, some_sequences(config, 3)).item()), activation


def test_a_run_that_loses_its_footing_ends_as_diverged() -> None:
    ending, reports = trained(small(lr=1e30, grad_clip=0.0, steps=300, eval_every=100))
    assert ending == "diverged"
    assert reports[-1].engine is not None
    assert reports[-1].engine.startswith("native")
    assert "exact_match" not in reports[-1].metrics


def test_loading_a_kernel_leaves_small_numbers_alone() -> None:
    """A library linked with -ffast-math by GCC before 13 makes the process flush them to zero."""
    script = (
        "import torch; from helpers.native_kernels import *; from test_native_engine import small;"
        "config = small(); engine = NativeEngine(config, compiler());"
        "engine.loss(some_model(config), some_sequences(config, 3));"
        "tiny = torch.full((64,), 1e-40); print(float((tiny / 2).min()), 1e-310 / 2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    smallest, double = map(float, done.stdout.split())
    assert smallest == pytest.approx(5e-41, rel=1e-3)
    assert double == 5e-311


def test_logits_are_those_of_the_model_for_any_number_of_samples() -> None:
    config = small()
    engine, model = NativeEngine(config, compiler()), some_model(config)
    everything = some_sequences(config, 50)
    whole: Tensor = engine.logits(model, everything)
    assert whole.shape == (50, config.layout.answer_length, config.layout.vocabulary)
    for count in (1, 7, 16, 33):
        assert torch.equal(engine.logits(model, everything[:count]), whole[:count])
