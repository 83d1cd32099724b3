"""``paretune check``: what a space file means, or everything that is wrong with it."""

from __future__ import annotations

from dataclasses import asdict

import typer

from paretune.cli.exits import OK, WRONG_INPUT
from paretune.cli.options import (
    AsJson,
    Budget,
    Cpu,
    Gpu,
    Seeds,
    SpacePath,
    Trials,
)
from paretune.plan.loading import load_bound, search_overrides
from paretune.plan.preparing import missing
from paretune.plan.summary import PlanSummary, summarise
from paretune.terminal.printing import make_console, print_json, print_rows
from search_spaces.loader import SpaceFile
from search_spaces.mistakes import Mistake, SpaceFileError, dotted
from trainables.text.errors import DataError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help=_HELP, short_help=_SHORT)(check)


_SHORT = "Check a space file and say what it means."
_HELP = """Check a space file and say what it means, without training anything.

Prints the number of dimensions, the parameter counts that the space can produce, the budget, and
what a trial needs. Data that are on this machine are checked too; data that are not are no mistake,
as a search may run elsewhere. If something is wrong, prints every mistake with its line and what would be
accepted, and exits with 2.

\b
Examples:
  paretune check search_spaces/parameter_cliff.yaml
  paretune check my_space.yaml --trials 10 --budget 500
"""


def check(
    space: SpacePath,
    trials: Trials = None,
    seeds: Seeds = None,
    budget: Budget = None,
    cpu: Cpu = None,
    gpu: Gpu = None,
    as_json: AsJson = False,
) -> int:
    """Check a space file; see the help text."""
    try:
        overrides = search_overrides(trials, seeds, None, None, cpu, gpu)
        file = SpaceFile(space)
        bound = load_bound(file, overrides, budget)
        try:
            not_here = missing(bound)
        except DataError as error:
            raise file.error([Mistake((), str(error))]) from error
        summary = summarise(bound)
    except SpaceFileError as error:
        if not as_json:
            raise
        mistakes = [
            {"file": error.source, "line": line, "key": dotted(mistake.path), "message": mistake.message}
            for mistake, line in zip(error.mistakes, error.lines, strict=True)
        ]
        print_json({"valid": False, "mistakes": mistakes})
        return WRONG_INPUT
    if as_json:
        print_json({"valid": True, **asdict(summary), "not_here": not_here})
    else:
        console = make_console()
        console.print(f"{space} is valid.", style="green")
        print_rows(console, ("", ""), sentences(summary))
        for words in not_here:
            console.print(words, style="yellow")
    return OK


def sentences(summary: PlanSummary) -> list[tuple[str, str]]:
    """Return what a summary says, as pairs of a name and a text."""
    sizes = summary.sizes
    how = "counted exactly" if sizes.exact else "from 20,000 draws and the space's corners"
    return [
        ("search", f"{summary.name}, task {summary.task}"),
        ("dimensions", str(summary.dimensions)),
        ("parameters", f"{sizes.smallest:,} to {sizes.largest:,} ({how})"),
        ("may be trained", f"{100 * sizes.feasible_share:.1f} % of the space; the rest is never trained"),
        (
            "trials",
            f"{summary.trials:,}: {summary.configurations:,} configurations, "
            f"{summary.seeds} seed{'s' * (summary.seeds > 1)} each",
        ),
        ("budget", f"{summary.steps_per_trial:,} steps a trial, at most {summary.steps_in_all:,} in all"),
        ("early stopping", _rungs(summary)),
        ("a trial needs", f"{summary.cpu:g} CPU" + (f", {summary.gpu:g} GPU" if summary.gpu else ", no GPU")),
    ]


def _rungs(summary: PlanSummary) -> str:
    if summary.rung_shares:
        shares = ", ".join(f"{100 * share:g} %" for share in summary.rung_shares)
        return f"at {shares} of each trial's own steps"
    rungs = ", ".join(f"{rung:,}" for rung in summary.rungs)
    return f"at steps {rungs}" if rungs else "none"
