"""``paretune answer``: what a search found, in sentences."""

from __future__ import annotations

import typer

from paretune.cli.answers.findings import Where, open_rows
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("answer", help=_HELP, short_help=_SHORT)(answer)


_SHORT = "What a search found, in sentences."
_HELP = """Say what a search found: what works at which size, how certain that is, and what would make it
sharper.

Each sentence has its interval, which is of 95 %, and what it rests on. A trial that was stopped early,
interrupted or failed has an outcome that is not known, and counts neither as a success nor as a failure.
Works while a search runs, and on a folder that was copied from another machine.

\b
Examples:
  paretune answer parameter-cliff
  paretune answer parameter-cliff --where n_layers=1
  paretune answer results/published/gpt_acc_jax_sweep --json
"""


def answer(
    name: RunName,
    where: Where = None,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Print the answer; see the help text."""
    from analysis.answer import answer as answer_of
    from paretune.terminal.printing import make_console, print_json

    rows = open_rows(results, name, where)
    found = answer_of(rows)
    if as_json:
        print_json(found.as_json())
        return OK
    console = make_console()
    console.print(found.tried, soft_wrap=not console.is_terminal)
    for sentence in found.sentences:
        console.print(f"- {sentence}", soft_wrap=not console.is_terminal)
    console.print(_more(name, [finding.kind for finding in found.findings]), style="dim", soft_wrap=True)
    return OK


def _more(name: str, kinds: list[str]) -> str:
    """Name the commands that tell more of each finding."""
    asked = ", ".join(kind for kind in kinds if kind != "confirmed")
    each = f"More of each: paretune {asked} {name}. " if asked else ""
    return f"\n{each}All of it as a page: paretune report {name}"
