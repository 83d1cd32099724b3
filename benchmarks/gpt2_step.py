"""How long one training step of a small GPT-2 takes: nanoGPT's own, ours, and ours with Muon.

    python benchmarks/gpt2_step.py
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/gpt2_step.py --threads 1

All variants have 4 layers of 128 features, 4 heads, context 64 and batch 12, and read the same text: this
repository's pages, as bytes. A step is the batch, the loss, its gradients, clipping where the recipe clips,
and the optimizer. Variants take turns; a ratio is that of two variants in the same round, and shown are
medians over the rounds, and the smallest and largest ratio. All variants keep freed memory, as our training
does. The second command emulates a processor without AVX-512 and bf16 on one that has them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from char_lm_baseline import BATCH, BLOCK, HEADS, LAYERS, WIDTH, NanoGPT
from instructions import instruction_set
from rich.console import Console
from rich.table import Table

from analysis.rows import SearchRows
from paretune.confirm.retraining import choose
from paretune.plan.binding import bind
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.workload import GPT2Workload
from trainables.optim.muon import describe
from trainables.optim.optimization import Optimization
from trainables.text.building import Document, build_dataset
from trainables.text.dataset import Dataset
from trainables.text.tokenizers import BytesTokenizer

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "results" / "published" / "gpt2-laptop"
SHAPE: dict[str, Any] = {
    "n_layers": LAYERS, "n_heads": HEADS, "d_model": WIDTH, "d_ff": 4 * WIDTH,
    "context": BLOCK, "batch": BATCH, "val_tokens": BLOCK, "steps": 1_000_000,
}  # fmt: skip
PLAIN = {"bias": False, "lr": 1e-3, "beta2": 0.99, "weight_decay": 0.1, "grad_clip": 1.0}

Step = Callable[[int], None]


def main() -> None:
    """Measure, and print a table for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=10, help="of one variant in one round")
    parser.add_argument("--variants", nargs="+", help="only these, nanoGPT among them")
    parser.add_argument(
        "--clock",
        choices=["elapsed", "processor"],
        default="elapsed",
        help="which time tokens per second and ratios are of; processor where other programs run",
    )
    options = parser.parse_args()
    console = Console(width=140)
    with tempfile.TemporaryDirectory(prefix="paretune-gpt2-step-") as folder:
        pages = [page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))]
        documents = [Document(str(number), page) for number, page in enumerate(pages)]
        data = build_dataset(Path(folder) / "text", documents, BytesTokenizer(), source="file")
        steps = variants(data)
        if options.variants:
            steps = {name: step for name, step in steps.items() if name in {"nanoGPT", *options.variants}}
        for threads in options.threads:
            torch.set_num_threads(threads)
            times = measure(steps, options.rounds, options.steps)
            console.print(
                f"torch {torch.__version__}, {instruction_set()}, threads: {threads}; "
                f"{describe(CPU)}; {options.rounds} rounds of {options.steps} steps"
            )
            console.print(table_of(times, options.clock))


def variants(data: Dataset) -> dict[str, Step]:
    """Return what one step of each variant is."""
    rows = SearchRows(PUBLISHED)
    winner = bind(rows.plan).config(choose(rows, None).values)
    modern = winner.model_dump(mode="json") | SHAPE

    def config(fields: dict[str, Any], optimizer: str) -> GPT2Config:
        own = {"data": str(data.folder), "vocabulary": data.vocabulary, "optimizer": optimizer}
        return GPT2Config.model_validate(fields | own)

    return {
        "nanoGPT": nanogpt_step(data),
        "plain": our_step(config({**SHAPE, **PLAIN}, "adamw")),
        "plain, Muon": our_step(config({**SHAPE, **PLAIN}, "muon")),
        "winner, AdamW": our_step(config(modern, "adamw")),
        "winner": our_step(config(modern, "muon")),
        "winner, torch.optim.Muon": our_step(config(modern, "muon"), muon=torch.optim.Muon),
    }


def nanogpt_step(data: Dataset) -> Step:
    """Return a step as nanoGPT takes it on a CPU."""
    torch.manual_seed(0)
    model = NanoGPT(data.vocabulary)
    optimizer = model.optimizer()
    text = torch.from_numpy(data.read("train", 0, data.length("train"))).long()

    def step(number: int) -> None:
        places = torch.randint(len(text) - BLOCK, (BATCH,)).tolist()
        inputs = torch.stack([text[place : place + BLOCK] for place in places])
        targets = torch.stack([text[place + 1 : place + 1 + BLOCK] for place in places])
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def our_step(config: GPT2Config, muon: type[torch.optim.Muon] | None = None) -> Step:
    """Return a step as the training loop takes it; ``muon`` replaces our own, for comparison."""
    torch.manual_seed(0)
    workload = GPT2Workload(config, CPU)
    model = workload.build_model()
    optimization = Optimization(workload.parameter_groups(model), config)
    if muon is not None:
        ours = optimization._optimizers["muon"]
        optimization._optimizers["muon"] = muon(ours.param_groups, lr=0.0, weight_decay=0.0)

    def step(number: int) -> None:
        optimization.differentiate([workload.loss(model, workload.batch(number))])
        rate = config.lr if config.optimizer == "adamw" else config.muon_lr
        optimization.step(number=number, rate=rate, weight_decay=config.weight_decay)

    return step


def measure(steps: dict[str, Step], rounds: int, count: int) -> dict[str, list[tuple[float, float]]]:
    """Return elapsed and processor seconds per step of every variant in every round; they take turns."""
    for step in steps.values():
        for number in (1, 2):
            step(number)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            elapsed, processor = time.perf_counter(), time.process_time()
            for number in range(1, count + 1):
                step(number)
            spent = time.perf_counter() - elapsed, time.process_time() - processor
            times[name].append((spent[0] / count, spent[1] / count))
    return times


def table_of(times: dict[str, list[tuple[float, float]]], clock: str) -> Table:
    """Return medians, and tokens per second as a multiple of nanoGPT's."""
    table = Table("variant", "ms a step", "processor ms", "tokens/s", "times nanoGPT", "range")
    which = ("elapsed", "processor").index(clock)
    for name, rounds in times.items():
        ratios = [one[which] / other[which] for one, other in zip(times["nanoGPT"], rounds, strict=True)]
        elapsed, processor = (statistics.median(column) for column in zip(*rounds, strict=True))
        table.add_row(
            *(name, f"{1000 * elapsed:.1f}", f"{1000 * processor:.1f}"),
            f"{BATCH * BLOCK / (elapsed, processor)[which]:,.0f}",
            *(f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}"),
        )
    return table


if __name__ == "__main__":
    main()
