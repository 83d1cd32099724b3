"""Five minutes of the drill: searches that are killed at random lose nothing, and have nothing twice.

It mostly waits, so it begins first, beside others.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LIGHT = ("--at-a-time", "1", "--trials", "8", "--most-kills", "4", "--rest", "15", "--without-reference")


@pytest.mark.ray
@pytest.mark.compiler
@pytest.mark.slow
def test_nothing_is_lost_in_five_minutes_of_kills(tmp_path: Path) -> None:
    output = tmp_path / "drill.json"
    drill = [sys.executable, str(ROOT / "benchmarks/chaos.py"), "--minutes", "5", "--seed", "3", *LIGHT]
    done = subprocess.run(
        [*drill, "--output", str(output)], capture_output=True, text=True, timeout=900, check=False
    )
    assert output.exists(), done.stdout + done.stderr
    found = json.loads(output.read_text())
    told = f"{done.stdout}\n{output.with_suffix('.md').read_text()}"
    totals = found["totals"]
    assert totals["kills"] >= 2, told
    assert totals["trials"] > 0, told
    assert totals["reports compared"] == totals["reports"], told
    for name in ("rows wrong", "rows missing", "rows double", "searches not over", "processes left"):
        assert totals[name] == 0, told
    for name in ("hung after a kill", "hung by themselves"):
        assert totals[name] == 0, told
    assert done.returncode == 0, told
