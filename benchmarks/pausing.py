"""What early stopping is worth for real: the same searches with none, with rungs that stop, and that pause.

    python benchmarks/pausing.py benchmarks/pausing.yaml --results /tmp/pausing
    python benchmarks/pausing.py benchmarks/pausing.yaml --results /tmp/first --seeds 0 --trials 12

For each seed, a space file that states early stopping is searched three times, with configurations drawn at
random: they are the same in all three, with the same seeds, so a winner that one search has and another lacks
was lost. Prints, for each search, what it found for its processor time, the winners it truly lost, those it
says it lost going by its reserve, and where half of the trials solve. A search that is there already is
resumed, so a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paretune
from analysis.text import between
from paretune import Plan, Search

NONE, STOP, PAUSE = "none", "stop", "pause"
HEADERS = (
    "search seed",
    "early stopping",
    "trials",
    "solved",
    "processor minutes",
    "solved per processor hour",
    "of none",
    "winners lost",
    "lost, by the reserve",
    "50 % size",
)


@dataclass(frozen=True)
class Found:
    """What one search came to."""

    kind: str
    search: Search

    @property
    def winners(self) -> set[str]:
        """The trials that solved."""
        trials = self.search.trials
        return set(trials.loc[trials["ending"] == "solved", "trial"])

    @property
    def hours(self) -> float:
        """Processor hours of all trials, ended early or not."""
        return float(self.search.trials["cpu_seconds"].sum()) / 3600

    @property
    def per_hour(self) -> float:
        """Winners per processor hour."""
        return len(self.winners) / self.hours

    def row(self, seed: int, none: Found) -> list[str]:
        """Return the cells of its line."""
        lost = len(none.winners - self.winners)
        told = self.search.early_stopping()
        by_reserve = "" if told is None or told.whole is None else told.whole.share_lost
        half = self.search.cliff().size()
        return [
            f"{seed}",
            self.kind,
            f"{len(self.search.trials)}",
            f"{len(self.winners)}",
            f"{60 * self.hours:.1f}",
            f"{self.per_hour:.0f}",
            f"{self.per_hour / none.per_hour:.2f}" if none.winners else "-",
            f"{lost} of {len(none.winners)}",
            str(by_reserve),
            "not determined"
            if half.value != half.value
            else f"{half.value:,.0f} ({between(half.low, half.high)})",
        ]


def plans(plan: Plan, seed: int) -> Iterator[tuple[str, Plan]]:
    """Yield a plan with each kind of early stopping, drawn at random from a seed."""
    content = plan.stated()
    search = {**content.get("search", {}), "seed": seed, "sampler": "random"}
    for kind in (NONE, STOP, PAUSE):
        rule = None if kind == NONE else {**content["early_stopping"], "below_cut": kind}
        changed = {"early_stopping": rule, "search": search, "name": f"{plan.name}-{kind}-{seed}"}
        yield kind, Plan.model_validate({**content, **changed})


def searched(plan: Plan, results: Path) -> Search:
    """Run a search, or the rest of it."""
    if (results / plan.name).exists():
        return paretune.resume(plan.name, results=results, progress=False)
    return paretune.search(plan, results=results, progress=False)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("space", help="a space file that states early stopping")
    parser.add_argument("--results", type=Path, required=True, help="folder of the searches")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the searches")
    parser.add_argument("--trials", type=int, help="trials of each, in place of the file's")
    parser.add_argument("--budget", type=int, help="steps of a trial, in place of the file's")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    changes = {name: value for name in ("trials", "budget") if (value := getattr(options, name)) is not None}
    plan = paretune.check(options.space, **changes)
    if plan.early_stopping is None:
        parser.error(f"{options.space} states no early stopping")
    print(f"| {' | '.join(HEADERS)} |")
    print("|" + "---|" * len(HEADERS))
    for seed in options.seeds:
        found = [Found(kind, searched(made, options.results)) for kind, made in plans(plan, seed)]
        for one in found:
            print(f"| {' | '.join(one.row(seed, found[0]))} |", flush=True)


if __name__ == "__main__":
    main()
