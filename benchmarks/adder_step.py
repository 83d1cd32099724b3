"""How long one training step of a small adder takes: textbook PyTorch, compiled, and our two engines.

There are two textbooks: attention written out, and PyTorch's scaled_dot_product_attention.

    python benchmarks/adder_step.py
    python benchmarks/adder_step.py --models 777 --batches 512 --rounds 9

Every variant takes the same steps: a batch of the training stream, the loss, its gradients, clipping, AdamW.
They take turns, one thread each, and a ratio is that of two variants in the same round; shown are the
median over the rounds and the smallest and largest ratio.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from textbook import TextbookTransformer

from trainables.addition.config import AdditionConfig
from trainables.addition.formats import make_format
from trainables.addition.native.compiler import Compiler, find_compiler
from trainables.addition.native.engine import NativeEngine
from trainables.addition.native.problems import NativeProblems
from trainables.addition.native.steps import NativeSteps
from trainables.addition.stream import TrainingStream
from trainables.addition.workload import AdditionWorkload
from trainables.contract import parameter_count
from trainables.optim.optimization import Optimization, one_group
from trainables.tasks import get_task
from trainables.transformer.model import Transformer

CPU = torch.device("cpu")
ROTARY_62 = {
    "format": "aligned", "d_model": 3, "head_width": 4, "embedding": "arc", "position": "rotary",
    "rope_theta": 3.0, "norm": "rmsnorm", "qk_norm": "separate", "value_projection": "query",
    "output_projection": "query_transposed", "d_ff": 2, "activation": "swiglu",
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "777": {"digits": 10, "d_model": 7, "d_ff": 14},
    "1360": {"digits": 10, "d_model": 8, "d_ff": 32, "ffn_bias": True, "tied_embeddings": False},
    "62": {"digits": 10, **ROTARY_62},
    "2-layer": {"digits": 10, "d_model": 16, "n_layers": 2, "d_ff": 64},
    "3-digit": {"digits": 3, "format": "characters", "d_model": 48, "n_heads": 4, "d_ff": 192},
}
"""By the names that --models takes: family G and Q, the published 777, 1,360 and 62 parameters among them."""

TEXTBOOKS = ("textbook", "fused textbook")

RECIPE = {"lr": 0.001, "steps": 1_000_000}

Step = Callable[[int], int]
"""Takes the step of a number, or more from there on, and returns how many."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batches", nargs="+", type=int, default=[128, 512])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7, help="of one variant in one round")
    parser.add_argument("--without-compile", action="store_true", help="leave torch.compile out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    compiler = find_compiler()
    if compiler is None:
        parser.error("there is no C++ compiler, so there is no native engine to measure")
    console = Console(width=160)
    console.print(
        f"torch {torch.__version__}, one thread, {torch.backends.cpu.get_cpu_capability()}; "
        f"{compiler.version}; {options.rounds} rounds"
    )
    table = Table("parameters", "batch", "variant", "ms a step", "times textbook", "times fused textbook")
    for name in options.models:
        for batch in options.batches:
            config = AdditionConfig.model_validate({**MODELS[name], "batch": batch, **RECIPE})
            steps = variants(config, compiler, with_compile=not options.without_compile)
            times = measure(steps, options.rounds, options.seconds)
            params = f"{parameter_count(get_task('addition'), config):,}"
            for variant, spent in times.items():
                table.add_row(
                    *(params, str(batch), variant, f"{1000 * statistics.median(spent):.3f}"),
                    *(ratios_to(times[textbook], spent) for textbook in TEXTBOOKS),
                )
            table.add_section()
    console.print(table)


def ratios_to(reference: list[float], spent: list[float]) -> str:
    """Return how many times as fast as a reference: the median over the rounds, and the range."""
    ratios = [one / other for one, other in zip(reference, spent, strict=True)]
    return f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"


def variants(config: AdditionConfig, compiler: Compiler, *, with_compile: bool) -> dict[str, Step]:
    """Return what one step of each variant is, after checking that they compute the same loss."""
    workload = AdditionWorkload(config.model_copy(update={"engine": "torch"}), CPU)
    found = {name: textbook_step(config, workload, fused=name != "textbook") for name in TEXTBOOKS}
    if with_compile:
        found["torch.compile"] = textbook_step(config, workload, compiled=True)
    found["our torch engine"] = engine_step(config, workload)
    native = NativeEngine(config, compiler)
    found["native"] = native_step(config, native)
    if platform.machine() == "x86_64":
        avx2 = NativeEngine(config, Compiler(compiler.path, compiler.version, "x86-64-v3"))
        found["native, AVX2 build"] = native_step(config, avx2)
    check(config, workload, native)
    return found


def textbook_step(
    config: AdditionConfig, workload: AdditionWorkload, *, compiled: bool = False, fused: bool = False
) -> Step:
    """Return a step as PyTorch's tutorials write it."""
    model = TextbookTransformer(config, fused_attention=fused)
    loss_of = model
    if compiled:
        torch.compiler.reset()
        loss_of = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)

    def step(number: int) -> int:
        optimizer.zero_grad()
        loss = loss_of(workload.batch(number))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return 1

    return step


