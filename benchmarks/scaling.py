"""What bounds a search on 10, 100 and 1,000 machines: slopes measured here, and a simulation with them.

    python benchmarks/scaling.py measure              # some minutes on two cores
    python benchmarks/scaling.py measure --trials 60 --reports 10 --proposals 100
    python benchmarks/scaling.py simulate             # seconds; with the slopes that are written below
    python benchmarks/scaling.py simulate --machines 20 --hours 0.1

measure: real searches of instant trials, and a sampler without Ray. Prints what a trial and a report cost the
driver, in processor time (elapsed time of a busy machine would say nothing), what they take on the disk, what
one look at the notices costs the head of a cluster, and what a proposal of TPE takes, by how many
configurations are known.

simulate: machines that train and report to one driver, which does one thing after the other. Prints how busy
the driver is and how much of their time machines wait for it.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from scale import SPACE

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Slopes:
    """What one of each costs the driver, in seconds of a processor."""

    trial: float
    report: float
    checkpoint: float
    proposal: float
    """Of the sampler, when no configuration is known."""
    per_known: float
    """More for each configuration that is known."""

    def next(self, known: int) -> float:
        """Return what handing out a trial costs when so many configurations are known."""
        return self.trial + self.proposal + self.per_known * min(known, MOST_KNOWN)


MEASURED = Slopes(trial=0.0133, report=0.00143, checkpoint=0.002, proposal=0.0035, per_known=5e-6)
"""What `measure` printed here, see docs/scaling.md; a checkpoint's is assumed."""

MOST_KNOWN = 2_000
"""From there on a proposal costs no more: the sampler looks at the latest 1,000, beside the best."""


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parts = parser.add_subparsers(required=True)
    measuring = parts.add_parser("measure", help="slopes, by real searches of instant trials")
    measuring.add_argument("--trials", type=int, default=300)
    measuring.add_argument("--reports", type=int, default=40, help="reports of a trial, in the second search")
    measuring.add_argument("--proposals", type=int, default=1000, help="configurations that TPE proposes")
    measuring.set_defaults(run=measure)
    simulating = parts.add_parser("simulate", help="many machines, with the slopes written in this file")
    simulating.add_argument("--machines", type=int, nargs="+", default=[10, 100, 1000])
    simulating.add_argument("--slots", type=int, default=4, help="trials at a time on each machine")
    simulating.add_argument("--hours", type=float, default=2.0, help="simulated time")
    simulating.set_defaults(run=simulate)
    options = parser.parse_args()
    return int(options.run(options))


# Slopes


def measure(options: argparse.Namespace) -> int:
    """Measure and print the slopes."""
    # The first has imports in it; the second, what a search costs with hardly a trial.
    sizes = ((2, 1), (10, 1), (options.trials, 1), (options.trials, options.reports))
    with tempfile.TemporaryDirectory() as folder:
        first, base, few, many = (searched(Path(folder), trials, reports) for trials, reports in sizes)
    per_trial = (few.seconds - base.seconds) / max(few.trials - base.trials, 1)
    more = many.reports - few.reports
    per_report = (many.seconds - few.seconds) / more
    start = base.seconds - per_trial * base.trials
    print(f"start of a search: {start:.1f} s of the driver, {first.seconds:.1f} s with imports")
    print(f"a trial with one report: {1000 * per_trial:.1f} ms of the driver, random sampler")
    print(f"a further report: {1000 * per_report:.2f} ms of the driver, or {1 / per_report:,.0f} per second")
    print(f"rows of a trial: {few.trial_bytes / few.trials:,.0f} bytes; of a report: {per(many):,.0f} bytes")
    print(f"a look at the notices: {1e6 * look():.0f} us of the head's processor")
    for known, seconds in proposals(options.proposals):
        print(f"a proposal of TPE, {known:,} configurations known: {1000 * seconds:.1f} ms")
    return 0


@dataclass(frozen=True)
class Cost:
    """What a search cost its driver."""

    trials: int
    reports: int
    seconds: float
    trial_bytes: int
    report_bytes: int


def per(cost: Cost) -> float:
    """Return the bytes of a report."""
    return cost.report_bytes / cost.reports


def searched(folder: Path, trials: int, reports: int) -> Cost:
    """Run a search of instant trials, and return what it cost this process."""
    import paretune

    space = folder / f"{trials}-{reports}.yaml"
    text = SPACE.replace("steps: 1,", f"steps: {reports},").replace(
        "name: instant", f"name: i{trials}-{reports}"
    )
    space.write_text(f"{text}search: {{sampler: random, trials: {trials}, concurrency: 2}}\n")
    began = time.process_time()
    found = paretune.search(space, results=folder, allow_task_code=True, progress=False)
    seconds = time.process_time() - began
    rows = {name: (found.folder / name).stat().st_size for name in ("trials.jsonl", "reports.jsonl")}
    return Cost(len(found.trials), len(found.reports), seconds, rows["trials.jsonl"], rows["reports.jsonl"])


