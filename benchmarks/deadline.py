"""How well searches keep a deadline, and how good their forecasts are.

    python benchmarks/deadline.py --space search_spaces/quickstart.yaml --within 1min --times 3

Types `paretune search SPACE --within TIME` in a fresh process, takes the time from its start to its end, and
reads from the search's provenance what was expected and what came.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paretune.timing.spans import seconds_of

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run the searches, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--space", type=Path, default=ROOT / "search_spaces" / "quickstart.yaml")
    parser.add_argument("--within", default="1min")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    given = seconds_of(options.within)
    print("| space | given | took | of it | forecast | ended | still running | load before and after |")
    print("|---|---|---|---|---|---|---|---|")
    for _ in range(options.times):
        print(searched(options.space.resolve(), options.within, given), flush=True)


def searched(space: Path, within: str, given: float) -> str:
    """Run one search, and return its row."""
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as results:
        command = ["-m", "paretune", "search", str(space), "--within", within, "--results", results]
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
        )
        took = time.monotonic() - began
        found = next(Path(results).glob("*/provenance.json"), None)
        if found is None:
            told = [(done.stderr.strip().splitlines() or ["nothing"])[-1], "-", "-"]
        else:
            kept = json.loads(found.read_text())["sessions"][-1]["deadline"]
            told = [_forecast(kept["forecast"]), str(kept["ended"]), str(kept["still_running"])]
    load = f"{before:.1f}, {os.getloadavg()[0]:.1f}"
    share = f"{100 * took / given:.0f} %"
    return f"| {' | '.join([space.stem, within, f'{took:.1f} s', share, *told, load])} |"


def _forecast(forecast: dict[str, object] | None) -> str:
    if forecast is None:
        return "none"
    least = "at least " if forecast["ends_early"] else ""
    return f"{least}{forecast['trials']} ({forecast['low']} to {forecast['high']}) of {forecast['planned']}"


if __name__ == "__main__":
    main()