def engine_step(config: AdditionConfig, workload: AdditionWorkload) -> Step:
    """Return a step as the training loop takes it with PyTorch."""
    model = workload.build_model()
    optimization = Optimization(workload.parameter_groups(model), config)

    def step(number: int) -> int:
        optimization.differentiate([workload.loss(model, workload.batch(number))])
        optimization.step(number=number, rate=config.lr, weight_decay=0.01)
        return 1

    return step


def native_step(config: AdditionConfig, engine: NativeEngine) -> Step:
    """Return steps as the training loop has them taken by the kernel: as many as are drawn together."""
    assert engine.derivation is not None
    form = make_format(config.layout)
    stream = TrainingStream(config, form, CPU, NativeProblems(engine.library, config.layout).draw)
    model = Transformer(config, vocabulary=config.layout.vocabulary, positions=config.layout.positions)
    optimization = Optimization(one_group(model, config), config)
    steps = NativeSteps(engine, engine.derivation, model, config)

    def step(number: int) -> int:
        return len(steps.take(optimization, stream.next_batches(number, 32), number))

    return step


def check(config: AdditionConfig, workload: AdditionWorkload, native: NativeEngine) -> None:
    """Make sure that textbook and engines compute the same thing: the same weights, the same loss."""
    torch.manual_seed(0)
    ours, theirs, batch = workload.build_model(), TextbookTransformer(config), workload.batch(1)
    named = dict(ours.named_parameters())
    renamed = {
        "embedding.weight": "tokens.weight", "embedding.amplitude": "arc.amplitude",
        "embedding.start": "arc.start", "embedding.stride": "arc.stride",
        "positions.weight": "positions.weight", "final_norm.weight": "norm.weight",
        "final_norm.bias": "norm.bias", "head": "head.weight",
    }  # fmt: skip
    inside = {
        "attention_norm": "norm1", "ffn_norm": "norm2", "attention.query_norm": "query_norm",
        "attention.key_norm": "key_norm", "attention.": "", "feed_forward.": "",
        "up_bias": "up.bias", "down_bias": "down.bias",
    }  # fmt: skip
    state = theirs.state_dict()
    for name, parameter in named.items():
        other = renamed.get(name, name)
        if name.startswith("blocks."):
            for old, new in inside.items():
                other = other.replace(old, new)
        assert state[other].shape == parameter.shape, (name, other)
        state[other] = parameter.detach()
    theirs.load_state_dict(state)
    losses = [theirs(batch).item(), workload.loss(ours, batch).item(), native.loss(ours, batch).item()]
    assert max(losses) - min(losses) < 1e-4, losses


def measure(steps: dict[str, Step], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return seconds per step of every variant in every round; they take turns."""
    for step in steps.values():
        for number in range(1, 4):
            step(number)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            count, began = 0, time.perf_counter()
            while (spent := time.perf_counter() - began) < seconds or count < 3:
                count += step(count + 1)
            times[name].append(spent / count)
    return times


if __name__ == "__main__":
    main()
