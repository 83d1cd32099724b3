"""What a search of many trials costs: its driver while it runs, and its answers afterwards.

    python benchmarks/scale.py search                    # 10,000 trials of one step each, on two slots
    python benchmarks/scale.py answers                   # 100,000 simulated trials with 100 reports each
    python benchmarks/scale.py search --trials 500
    python benchmarks/scale.py answers --trials 2000 --reports 20 --only rank
    python benchmarks/scale.py answers --folder /tmp/many    # keep the simulated search, and take it if there

search: a real search of the example task, whose training is one step, with TPE. Prints for each thousand
trials what a trial costs the driver, its process with everything in it: processor time, the part of it that
the sampler takes, memory that stays, and elapsed time. The first thousand has the start in it.

answers: prints what each command takes, in a process of its own, and whether that is within its limit: 15 s
and 2 GiB; where all reports are read, 60 s and 3 GiB. Fails if a command does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from simulated_search import write_search

import paretune
from paretune.sampling.proposals import Proposer
from paretune.sampling.queue import TrialQueue

ROOT = Path(__file__).parent.parent

SPACE = f"""
name: instant
task: {ROOT / "examples/parity_task/parity.py"}:Parity
objectives: [{{metric: accuracy, direction: max}}, {{metric: params, direction: min}}]
fixed: {{bits: 12, relevant: 3, steps: 1, batch: 8, eval_every: 1}}
space:
  width: {{type: int, low: 1, high: 12, log: true}}
  lr: {{type: float, low: 0.003, high: 0.03, log: true}}
  beta1: {{type: float, low: 0.5, high: 0.95}}
  weight_decay: {{type: float, low: 0.0, high: 0.1}}
  schedule: {{type: choice, values: [constant, warmup_cosine]}}
"""

_READ = "import sys; from pathlib import Path; from analysis.rows import SearchRows; "
_FORMATS = ("csv", "json", "parquet", "md")
_FINDINGS = ("cliff", "times", "effects")
_FRONTIER = ("-m", "paretune", "frontier")
COMMANDS: dict[str, tuple[str, ...]] = {
    "rank": ("-m", "paretune", "rank"),
    "rank --json": ("-m", "paretune", "rank", "--json"),
    "frontier": _FRONTIER,
    **{f"frontier --export .{end}": (*_FRONTIER, f"--export=o.{end}") for end in _FORMATS},
    **{f"{name} --export": ("-m", "paretune", name, "--export=o.csv") for name in _FINDINGS},
    "regimes --export": ("-m", "paretune", "regimes", "--export=o.csv"),
    "reading reports": ("-c", _READ + "SearchRows(Path(sys.argv[1])).reports"),
    "answer": ("-m", "paretune", "answer"),
    "report": ("-m", "paretune", "report"),
}
READS_REPORTS = ("regimes --export", "reading reports", "answer", "report")
"""Commands that need the reports, and not only the trials."""


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parts = parser.add_subparsers(required=True)
    searching = parts.add_parser("search", help="a real search of instant trials")
    searching.add_argument("--trials", type=int, default=10_000)
    searching.add_argument("--every", type=int, default=1000, help="trials between two lines of the table")
    searching.add_argument("--sampler", choices=["tpe", "random"], default="tpe")
    searching.set_defaults(run=search)
    answering = parts.add_parser("answers", help="commands on a simulated search")
    answering.add_argument("--trials", type=int, default=100_000)
    answering.add_argument("--reports", type=int, default=100, help="of each trial")
    answering.add_argument("--folder", type=Path, help="where the search lies; a temporary folder if none")
    answering.add_argument("--only", choices=COMMANDS, action="append", help="only this command; repeatable")
    answering.set_defaults(run=answers)
    options = parser.parse_args()
    return int(options.run(options))


# A search


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What the driver had used when so many trials had ended."""

    trials: int
    cpu_seconds: float
    sampler_seconds: float
    memory: int
    """Resident, in bytes."""
    seconds: float

    def since(self, other: Mark) -> str:
        """Return what a trial cost since another mark, as a row of the table."""
        trials = self.trials - other.trials

        def each(name: str, scale: float) -> float:
            return scale * (getattr(self, name) - getattr(other, name)) / trials

        return (
            f"| {self.trials:,} | {each('cpu_seconds', 1e3):.1f} ms | {each('sampler_seconds', 1e3):.1f} ms "
            f"| {each('memory', 1 / 1024):.1f} KiB | {each('seconds', 1e3):.0f} ms |"
        )


