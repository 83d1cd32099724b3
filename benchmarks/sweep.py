"""A published sweep, again with four seeds: each single number beside a rate, and what is left of the claims.

    python benchmarks/sweep.py --run      # the 42 configurations up to 2,700 parameters: an hour on two cores
    python benchmarks/sweep.py            # the report on results/published/gpt_acc_jax_sweep

The report is printed, and is the report.md of that folder. A rate is of seeds that reached 99 % and held it;
intervals are Wilson's, 95 %. Two groups of seeds are compared by Fisher's exact test, two-sided.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.stats import fisher_exact

from analysis.intervals import wilson
from analysis.rows import SearchRows

ROOT = Path(__file__).parent.parent
SPACE = ROOT / "search_spaces" / "gpt_acc_jax_sweep.yaml"
PUBLISHED = ROOT / "results" / "published" / "gpt_acc_jax_sweep"
CONFIGURATIONS, SEEDS = 42, 4
"""The first 42 of the file are those with at most 2,700 parameters."""


@dataclass(frozen=True)
class Claim:
    """What single runs of the sweep suggest, and which configurations differ in nothing else."""

    text: str
    first: str
    second: str
    pairs: Sequence[tuple[str, str]]


CLAIMS = (
    Claim(
        "0.02 is the better rate for 7 features, 0.01 fails",
        "0.02",
        "0.01",
        [("pico-7d-ff14-lr02", "pico-7d-ff14"), ("pico-7d-ff7-lr02", "pico-7d-ff7")],
    ),
    Claim(
        "0.02 is the better rate for 6 features, 0.01 fails",
        "0.02",
        "0.01",
        [("pico-6d-ff24-lr02", "pico-1L-6d-both")],
    ),
    Claim(
        "1,360 parameters need a rate above 0.003",
        "0.005 to 0.02",
        "0.003",
        [
            ("nano-1L-8d-lr005", "nano-1L-8d"),
            ("nano-1L-8d-hiLR", "nano-1L-8d"),
            ("nano-1L-8d-lr02", "nano-1L-8d"),
        ],
    ),
    Claim(
        "one layer of 8 features succeeds where two fail",
        "one layer",
        "two layers",
        [("nano-1L-8d-hiLR", "nano-2L-8d-hiLR"), ("nano-1L-8d", "nano-2L-8d")],
    ),
    Claim(
        "LayerNorm succeeds where RMSNorm fails",
        "LayerNorm",
        "RMSNorm",
        [("pico-1L-7d-both", "pico-7d-rms"), ("pico-7d-nodlm", "pico-7d-rms-nodlm")],
    ),
    Claim(
        "learned positions succeed where sinusoidal ones fail",
        "learned",
        "sinusoidal",
        [
            ("pico-1L-7d-both", "femto-7d-sin"),
            ("pico-7d-rms", "femto-7d-sin-rms"),
            ("pico-7d-nodlm", "femto-7d-sin-nodlm"),
            ("pico-7d-rms-nodlm", "femto-7d-full"),
        ],
    ),
    Claim(
        "learned positions against rotary ones, which crashed there",
        "learned",
        "rotary",
        [
            ("pico-1L-7d-both", "pico-7d-rope"),
            ("pico-7d-rms", "pico-7d-rope-rms"),
            ("pico-7d-nodlm", "pico-7d-rope-nodlm"),
            ("pico-7d-rms-nodlm", "pico-7d-rope-full"),
        ],
    ),
    Claim(
        "delimiters are needed",
        "delimiters",
        "none",
        [("pico-1L-7d-both", "pico-7d-nodlm"), ("pico-7d-rms", "pico-7d-rms-nodlm")],
    ),
    Claim(
        "a tied head costs nothing without biases",
        "untied",
        "tied",
        [("pico-1L-7d-nob", "pico-1L-7d-both"), ("pico-1L-6d-nob", "pico-1L-6d-both")],
    ),
    Claim(
        "a tied head ruins a model with biases",
        "untied",
        "tied",
        [("pico-1L-7d", "pico-1L-7d-tied"), ("pico-1L-6d", "pico-1L-6d-tied")],
    ),
    Claim(
        "biases ruin a model with a tied head",
        "no biases",
        "biases",
        [("pico-1L-7d-both", "pico-1L-7d-tied"), ("pico-1L-6d-both", "pico-1L-6d-tied")],
    ),
    Claim(
        "7 features suffice, 6 do not",
        "7 features",
        "6 features",
        [
            ("pico-1L-7d-both", "pico-1L-6d-both"),
            ("pico-1L-7d-nob", "pico-1L-6d-nob"),
            ("pico-1L-7d-tied", "pico-1L-6d-tied"),
            ("pico-1L-7d", "pico-1L-6d"),
        ],
    ),
)


@dataclass(frozen=True)
class Rate:
    """Seeds of one configuration: how many solved, of how many, and the best exact match among them."""

    solved: int
    seeds: int
    best: float

    def __str__(self) -> str:
        low, high = wilson(self.solved, self.seeds)
        return f"{self.solved} of {self.seeds} ({low:.0%} to {high:.0%})"


def main() -> None:
    """Run the sweep, or report on it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=PUBLISHED, help="a search's folder")
    parser.add_argument("--run", action="store_true", help="run the search first, into results/")
    parser.add_argument("--output", type=Path, help="where to write the report")
    options = parser.parse_args()
    if options.run:
        if options.folder != PUBLISHED or options.output is not None:
            parser.error("--run writes into results/, and reports on nothing")
        command = [*(sys.executable, "-m", "paretune.cli", "search", str(SPACE))]
        subprocess.run([*command, "--trials", str(CONFIGURATIONS * SEEDS)], check=True)
        return
    text = report(options.folder)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n")


