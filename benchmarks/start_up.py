"""From the command to the first training step: how long, and where does the time go?

    python benchmarks/start_up.py
    python benchmarks/start_up.py --starts 9 --compiled

Types `paretune search search_spaces/quickstart.yaml` again and again, each in a fresh process with an empty
results folder, and interrupts it after the first report, so that Ray's processes are gone before the next.
Trials validate after every step, so that the first report follows the first step: each time includes one
validation of 2,000 problems. By default no kernel is compiled beforehand; with --compiled all are, by a start
that is not counted.

The phases are read from what a search prints and writes. Processor seconds are those of all its processes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import psutil

from analysis.files.layout import PROVENANCE_FILE, REPORTS_FILE, TRIALS_FILE

SPACE = Path(__file__).parent.parent / "search_spaces" / "quickstart.yaml"

PHASES = (
    "command line, space file, checks",
    "imports of Ray Tune and the rest of the driver",
    "Ray: its processes, until the first trial is handed out",
    "the trial's worker, with its imports",
    "first step, its kernel, one validation, the report",
)

_WITHIN_S = 300.0
"""So long a start may take before it counts as hung."""


def main() -> None:
    """Start the search again and again, and print a table of its phases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--starts", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("--compiled", action="store_true", help="with kernels that are compiled already")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="paretune-start-up-") as name:
        folder = Path(name)
        space = folder / "start-up.yaml"
        space.write_text(with_every_step_validated(SPACE.read_text(encoding="utf-8")))
        kernels = folder / "kernels"
        if options.compiled:
            start(space, folder / "first", kernels)
        starts = []
        for number in range(options.starts):
            cache = kernels if options.compiled else folder / f"kernels-{number}"
            starts.append(start(space, folder / f"results-{number}", cache))
            print(f"start {number + 1}: {sum(starts[-1][0]):.1f} s", file=sys.stderr, flush=True)
    print(
        f"{options.starts} starts, kernels {'compiled' if options.compiled else 'not compiled'} beforehand, "
        f"{os.cpu_count()} cores, load {load:.1f} before and {os.getloadavg()[0]:.1f} after\n"
    )
    print(table(starts))


def with_every_step_validated(space: str) -> str:
    """Return the text of a space file whose trials report after every step."""
    assert space.count("\nfixed:\n") == 1, "the space file has no block 'fixed'"
    return space.replace("\nfixed:\n", "\nfixed:\n  eval_every: 1\n")


def start(space: Path, results: Path, kernels: Path) -> tuple[list[float], float]:
    """Search until the first report, and end the search.

    Returns:
        The seconds of each phase, and the processor seconds of all.
    """
    environment = {**os.environ, "PARETUNE_CACHE": str(kernels), "NO_COLOR": "1"}
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, "-m", "paretune", "search", str(space), "--results", str(results)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    )
    tree = psutil.Process(process.pid)
    folder = results / "quickstart"
    try:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert any("Starting Ray" in line for line in lines), "the search ended before Ray started"
        checked = time.time()
        handed_out = when(lambda: has_a_line(folder / TRIALS_FILE), process)
        imported = (folder / PROVENANCE_FILE).stat().st_mtime
        when(lambda: has_a_line(folder / REPORTS_FILE), process)
        spent = processor_seconds(tree)
        report = json.loads((folder / REPORTS_FILE).read_text().splitlines()[0])
        reported = seconds_of(report["at"])
        rows = map(json.loads, (folder / TRIALS_FILE).read_text().splitlines())
        started = next(
            seconds_of(row["started"]) for row in rows if row["trial"] == report["trial"] and "started" in row
        )
    finally:
        everyone = [tree, *tree.children(recursive=True)] if tree.is_running() else []
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=_WITHIN_S)
        psutil.wait_procs(everyone, timeout=_WITHIN_S)
    times = [began, checked, imported, handed_out, started, reported]
    return [after - before for before, after in itertools.pairwise(times)], spent


def has_a_line(path: Path) -> bool:
    """Tell whether a file is there with a whole line in it."""
    return path.is_file() and b"\n" in path.read_bytes()


def when(happened: Callable[[], bool], process: subprocess.Popen[str]) -> float:
    """Return the time at which something has happened, to within some 10 ms."""
    deadline = time.monotonic() + _WITHIN_S
    while not happened():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the search ended, or hung, before its first report:\n{process.stdout}")
        time.sleep(0.01)
    return time.time()


def processor_seconds(root: psutil.Process) -> float:
    """Return what a process and all below it have spent so far, with those of them that have ended."""
    spent = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:  # it has just ended
            continue
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


def seconds_of(moment: str) -> float:
    """Return seconds since 1970 of a moment as rows have it."""
    return datetime.fromisoformat(moment).timestamp()


def table(starts: Sequence[tuple[Sequence[float], float]]) -> str:
    """Return medians and ranges as a Markdown table."""
    columns = {phase: [phases[i] for phases, _ in starts] for i, phase in enumerate(PHASES)}
    columns["from the command to the first step"] = [sum(phases) for phases, _ in starts]
    columns["processor time of all processes"] = [spent for _, spent in starts]
    rows = [
        f"| {name} | {statistics.median(values):.1f} s | {min(values):.1f} to {max(values):.1f} |"
        for name, values in columns.items()
    ]
    return "\n".join(["| phase | median | range |", "|---|---|---|", *rows])


if __name__ == "__main__":
    main()
