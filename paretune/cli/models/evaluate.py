"""``paretune evaluate``: evaluate a trained model on held-out problems."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Device, Results

Checkpoint = Annotated[
    str,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A checkpoint.pt that retrain wrote, or the name of a search: the best model it has retrained.",
    ),
]


def evaluate(
    checkpoint: Checkpoint,
    problems: Annotated[int, typer.Option("--problems", min=1, help="Held-out problems, at most.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw of problems.")] = 0,
    device: Device = "auto",
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Evaluate a trained model on held-out problems.

    They are test problems, which no training and no choice ever saw. CHECKPOINT is a file, or the name of a
    search that has been retrained.

    \b
    Examples:
      paretune evaluate quickstart
      paretune evaluate results/quickstart/retrain/c000/seed-0/checkpoint.pt
      paretune evaluate checkpoint.pt --problems 100000 --seed 7 --json
    """
    from paretune.confirm.evaluation import as_json as to_json
    from paretune.confirm.evaluation import headline
    from paretune.confirm.finding import find_checkpoint
    from paretune.confirm.retraining import evaluate_checkpoint
    from paretune.devices import pick_device
    from paretune.terminal.printing import make_console, print_json, print_rows
    from paretune.terminal.progress import evaluating_status

    path = find_checkpoint(checkpoint, results)
    # On standard error, and only where a person reads both.
    console = make_console()
    is_watched = console.is_terminal and not as_json
    with evaluating_status(make_console(to_stderr=True)) if is_watched else nullcontext():
        found = evaluate_checkpoint(
            path, pick_device(device), problems=problems, seed=seed, allow_task_code=allow_task_code
        )
    if as_json:
        print_json({"checkpoint": str(path), **to_json(found)})
        return OK
    if str(path) != checkpoint:
        console.print(f"checkpoint: {path}", soft_wrap=True)
    console.print(headline(found), style="bold")
    console.print(f"drawn uniformly from {found.drawn_from}")
    for table in found.tables:
        console.print()
        if table.rows:
            print_rows(console, table.columns, table.rows, title=table.title)
        else:
            console.print(f"{table.title}: none")
    return OK
