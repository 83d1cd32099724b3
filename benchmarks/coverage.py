"""How often the intervals of every finding hold what is true, on simulated searches whose truth is known.

    python benchmarks/coverage.py                      # 500 simulations of each truth
    python benchmarks/coverage.py --simulations 100 --finding cliff

A line for each quantity: the share of intervals that hold the truth, and the share that end on both sides. A
95 % interval is to hold it in 92 to 98 of 100; what begins with "naive" is what would be said otherwise, and
is to fail.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

FINDINGS = tuple(
    sorted(path.stem.removeprefix("truths_") for path in Path(__file__).parent.glob("truths_*.py"))
)


def main() -> None:
    """Run the simulations and print the coverages."""
    from truths import coverage

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--finding", choices=FINDINGS, help="only this one")
    options = parser.parse_args()
    print("| truth | quantity | holds the truth | bounded | seconds |\n|---|---|---|---|---|")
    for finding in [options.finding] if options.finding else FINDINGS:
        for truth in importlib.import_module(f"truths_{finding}").TRUTHS:
            began = time.perf_counter()
            found = coverage(truth, options.simulations)
            seconds = time.perf_counter() - began
            for row in found:
                bounded = row.bounded / row.simulations
                where = f"| {finding}: {row.truth} | {row.quantity}"
                print(
                    f"{where} | {100 * row.share:.1f} % | {100 * bounded:.0f} % | {seconds:.1f} |", flush=True
                )


if __name__ == "__main__":
    main()
