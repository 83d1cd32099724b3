"""``paretune answer``: what a search found, in sentences."""

from __future__ import annotations

from paretune.cli.answers.findings import Rows
from paretune.cli.exits import OK
from paretune.cli.grouping import grouped
from paretune.cli.options import AsJson, RunName
from paretune.cli.running import say_if_running


@grouped
def answer(name: RunName, *, rows: Rows, as_json: AsJson = False) -> int:
    """Say what a search found, in sentences.

    What works at which size, how certain that is, and what would make it sharper. Each sentence has its 95 %
    interval and what it rests on. The outcome of a trial that was stopped early, was interrupted or failed
    is not known; it counts neither as a success nor as a failure. Works while a search runs, and on a folder
    that was copied from another machine.

    \b
    Examples:
      paretune answer parameter-cliff
      paretune answer parameter-cliff --where n_layers=1
      paretune answer results/published/gpt_acc_jax_sweep --json
    """
    from paretune.terminal.printing import make_console, print_json

    search = rows.open(name)
    found = search.answer()
    say_if_running(search)
    if as_json:
        print_json(found.as_json())
        return OK
    console = make_console()
    console.print(found.tried, soft_wrap=not console.is_terminal)
    for sentence in found.sentences:
        console.print(f"- {sentence}", soft_wrap=not console.is_terminal)
    if found.spent.sentence:
        console.print(f"\n{found.spent.sentence}", soft_wrap=not console.is_terminal)
    console.print(_more(name, [finding.kind for finding in found.findings]), style="dim", soft_wrap=True)
    return OK


def _more(name: str, kinds: list[str]) -> str:
    """Name the commands that tell more of each finding."""
    asked = ", ".join(kind for kind in kinds if kind not in ("confirmed", "question", "stopped"))
    each = f"More of each: paretune {asked} {name}. " if asked else ""
    return f"\n{each}All of it as a page: paretune report {name}"
