"""Characters of Shakespeare: how soon does a search's winner reach 1.88 nats, beside a baseline?

    python benchmarks/char_lm.py --text tinyshakespeare.txt
    python benchmarks/char_lm.py --download --seeds 500 501 502 --output times.json
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/char_lm.py --text tinyshakespeare.txt

The baseline is a plain GPT as nanoGPT trains it on a CPU: 4 layers, 4 heads, 128 features, block 64, batch
12, 2,000 steps of AdamW (0.9, 0.99), rate 0.001 after 100 steps of warm-up, cosine to a tenth, decay 0.1,
clipping at 1, no dropout, no biases, tied head. The winner is the configuration that `paretune retrain`
would take from a search's rows; only the text, its vocabulary and the validation are replaced. Both read
the same 90 % of the text with one thread, are validated on the same first 65,536 characters of the rest every
25 of the baseline's steps or as many tokens, and take turns, seed by seed. A time is the processor time of
training steps up to the first validation at or below the target, validation left out. A baseline that ends
without it counts with all of its time, so that the ratio is an upper bound. The third command emulates a
processor without AVX-512 and bf16; what it ran with is printed and stands in the output.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from char_lm_baseline import BATCH, BLOCK, EVERY, STEPS, NanoGPT, rate_at
from instructions import instruction_set
from torch import Tensor

from analysis.rows import SearchRows
from paretune.confirm.retraining import choose
from paretune.plan.binding import bind
from paretune.record.provenance import hardware, package_versions
from trainables.contract import Report
from trainables.gpt2.config import GPT2Config
from trainables.gpt2.workload import GPT2Workload
from trainables.loop import train
from trainables.optim.muon import describe
from trainables.tasks import get_task
from trainables.text.building import Document, build_dataset
from trainables.text.dataset import Dataset
from trainables.text.tokenizers import CharsTokenizer

TARGET = 1.88
VAL_TOKENS = 65_536
URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent

Point = dict[str, float]
"""One validation: step, tokens, cpu_seconds, val_loss."""


def main() -> None:
    """Train both on every seed and print the times to the target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--text", type=Path, help="tinyshakespeare as a file")
    source.add_argument("--download", action="store_true", help=f"fetch it from {URL}")
    parser.add_argument("--search", type=Path, default=ROOT / "results" / "published" / "gpt2-laptop")
    parser.add_argument("--configuration", type=int, help="another than the search's winner")
    parser.add_argument("--steps", type=int, help="another horizon than the winner's")
    parser.add_argument("--seeds", nargs="+", type=int, default=[500, 501, 502])
    parser.add_argument("--baseline-steps", type=int, default=STEPS, help="take only the first of its steps")
    parser.add_argument("--val-tokens", type=int, default=VAL_TOKENS, help="characters to validate on")
    parser.add_argument("--output", type=Path, help="where to write the curves as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{instruction_set()}; {describe(CPU)}", flush=True)
    text = options.text.read_text() if options.text else fetched()
    with tempfile.TemporaryDirectory(prefix="paretune-char-lm-") as folder:
        data = build_dataset(
            Path(folder) / "text",
            [Document("tinyshakespeare", text)],
            CharsTokenizer.of([text]),
            source="file",
        )
        config = winner_of(options, data)
        print(json.dumps({"winner": config.model_dump(mode="json")}), flush=True)
        curves: dict[str, list[list[Point]]] = {"baseline": [], "winner": []}
        for seed in options.seeds:
            curves["baseline"].append(list(baseline_curve(data, seed, config, options.baseline_steps)))
            say("baseline", seed, curves["baseline"][-1])
            curves["winner"].append(winner_curve(config.model_copy(update={"seed": seed})))
            say("winner", seed, curves["winner"][-1])
    conclude(curves)
    if options.output is not None:
        about = {
            "hardware": hardware(),
            "instructions": instruction_set(),
            "packages": package_versions(),
            "seeds": options.seeds,
        }
        content = {
            **about,
            "winner": config.model_dump(mode="json", exclude={"data", "seed"}),
            "curves": curves,
        }
        options.output.write_text(json.dumps(content, indent=1) + "\n")


def fetched() -> str:
    """Return the text from the network."""
    with urllib.request.urlopen(URL, timeout=60) as answer:
        content: bytes = answer.read()
    return content.decode()


