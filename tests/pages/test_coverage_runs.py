"""The benchmark of coverage runs, for every finding, at its smallest size."""

from __future__ import annotations

import subprocess
import sys

import pages


def test_every_finding_has_truths_and_a_line_for_each_quantity() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/coverage.py", "--simulations", "1"],
        cwd=pages.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "| truth | quantity | holds the truth | bounded | seconds |"
    quantities = {tuple(line.split("|")[1:3]) for line in lines[2:]}
    full = (pages.ROOT / "benchmarks" / "coverage.md").read_text().splitlines()[2:]
    assert quantities == {tuple(line.split("|")[1:3]) for line in full}, "run it anew, and commit coverage.md"
    assert {truth.split(":")[0].strip() for truth, _ in quantities} == {
        "cliff",
        "comparison",
        "confirmation",
        "effects",
        "regimes",
        "times",
    }