def report(folder: Path) -> str:
    """Return the report on a search of the sweep, as Markdown."""
    names, stated = read_reported(PUBLISHED / "reported.csv")
    trials = SearchRows(folder).trials
    rates = rates_of(trials, names)
    params = trials.groupby("configuration")["params"].first()
    table = ["| name | parameters | reported, one run | solved, 95 % interval | best of them |"]
    table.append("|---|---|---|---|---|")
    for number, name in enumerate(names):
        rate = rates[name]
        table.append(f"| {name} | {int(params[number]):,} | {stated[name]} | {rate} | {rate.best:.2%} |")
    claims = ["| claim | | solved | | solved | p |", "|---|---|---|---|---|---|"]
    for claim in CLAIMS:
        one, other = (_together(rates, [pair[side] for pair in claim.pairs]) for side in (0, 1))
        p = _p_value(one, other)
        claims.append(
            f"| {claim.text} | {claim.first} | {one.solved} of {one.seeds} | {claim.second} "
            f"| {other.solved} of {other.seeds} | {p:.2g} |"
        )
        if len(claim.pairs) > 1:
            claims += [f"| | {line}" for line in _single_lines(claim, rates)]
    return "\n".join([*table, "", *claims])


def read_reported(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names of the configurations in the order of the space file, and what was reported."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["configuration"]) for row in rows] == list(range(len(rows)))
    return [row["name"] for row in rows], {row["name"]: row["exact_match"] for row in rows}


def rates_of(trials: pd.DataFrame, names: Sequence[str]) -> dict[str, Rate]:
    """Return the rate of each configuration; a trial that diverged did not solve."""
    found = {}
    for number, name in enumerate(names):
        own = trials[trials["configuration"] == number]
        assert set(own["ending"]) <= {"solved", "finished", "diverged"}, (name, set(own["ending"]))
        best = own["exact_match"].max()
        found[name] = Rate(int((own["ending"] == "solved").sum()), len(own), float(best))
    return found


def _together(rates: dict[str, Rate], names: Sequence[str]) -> Rate:
    chosen = [rates[name] for name in dict.fromkeys(names)]
    return Rate(
        sum(rate.solved for rate in chosen),
        sum(rate.seeds for rate in chosen),
        max(rate.best for rate in chosen),
    )


def _p_value(one: Rate, other: Rate) -> float:
    table = [[one.solved, one.seeds - one.solved], [other.solved, other.seeds - other.solved]]
    return float(fisher_exact(table).pvalue)


def _single_lines(claim: Claim, rates: dict[str, Rate]) -> list[str]:
    lines = []
    for first, second in claim.pairs:
        one = f"{first} | {rates[first].solved} of {rates[first].seeds}"
        other = f"{second} | {rates[second].solved} of {rates[second].seeds}"
        lines.append(f"{one} | {other} | {_p_value(rates[first], rates[second]):.2g} |")
    return lines


if __name__ == "__main__":
    main()