class Meter:
    """Measures the driver from inside: every proposal, and every end of a trial."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._ended = 0
        self._sampling = 0.0
        self._last = self._mark()

    def sampler(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of the sampler that adds up its processor time."""

        def measured(*given: Any) -> Any:
            began = time.thread_time()
            try:
                return method(*given)
            finally:
                self._sampling += time.thread_time() - began

        return measured

    def ending(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method that takes note of a trial's end, which prints a row where one is due."""

        def measured(*given: Any) -> Any:
            found = method(*given)
            self._ended += 1
            if self._ended % self._every == 0:
                mark = self._mark()
                print(mark.since(self._last), flush=True)
                self._last = mark
            return found

        return measured

    def _mark(self) -> Mark:
        return Mark(
            trials=self._ended,
            cpu_seconds=time.process_time(),
            sampler_seconds=self._sampling,
            memory=psutil.Process().memory_info().rss,
            seconds=time.perf_counter(),
        )


def search(options: argparse.Namespace) -> int:
    """Search in this process, and print what each part of the trials cost it."""
    meter = Meter(options.every)
    Proposer.propose = meter.sampler(Proposer.propose)  # type: ignore[method-assign]
    Proposer.tell = meter.sampler(Proposer.tell)  # type: ignore[method-assign]
    TrialQueue.ended = meter.ending(TrialQueue.ended)  # type: ignore[method-assign]
    print("| trials | driver, a trial | sampler, a trial | memory, a trial | elapsed, a trial |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "instant.yaml"
        settings = f"{{sampler: {options.sampler}, concurrency: 2}}"
        space.write_text(f"{SPACE}search: {settings}\n")
        found = paretune.search(
            space, trials=options.trials, results=folder, allow_task_code=True, progress=False
        )
        ended = sum(found.endings.values())
    print(f"\n{ended:,} of {options.trials:,} trials ended")
    return int(ended < options.trials)


# Its answers


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a command took."""

    command: str
    code: int
    seconds: float
    """Elapsed."""
    cpu_seconds: float
    gib: float
    """Largest resident memory."""
    error: str

    @property
    def is_within(self) -> bool:
        """Tell whether it took no more than its limit."""
        seconds, gib = (60.0, 3.0) if self.command in READS_REPORTS else (15.0, 2.0)
        return self.seconds <= seconds and self.gib <= gib


def answers(options: argparse.Namespace) -> int:
    """Write the simulated search, run the commands and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary) / "simulated"
        if not (folder / "plan.json").exists():
            write_search(folder, options.trials, options.reports)
        print(
            "| command | elapsed | processor time | peak memory | within its limit |\n|---|---|---|---|---|"
        )
        costs = []
        for command in options.only or COMMANDS:
            cost = measure(command, folder, Path(temporary))
            costs.append(cost)
            print(
                f"| {command} | {cost.seconds:.1f} s | {cost.cpu_seconds:.1f} s | {cost.gib:.2f} GiB "
                f"| {'yes' if cost.is_within else 'no'} |",
                flush=True,
            )
            if cost.code:
                print(f"\n{command} ended with exit code {cost.code}:\n{cost.error}", file=sys.stderr)
    return int(any(cost.code for cost in costs))


def measure(command: str, folder: Path, place: Path) -> Cost:
    """Run a command on a search in a process of its own.

    Args:
        command: a key of :data:`COMMANDS`.
        folder: the search's folder.
        place: where it runs, and leaves what it exports.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *COMMANDS[command], str(folder.absolute())],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return Cost(
            command=command,
            code=process.returncode,
            seconds=time.perf_counter() - began,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            gib=usage.ru_maxrss / 2**20,  # KiB on Linux
            error=errors.read()[-3000:],
        )


if __name__ == "__main__":
    sys.exit(main())