def winner_of(options: argparse.Namespace, data: Dataset) -> GPT2Config:
    """Return the configuration that retrain would take, to read this text instead."""
    rows = SearchRows(options.search)
    chosen = choose(rows, options.configuration)
    config = bind(rows.plan).config(chosen.values)
    assert isinstance(config, GPT2Config)
    changed: dict[str, Any] = {
        "data": str(data.folder),
        "vocabulary": data.vocabulary,
        "val_tokens": options.val_tokens,
        "val_range": "first",
        "eval_every": max(1, round(EVERY * BATCH * BLOCK / (config.batch * config.context))),
    }
    if options.steps is not None:
        changed["steps"] = options.steps
    return GPT2Config.model_validate(config.model_dump(mode="json") | changed)


def winner_curve(config: GPT2Config) -> list[Point]:
    """Train by the one training loop, and return its validations."""
    points: list[Point] = []

    def note(report: Report, _: object) -> None:
        kept = ("tokens", "cpu_seconds", "val_loss")
        points.append({"step": report.step, **{name: report.metrics[name] for name in kept}})

    train(get_task("gpt2"), config, device=CPU, report=note)
    return points


def baseline_curve(data: Dataset, seed: int, config: GPT2Config, steps: int) -> Iterator[Point]:
    """Train the baseline as a script would, and yield its validations, on the winner's sequences."""
    torch.manual_seed(seed)
    model = NanoGPT(data.vocabulary)
    workload = GPT2Workload(config.model_copy(update={"context": BLOCK}), CPU)
    text = torch.from_numpy(data.read("train", 0, data.length("train"))).long()
    optimizer = model.optimizer()
    spent, began = 0.0, time.process_time()
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        places = torch.randint(len(text) - BLOCK, (BATCH,)).tolist()
        rows = torch.stack([text[place : place + BLOCK + 1] for place in places])
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % EVERY == 0:
            spent += time.process_time() - began
            measured = workload.validate(Evaluated(model))["val_loss"]
            yield {"step": step, "tokens": step * BATCH * BLOCK, "cpu_seconds": spent, "val_loss": measured}
            began = time.process_time()


class Evaluated(torch.nn.Module):
    """The baseline as our validation asks a model: with a mask, which here is the causal one."""

    def __init__(self, model: NanoGPT) -> None:
        super().__init__()
        self.model = model

    def losses(self, tokens: Tensor, mask: object, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return each target's cross-entropy, and whether it was the likeliest."""
        assert mask is None
        logits: Tensor = self.model(tokens)
        nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return nats.view_as(targets), logits.argmax(-1) == targets


def reached(curve: list[Point]) -> Point | None:
    """Return the first validation at or below the target."""
    return next((point for point in curve if point["val_loss"] <= TARGET), None)


def say(name: str, seed: int, curve: list[Point]) -> None:
    """Print how a run went."""
    point = reached(curve)
    when = "not reached"
    if point is not None:
        when = f"{point['cpu_seconds']:.1f} CPU s, {point['tokens']:,.0f} tokens, step {point['step']}"
    print(f"{name:8} seed {seed}: {TARGET} after {when}; ends at {curve[-1]['val_loss']:.4f} after "
          f"{curve[-1]['cpu_seconds']:.1f} CPU s", flush=True)  # fmt: skip


def conclude(curves: dict[str, list[list[Point]]]) -> None:
    """Print means, and the winner's share of the baseline's time."""
    means = {}
    for name, runs in curves.items():
        spent = [reached(curve) or curve[-1] for curve in runs]
        missed = sum(reached(curve) is None for curve in runs)
        seconds = [point["cpu_seconds"] for point in spent]
        means[name] = statistics.fmean(seconds)
        tokens = statistics.fmean(point["tokens"] for point in spent)
        at_least = f", at least: {missed} of {len(runs)} seeds did not reach {TARGET}" if missed else ""
        print(f"{name}: {means[name]:.1f} CPU s on the mean ({min(seconds):.1f} to {max(seconds):.1f}), "
              f"{tokens:,.0f} tokens{at_least}")  # fmt: skip
    if any(reached(curve) is None for curve in curves["winner"]):
        print("no ratio: the winner missed the target")
    else:
        print(f"the winner needs {means['winner'] / means['baseline']:.1%} of the baseline's processor time")


if __name__ == "__main__":
    main()
