"""Put the whole learning curves of searches into the library of learning curves.

Takes searches that ran without early stopping, and adds their rows, as they are, to the library: trials with
a known outcome, and all of their reports. A search of the same name is replaced. `paretune stopping
learning-curves` replays rules of early stopping on it.

    python benchmarks/learning_curves.py --add results/NAME...
    python benchmarks/learning_curves.py                        # what is in it
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from analysis.files.layout import SPACE_FILE
from analysis.rows import SearchRows
from paretune.stopping.library import COMMITTED, is_library, read_library, write_library

LIBRARY = Path(__file__).parent.parent / "results" / COMMITTED


def main() -> None:
    """Add searches, and print what the library holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--add", type=Path, nargs="+", default=[], help="folders of searches")
    parser.add_argument("--library", type=Path, default=LIBRARY, help="the library's folder")
    options = parser.parse_args()
    if options.add:
        searches = [SearchRows(folder.absolute()) for folder in options.add]
        write_library(options.library, searches)
        spaces = options.library / "spaces"
        spaces.mkdir(exist_ok=True)
        for rows in searches:
            shutil.copyfile(rows.folder / SPACE_FILE, spaces / f"{rows.plan.name.replace('-', '_')}.yaml")
    if not is_library(options.library):
        parser.error(f"there is no library in {options.library} yet; begin one with --add")
    library = read_library(options.library)
    print("| search | curves | configurations | solved | seeds | reports | parameters |")
    print("|---|---|---|---|---|---|---|")
    for rows in library:
        trials = rows.trials
        solved = (trials["ending"] == "solved").sum()
        sizes = f"{trials['params'].min():,} to {trials['params'].max():,}"
        counts = (len(trials), trials["configuration"].nunique(), solved, trials["seed"].nunique())
        print(f"| {rows.plan.name} | {' | '.join(map(str, counts))} | {len(rows.reports):,} | {sizes} |")
    print(f"\n{sum(len(rows.trials) for rows in library)} whole curves")


if __name__ == "__main__":
    main()
