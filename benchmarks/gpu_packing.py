"""What trials beside each other on one GPU train together, and what `gpu: auto` makes of it.

    python benchmarks/gpu_packing.py
    python benchmarks/gpu_packing.py --space search_spaces/gpt2_frontier.yaml --searches 8
    python benchmarks/gpu_packing.py --fake 1 --seconds 0.2           # on a processor

Trains the largest, the smallest and a median configuration of a space alone and 2, 4, 8 ... at a time, in
processes of their own, as `gpu: auto` does before a search, and prints the throughput and the memory of each.
With `--searches N`, N trials are then searched with a whole GPU each and with the share that was chosen, and
their trials per minute are compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import paretune
from paretune.errors import Error
from paretune.mps import is_mps_running
from paretune.packing.deciding import decide
from paretune.packing.measuring import STEPS_SECONDS, Pool
from paretune.packing.settling import device_here, told_shares
from paretune.plan.binding import BoundPlan, written
from paretune.plan.loading import load_bound
from paretune.record.provenance import hardware, package_versions
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import KeyPath

SPACE = Path(__file__).parent.parent / "search_spaces" / "parameter_cliff.yaml"


class NoDeviceError(Error):
    """There is nothing to share here."""


def main() -> None:
    """Measure, print the tables, and compare searches if that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--space", type=Path, default=SPACE)
    parser.add_argument("--seconds", type=float, default=STEPS_SECONDS, help="of steps, each time")
    parser.add_argument("--most", type=int, help="trials at a time at most")
    parser.add_argument("--cpu", type=float, help="cores of a trial, instead of the file's")
    parser.add_argument("--fake", type=int, default=0, help="GPUs that are none: the processor is shared")
    parser.add_argument(
        "--searches", type=int, default=0, metavar="N", help="trials to compare searches with"
    )
    options = parser.parse_args()
    changed: dict[KeyPath, Any] = {
        ("resources", "gpu"): "auto",
        ("resources", "cpu"): options.cpu,
        ("search", "concurrency"): options.most,
    }
    bound = replace(load_bound(SpaceFile(options.space), changed, None), fake_gpus=options.fake)
    print(json.dumps({"hardware": hardware(), "packages": package_versions(), "mps": is_mps_running()}))
    measured(bound, options.seconds)
    if options.searches:
        compared(options.space, options.searches, options.fake)


def measured(bound: BoundPlan, seconds: float) -> None:
    """Measure packs of a plan's configurations, and print them and the choice."""
    device = device_here(bound)
    if device is None:
        raise NoDeviceError("this machine has no GPU that torch can use; --fake 1 shares its processor")
    began = time.perf_counter()
    with Pool(bound, device, seconds) as pool:
        choice, profiles = decide(bound, device, pool)
        context = pool.context
    took = time.perf_counter() - began
    print("| configuration | parameters | at a time | steps/s together | against one | memory of each |")
    print("| --- | --- | --- | --- | --- | --- |")
    for profile in profiles:
        for pack in profile.packs:
            against = pack.steps / max(profile.packs[0].steps, 1e-12)
            speed = f"{pack.steps:,.4g} | {against:.2f} | {written('memory', pack.memory)}"
            print(f"| {profile.name} | {profile.params:,} | {pack.at_a_time} | {speed} |")
    print(
        f"measured in {took:.0f} s; context: {'unknown' if context is None else written('memory', context)}"
    )
    print(f"chosen: {told_shares(choice.shares)}; {choice.reason}")


def compared(space: Path, trials: int, fake: int) -> None:
    """Search with whole GPUs and with the chosen share, and print trials per minute."""
    print("| a trial gets | trials/min | seconds |")
    print("| --- | --- | --- |")
    for gpu in (1.0, "auto"):
        with tempfile.TemporaryDirectory() as folder:
            options: paretune.SearchOptions = {"trials": trials, "gpu": gpu, "fake_gpus": fake or None}
            search = paretune.search(space, results=folder, progress=False, **options)
            assert search.session is not None
            seconds = search.session.seconds
        print(f"| {gpu if gpu == 'auto' else 'a whole GPU'} | {60 * trials / seconds:.1f} | {seconds:.0f} |")


if __name__ == "__main__":
    main()