def look(times: int = 2000) -> float:
    """Return what one look at the notices costs the process that keeps them, in seconds of a processor."""
    import ray

    from paretune.tune.notice import NoticeBoard

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        node = ray._private.worker._global_node
        head = psutil.Process(node.all_processes["gcs_server"][0].process.pid)
        board = NoticeBoard("nobody", ray.get_runtime_context().get_node_id())
        before = sum(head.cpu_times()[:2])
        for _ in range(times):
            board.look()
        return (sum(head.cpu_times()[:2]) - before) / times
    finally:
        ray.shutdown()


def proposals(count: int) -> Iterator[tuple[int, float]]:
    """Let TPE propose configurations; yield how many it knew and what one took, at ten stands."""
    from analysis.files.layout import TrialEnding
    from paretune.plan.loading import load_bound
    from paretune.sampling.outcomes import SeedOutcome
    from paretune.sampling.queue import TrialQueue
    from search_spaces.loader import SpaceFile

    with tempfile.TemporaryDirectory() as folder:
        space = Path(folder) / "space.yaml"
        space.write_text(f"{SPACE}search: {{sampler: tpe, trials: {count}}}\n")
        queue = TrialQueue(load_bound(SpaceFile(space), {}, None, allow_task_code=True))
    draw = random.Random(0)
    block = max(count // 10, 1)
    known = 0
    while known < count:
        taken = 0.0
        for _ in range(block):
            began = time.process_time()
            spec = queue.next()
            taken += time.process_time() - began
            if spec is None:
                return
            metrics = {"accuracy": draw.random(), "params": float(spec.params)}
            queue.ended(spec.label, SeedOutcome(ending=TrialEnding.FINISHED, step=1, metrics=metrics))
        known += block
        yield known, taken / block


# Simulation


@dataclass(frozen=True)
class Load:
    """What trials are like."""

    name: str
    seconds: float
    """Of a trial, on average."""
    every: float
    """Seconds between its reports."""
    checkpoints: float = 20.0
    """Seconds between its checkpoints."""


LOADS = (
    Load("a minute, a report each second", 60, 1),
    Load("ten minutes, a report each 5 s", 600, 5),
    Load("an hour, a report each 30 s", 3600, 30),
)


@dataclass(frozen=True)
class Outcome:
    """What a simulated search came to."""

    busy: float
    """Share of the time in which the driver worked."""
    waiting: float
    """Share of the workers' time in which they waited for the driver."""
    trials: int


def simulate(options: argparse.Namespace) -> int:
    """Print what many machines do with one driver."""
    print(f"{options.slots} trials at a time on each machine, {options.hours:g} h")
    for load in LOADS:
        for machines in options.machines:
            found = simulated(load, machines * options.slots, options.hours * 3600, MEASURED)
            print(
                f"{load.name}: {machines:,} machines: driver {found.busy:.1%} busy, "
                f"workers wait {found.waiting:.1%} of their time, {found.trials:,} trials"
            )
    return 0


def simulated(load: Load, workers: int, seconds: float, slopes: Slopes, seed: int = 0) -> Outcome:
    """Simulate workers that train and report to one driver, which serves one after the other.

    A worker goes on training after a report, as Tune lets it, but not before the one before it was taken;
    a worker whose trial has ended waits for the next one.

    Args:
        load: what trials are like; their lengths are drawn from an exponential distribution.
        workers: trials at a time.
        seconds: simulated.
        slopes: what one of each costs the driver.
        seed: of the lengths.
    """
    draw = random.Random(seed)
    # (when the driver is asked, worker, seconds of training that its trial has left)
    asked = [
        (draw.random() * load.every, worker, draw.expovariate(1 / load.seconds)) for worker in range(workers)
    ]
    heapq.heapify(asked)
    free_at = worked = waited = 0.0
    trials = 0
    while asked:
        now, worker, left = heapq.heappop(asked)
        if now > seconds:
            break
        cost = slopes.report + slopes.checkpoint * load.every / load.checkpoints
        if left <= 0:
            trials += 1
            cost += slopes.next(trials)
            left = draw.expovariate(1 / load.seconds)
        begins = max(now, free_at)
        free_at = begins + cost
        worked += cost
        waited += free_at - now
        trained = min(left, load.every)
        heapq.heappush(asked, (free_at + trained, worker, left - load.every))
    return Outcome(busy=min(worked / seconds, 1.0), waiting=waited / (workers * seconds), trials=trials)


if __name__ == "__main__":
    sys.exit(main())
