"""``paretune add``: let a trained model add two numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.models.evaluate import CheckpointPath
from paretune.cli.options import AsJson
from paretune.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("add", help=_HELP, short_help=_SHORT)(add)


_SHORT = "Let a trained model add two numbers."
_HELP = """Let a trained model add two numbers, digit by digit, and say whether it is right.

\b
Example:
  paretune add results/quickstart/retrain/c000/seed-0/checkpoint.pt 123 456
"""


def add(
    checkpoint: CheckpointPath,
    a: Annotated[int, typer.Argument(min=0, help="First number.")],
    b: Annotated[int, typer.Argument(min=0, help="Second number.")],
    as_json: AsJson = False,
) -> int:
    """Add two numbers; see the help text."""
    import torch

    from paretune.terminal.printing import print_json
    from trainables.addition.answers import add as add_with
    from trainables.addition.config import AdditionConfig
    from trainables.addition.formats import make_format
    from trainables.checkpoints import load_model

    loaded = load_model(checkpoint, torch.device("cpu"))
    if not isinstance(loaded.config, AdditionConfig):
        raise InputError(f"{checkpoint} was trained on {loaded.task.name}, not on addition")
    largest = 10**loaded.config.digits - 1
    if max(a, b) > largest:
        raise InputError(
            f"this model adds numbers of up to {loaded.config.digits} digits, "
            f"0 to {largest}, but got {max(a, b)}"
        )
    answer = add_with(loaded.model, a, b, make_format(loaded.config.layout))
    if as_json:
        print_json({"a": a, "b": b, "answer": answer, "truth": a + b, "right": answer == a + b})
        return OK
    said = "no number" if answer is None else str(answer)
    verdict = "right" if answer == a + b else f"wrong, it is {a + b}"
    typer.echo(f"{a} + {b} = {said}  ({verdict})")
    return OK
