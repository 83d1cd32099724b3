"""What does a search cost beside the training? Trials of about a second, against their floor and plain Tune.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --trials 20 --variants paretune reuse --repeats 3

Every variant trains the same: the addition task on PyTorch, one thread, with as many steps as take about a
second of a processor here. They differ in what hands out trials and collects their reports:

    paretune    `paretune search`
    plain       Ray Tune with Optuna and ASHA as their documentation writes it (overhead_plain.py)
    reuse       the same with reuse_actors=True

The floor is the elapsed seconds in training steps of all trials, divided by the trials at a time. The search
is from the start of the first training to the end of the last; before it is the start-up, and after it the
end, which closes Ray and, in paretune, writes the report. Processor seconds are of the whole process tree,
Ray's own processes included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from analysis.store import RowStore

ROOT = Path(__file__).resolve().parent.parent
VARIANTS = ("paretune", "plain", "reuse")
REPORTS = "reports.jsonl"
CALIBRATION_STEPS = 300
SAMPLED_EVERY_S = 0.1
FIXED: dict[str, Any] = {
    **{"digits": 3, "d_model": 16, "d_ff": 32, "batch": 64, "engine": "torch", "val_problems": 256},
    "seed": 0,
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one search took."""

    variant: str
    seconds: float
    """Elapsed, from the command to its end."""
    startup: float
    """Of those, before the first training began."""
    search: float
    """Of those, until the last training ended."""
    training: float
    """Elapsed seconds in training steps, summed over the trials."""
    training_cpu: float
    """Processor seconds of those."""
    cpu: float
    """Processor seconds of the whole process tree."""
    slots: int

    @property
    def floor(self) -> float:
        """Seconds without which the training cannot be done."""
        return self.training / self.slots

    @property
    def ratio(self) -> float:
        """Time of the search as a multiple of the floor."""
        return self.search / self.floor


