"""``paretune evaluate``: evaluate a checkpoint on held-out problems."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.options import AsJson, Device

CheckpointPath = Annotated[
    Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint.pt that retrain wrote.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate", help=_HELP, short_help=_SHORT)(evaluate)


_SHORT = "Evaluate a checkpoint on held-out problems."
_HELP = """Evaluate a checkpoint on held-out test problems, which no training and no choice ever saw.

\b
Examples:
  paretune evaluate results/quickstart/retrain/c000/seed-0/checkpoint.pt
  paretune evaluate checkpoint.pt --problems 100000 --seed 7 --json
"""


def evaluate(
    checkpoint: CheckpointPath,
    problems: Annotated[int, typer.Option("--problems", min=1, help="Held-out problems, at most.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw of problems.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> int:
    """Evaluate a checkpoint; see the help text."""
    from paretune.confirm.evaluation import as_json as to_json
    from paretune.confirm.evaluation import headline
    from paretune.confirm.retraining import evaluate_checkpoint
    from paretune.devices import pick_device
    from paretune.terminal.printing import make_console, print_json, print_rows
    from paretune.terminal.progress import evaluating_status

    # On standard error, and only where a person reads both.
    console = make_console()
    is_watched = console.is_terminal and not as_json
    with evaluating_status(make_console(to_stderr=True)) if is_watched else nullcontext():
        exam = evaluate_checkpoint(checkpoint, pick_device(device), problems=problems, seed=seed)
    if as_json:
        print_json({"checkpoint": str(checkpoint), **to_json(exam)})
        return OK
    console.print(headline(exam), style="bold")
    console.print(f"drawn uniformly from {exam.drawn_from}")
    for table in exam.tables:
        console.print()
        if table.rows:
            print_rows(console, table.columns, table.rows, title=table.title)
        else:
            console.print(f"{table.title}: none")
    return OK
