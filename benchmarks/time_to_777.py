"""From nothing to a confirmed 10-digit adder of at most 777 parameters: how long does that take?

    python benchmarks/time_to_777.py
    python benchmarks/time_to_777.py --seeds 0 1 2 3 4 --output times.json

For each seed of the search: no Ray running, no kernel compiled, an empty results folder. Then the commands of
a user, one after the other: `paretune search search_spaces/under_777.yaml`, and `paretune evaluate` on the
checkpoint that validated best among the solved ones, with 10,000 held-out problems. The time is that of both,
from the first command to the confirmation, starting of processes included.
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
from pathlib import Path
from typing import Any

from analysis.rows import SearchRows

ROOT = Path(__file__).parent.parent
SPACE = ROOT / "search_spaces" / "under_777.yaml"
LARGEST = 777
TARGET = 0.99
PROBLEMS = 10_000


def main() -> None:
    """Run the search once for every seed and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--space", type=Path, default=SPACE, help="another space file")
    parser.add_argument("--output", type=Path, help="where to write the results as JSON")
    options = parser.parse_args()
    runs = []
    for seed in options.seeds:
        runs.append(run(options.space, seed))
        print(json.dumps(runs[-1]), flush=True)
        if options.output is not None:
            options.output.write_text(json.dumps(runs, indent=2) + "\n")
    # A search that found nothing took longer than any that did.
    times = sorted(float("inf") if r["exact_match"] is None else r["seconds"] for r in runs)
    found = sum(time < float("inf") for time in times)
    print(f"{found} of {len(runs)} searches confirmed one; median {statistics.median(times):.0f} s")


def run(space: Path, seed: int) -> dict[str, Any]:
    """Search with one seed and confirm the best; the exact match is None if there was none to confirm."""
    with tempfile.TemporaryDirectory(prefix="paretune-777-") as folder:
        environment = {**os.environ, "PARETUNE_CACHE": str(Path(folder) / "kernels"), "NO_COLOR": "1"}
        results = Path(folder) / "results"
        began = time.monotonic()
        _paretune(environment, "search", space.resolve(), "--seed", seed, "--results", results)
        searched = time.monotonic() - began
        (searched_folder,) = results.iterdir()
        rows = SearchRows(searched_folder)
        trials = rows.trials
        solved = trials[(trials["ending"] == "solved") & (trials["params"] <= LARGEST)]
        outcome: dict[str, Any] = {
            "seed": seed,
            "trials": len(trials),
            "solved": len(solved),
            "search_seconds": round(searched, 1),
            "params": None,
            "exact_match": None,
        }
        # The next best if the test disagrees with validation.
        for _, trial in solved.sort_values(["exact_match", "val_loss"], ascending=[False, True]).iterrows():
            checkpoint = rows.folder / trial["checkpoint"] / "checkpoint.pt"
            said = _paretune(environment, "evaluate", checkpoint, "--problems", PROBLEMS, "--json")
            exam = json.loads(said)
            if exam["share"] >= TARGET:
                outcome |= {"params": int(trial["params"]), "exact_match": exam["share"]}
                break
        return outcome | {"seconds": round(time.monotonic() - began, 1)}


def _paretune(environment: dict[str, str], *arguments: object) -> str:
    command = [sys.executable, "-m", "paretune", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


if __name__ == "__main__":
    main()
