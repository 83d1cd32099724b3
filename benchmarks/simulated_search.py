"""A simulated search of many trials, whose files are like those of a real one.

Whether a trial solves depends on size and rate, some diverge, some are stopped early.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from truths import METRICS

SEEDS = 4
STEPS = 10_000


def write_search(folder: Path, trials: int, reports: int) -> None:
    """Write the files of a simulated search; the same for the same numbers.

    Args:
        folder: where they go.
        trials: how many, four to a configuration.
        reports: of each trial that is not ended before its last step.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with (folder / "trials.jsonl").open("w") as rows, (folder / "reports.jsonl").open("w") as reported:
        for number in range(-(-trials // SEEDS)):
            values = _values(rng)
            for seed in range(min(SEEDS, trials - number * SEEDS)):
                for kind, row in _rows(rng, number, seed, values, reports):
                    (rows if kind == "trial" else reported).write(json.dumps(row) + "\n")
    names = {metric["name"] for metric in METRICS}
    others = [
        name for name in ("train_loss", "learning_rate", "samples", "wall_seconds") if name not in names
    ]
    metrics = [
        *METRICS,
        *({"name": name, "direction": "min", "unit": "1", "description": name} for name in others),
    ]
    metrics = [{"is_cost": False, "spent": None, "best": None, "worst": 0.0, **metric} for metric in metrics]
    for name, content in {
        "plan.json": _plan(folder.name, trials),
        "metrics.json": metrics,
        "defaults.json": {"batch": 256, "positions": "learned", "eval_every": STEPS // reports},
        "provenance.json": {"sessions": [_SESSION]},
    }.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    (folder / "space.yaml").write_text(f"name: {folder.name}\ntask: addition\n")


def _values(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a configuration."""
    return {
        "digits": 10,
        "format": "reversed",
        "steps": STEPS,
        "d_model": int(rng.integers(4, 33)),
        "n_layers": int(rng.integers(1, 4)),
        "n_heads": int(rng.choice([1, 2, 4])),
        "d_ff": int(rng.integers(4, 129)),
        "lr": float(10 ** rng.uniform(-4, 0)),
        "batch": int(rng.choice([128, 256, 512])),
        "positions": str(rng.choice(["learned", "rotary", "none"])),
        "final_norm": bool(rng.random() < 0.5),
    }


def _rows(
    rng: np.random.Generator, number: int, seed: int, values: dict[str, Any], reports: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Simulate a trial and yield its rows, each with the file it belongs to."""
    params = values["n_layers"] * (4 * values["d_model"] ** 2 + 2 * values["d_model"] * values["d_ff"])
    off_rate = np.log10(values["lr"]) + 2  # decades from the best rate
    ease = 2.5 * np.log2(params / 1000) - 2.0 * off_rate**2 + rng.normal(0, 1)
    has_diverged = off_rate > 1.2 and rng.random() < 0.7
    solves = not has_diverged and rng.random() < 1 / (1 + np.exp(-ease))
    is_stopped = not solves and not has_diverged and rng.random() < 0.3
    last = max(2, int(reports * rng.uniform(0.1, 0.3))) if has_diverged or is_stopped else reports
    learns_at = STEPS * rng.uniform(0.2, 0.9)
    steps = np.arange(1, reports + 1) * STEPS // reports
    learned = 1 / (1 + np.exp(-(steps - learns_at) / 400)) if solves else np.zeros(reports)
    loss = 2.3 * np.exp(-steps / STEPS * rng.uniform(0.1, 1)) * (1 - learned) + 0.002
    loss *= np.exp(rng.normal(0, 0.05, reports))
    reached = np.flatnonzero(learned >= 0.99)
    if len(reached) > 1:
        last = int(reached[1]) + 1
    seconds = params * 1e-3 * (1 + 0.1 * rng.random())
    ending = "diverged" if has_diverged else "stopped early" if is_stopped else "finished"
    if len(reached) > 1:
        ending = "solved"
    trial = {
        "trial": f"c{number:03d}-s{seed}",
        "configuration": number,
        "seed_index": seed,
        "seed": seed,
        "params": params,
        "values": values,
        "ending": None,
        "session": 1,
        "checkpoint": None,
    }
    yield "trial", trial
    trial |= {"started": _AT, "engine": _ENGINE}
    yield "trial", trial
    for index in range(last):
        step = int(steps[index])
        metrics = {
            "step": step,
            "train_loss": float(loss[index]),
            "exact_match": float(learned[index]),
            "token_accuracy": float(0.1 + 0.9 * learned[index]),
            "val_loss": float(loss[index] * 1.01),
            "learning_rate": values["lr"] * (1 - step / STEPS),
            "samples": step * values["batch"],
            "cpu_seconds": seconds * step / STEPS,
            "wall_seconds": seconds * step / STEPS * 1.1,
        }
        said = {"engine": _ENGINE} if index == 0 else {}
        said |= {"ending": ending} if index == last - 1 and ending != "stopped early" else {}
        head = {"trial": trial["trial"], "configuration": number, "seed": seed, "session": 1, "at": _AT}
        yield "report", {**head, **metrics, **said}
    to_target = {}
    if ending == "solved":
        first = int(steps[reached[0]])
        to_target = {"steps_to_target": first, "cpu_seconds_to_target": seconds * first / STEPS}
    yield "trial", {**trial, **metrics, **to_target, "ending": ending, "ended": _AT}


def _plan(name: str, trials: int) -> dict[str, Any]:
    return {
        "name": name,
        "task": "addition",
        "objectives": [
            {"metric": "exact_match", "direction": "max"},
            {"metric": "params", "direction": "min"},
        ],
        "target": {"exact_match": 0.99},
        "target_hold": 2,
        "fixed": {"digits": 10, "format": "reversed", "steps": STEPS},
        "space": {
            "d_model": {"type": "int", "low": 4, "high": 32},
            "n_layers": {"type": "int", "low": 1, "high": 3},
            "n_heads": {"type": "choice", "values": [1, 2, 4]},
            "d_ff": {"type": "int", "low": 4, "high": 128},
            "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
            "batch": {"type": "choice", "values": [128, 256, 512]},
            "positions": {"type": "choice", "values": ["learned", "rotary", "none"]},
            "final_norm": {"type": "choice", "values": [True, False]},
        },
        "search": {"trials": trials, "seeds": SEEDS, "sampler": "random"},
    }


_AT = "2026-11-21T10:32:21.206+00:00"
_ENGINE = "native, compiled by c++ (Debian 12.2.0-14+deb12u1) 12.2.0"
_SESSION = {
    "session": 1,
    "began": "2026-11-21T10:00:00+00:00",
    "ended": "2026-11-22T10:00:00+00:00",
    "address": "local",
    "command": "paretune search simulated.yaml",
    "paretune": "0.1.0",
    "commit": None,
    "python": "3.11.7",
    "packages": {"torch": "2.13.0"},
    "hardware": {"host": "simulated", "cpu": "simulated", "cores": 2, "memory_gib": 8.0, "gpus": []},
    "nodes": [{"CPU": 2.0}],
    "concurrency": 2,
    "endings": {},
}