def main() -> None:
    """Run the variants in turn and print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.0, help="processor seconds of a trial, about")
    parser.add_argument("--slots", type=int, default=2, help="trials at a time")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--output", type=Path, help="where to write the runs as JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        run_child(json.loads(options.child))
        return
    steps = max(4, round(options.seconds / seconds_per_step()))
    print(
        f"{options.trials} trials of {steps} steps, {options.slots} at a time; load {os.getloadavg()[0]:.1f}"
    )
    runs = []
    for _ in range(options.repeats):
        for variant in options.variants:
            runs.append(measure(variant, steps, trials=options.trials, slots=options.slots))
            print(json.dumps(asdict(runs[-1])), flush=True)
            if options.output is not None:
                options.output.write_text(json.dumps([asdict(run) for run in runs], indent=2) + "\n")
    print_table(runs, options.variants)


def print_table(runs: list[Run], variants: list[str]) -> None:
    """Print medians over the repeats, as rows of a Markdown table."""
    print(
        "| variant | start-up | search | floor | search / floor | whole command | processor time | training |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for variant in variants:
        own = [run for run in runs if run.variant == variant]

        def median(name: str, own: list[Run] = own) -> float:
            return statistics.median(float(getattr(run, name)) for run in own)

        print(
            f"| {variant} | {median('startup'):.1f} s | {median('search'):.1f} s | {median('floor'):.1f} s "
            f"| {median('ratio'):.2f}x | {median('seconds'):.1f} s "
            f"| {median('cpu'):.0f} s | {median('training_cpu'):.0f} s |"
        )


def seconds_per_step() -> float:
    """Return the processor seconds of a training step here."""
    import torch

    from trainables.contract import Report
    from trainables.loop import train
    from trainables.tasks import get_task

    torch.set_num_threads(1)
    told: list[Report] = []
    task = get_task("addition")
    config = task.config_class.model_validate({**fixed(CALIBRATION_STEPS), "lr": 0.005})
    train(task, config, device=torch.device("cpu"), report=lambda report, snapshot: told.append(report))
    return float(told[-1].as_row()["cpu_seconds"]) / CALIBRATION_STEPS


def fixed(steps: int) -> dict[str, Any]:
    """Return what all configurations have: four reports each."""
    return {**FIXED, "steps": steps, "eval_every": max(1, steps // 4)}


def measure(variant: str, steps: int, *, trials: int, slots: int) -> Run:
    """Run a variant in processes of its own."""
    with tempfile.TemporaryDirectory(prefix="paretune-overhead-") as folder:
        place = Path(folder)
        if variant == "paretune":
            (place / "space.yaml").write_text(space_of(steps, trials))
            command = ["-m", "paretune", "search", str(place / "space.yaml"), "--results", folder]
            command += ["--concurrency", str(slots)]
        else:
            told = {"steps": steps, "trials": trials, "slots": slots, "reuse": variant == "reuse"}
            command = [__file__, "--child", json.dumps({**told, "folder": folder})]
        path = os.pathsep.join(map(str, (ROOT, ROOT / "benchmarks")))
        began = time.time()
        with (place / "output.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "RAY_USAGE_STATS_ENABLED": "0",
                    # Tune gives a reused worker two seconds to end a trial, then fails the next one.
                    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
                },
            )
            cpu = processor_seconds(process)
        seconds = time.time() - began
        printed = (place / "output.txt").read_text()[-4000:]
        if process.returncode:
            raise SystemExit(printed)
        rows = rows_of(place, variant)
        if len(rows) != trials:
            errors = "\n".join(path.read_text()[-2000:] for path in place.glob("plain/*/error.txt"))
            ended = f"{variant}: {len(rows)} of {trials} trials have ended"
            raise SystemExit(f"{printed}\n{errors}\n{ended}")
    first = min(row["began"] for row in rows)
    return Run(
        variant=variant,
        seconds=seconds,
        startup=first - began,
        search=max(row["over"] for row in rows) - first,
        training=sum(row["wall_seconds"] for row in rows),
        training_cpu=sum(row["cpu_seconds"] for row in rows),
        cpu=cpu,
        slots=slots,
    )


def space_of(steps: int, trials: int) -> str:
    """Return the same search as a space file, which is YAML, and so may be JSON."""
    values = {name: value for name, value in fixed(steps).items() if name != "seed"}
    return json.dumps(
        {
            "name": "overhead",
            "task": "addition",
            "objectives": [{"metric": "val_loss", "direction": "min"}],
            "fixed": values,
            "space": {"lr": {"type": "float", "low": 1e-3, "high": 1e-2, "log": True}},
            "search": {"trials": trials},
        }
    )


def run_child(told: dict[str, Any]) -> None:
    """Be the process of a plain search."""
    from overhead_plain import search

    folder = Path(told["folder"])
    search(
        fixed(told["steps"]),
        **{name: told[name] for name in ("trials", "slots", "reuse")},
        folder=folder,
        reports=folder / REPORTS,
    )


def rows_of(place: Path, variant: str) -> list[dict[str, float]]:
    """Return each trial's last report, with when its training ``began`` and was ``over``."""
    if variant == "paretune":
        reports = list(RowStore(place / "overhead").reports_by_trial().values())
        for own in reports:
            for report in own:
                report["timestamp"] = datetime.fromisoformat(report["at"]).timestamp()
    else:
        by_trial: dict[str, list[dict[str, Any]]] = {}
        for line in (place / REPORTS).read_text().splitlines():
            report = json.loads(line)
            by_trial.setdefault(report["trial_id"], []).append(report)
        reports = list(by_trial.values())
    return [
        {**own[-1], "began": own[0]["timestamp"] - own[0]["wall_seconds"], "over": own[-1]["timestamp"]}
        for own in reports
        if own[-1]["ending"] == "finished"
    ]


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process, and return the processor seconds that it and all below it took.

    They are looked at ten times a second, so that up to a tenth of a second is missed of each that ends.
    """
    tree: dict[psutil.Process, float] = {}
    root = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            for one in (root, *root.children(recursive=True)):
                times = one.cpu_times()
                tree[one] = times.user + times.system
        except psutil.NoSuchProcess:
            pass
        time.sleep(SAMPLED_EVERY_S)
    return sum(tree.values())


if __name__ == "__main__":
    main()
