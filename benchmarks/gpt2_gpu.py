"""The 124M model on one GPU: its speed, memory and utilisation with FlexAttention and without.

    python benchmarks/gpt2_gpu.py --data data/fineweb
    python benchmarks/gpt2_gpu.py --data data/books --steps 300 --attention flex --output curve.json

Trains the corrected configuration of `search_spaces/gpt2_124m.yaml` for some steps of its schedule with each
way to attend, in one process, one after the other, and prints what the training loop measured between the
reports: compilation and validation are left out. With `--set` a field of the configuration is changed, as in
`--set context=8192 --set batch=64`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML

from paretune.plan.loading import load_bound
from paretune.record.provenance import hardware, package_versions
from search_spaces.loader import SpaceFile
from trainables.contract import Report
from trainables.loop import train
from trainables.tasks import get_task

SPACE = Path(__file__).parent.parent / "search_spaces" / "gpt2_124m.yaml"
CORRECTED = 1


def main() -> None:
    """Measure each way to attend and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="a data set in GPT-2's tokens; see `paretune data`")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--every", type=int, default=10, help="steps between two reports")
    parser.add_argument("--attention", nargs="+", choices=["flex", "sdpa"], default=["flex", "sdpa"])
    parser.add_argument("--val-tokens", type=int, default=524_288)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--output", type=Path, help="where to write every report as JSON")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    changed = {
        "data": options.data,
        "steps": options.steps,
        "eval_every": options.every,
        "val_tokens": options.val_tokens,
        **dict(stated(text) for text in options.set),
    }
    curves = {way: curve({**changed, "attention": way}, device) for way in options.attention}
    machine = {"hardware": hardware(), "packages": package_versions(), "changed": changed}
    print(json.dumps(machine))
    print("| attention | tokens/s | peak memory | utilisation | validation loss |")
    print("| --- | --- | --- | --- | --- |")
    for way, reports in curves.items():
        # The first stretch has what a GPU does only once.
        later = reports[1:] or reports
        speed = statistics.median(row["tokens_per_second"] for row in later)
        shares = [row["mfu"] for row in later if "mfu" in row]
        used = f"{statistics.median(shares):.1%}" if shares else "unknown peak"
        memory = reports[-1].get("peak_memory", float("nan")) / 1024
        print(f"| {way} | {speed:,.0f} | {memory:.1f} GiB | {used} | {reports[-1]['val_loss']:.4f} |")
    if options.output is not None:
        options.output.write_text(json.dumps({**machine, "curves": curves}, indent=1) + "\n")


def stated(text: str) -> tuple[str, Any]:
    """Return a field and its value, which is read as in a space file."""
    name, _, value = text.partition("=")
    return name, YAML(typ="safe").load(value)


def curve(changed: dict[str, Any], device: torch.device) -> list[dict[str, Any]]:
    """Train, print each report, and return them."""
    bound = load_bound(SpaceFile(SPACE), {}, None)
    plan = bound.plan
    config = bound.config({**plan.fixed, **plan.only[CORRECTED], **changed})
    get_task(plan.task).prepare(config)
    reports: list[dict[str, Any]] = []

    def note(report: Report, _: object) -> None:
        reports.append(report.as_row())
        print(json.dumps({"attention": changed["attention"], **reports[-1]}), flush=True)

    train(bound.task, config, device=device, report=note)
    return reports


if __name__ == "__main__":
    main()
