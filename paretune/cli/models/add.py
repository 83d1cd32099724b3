"""``paretune add``: let a trained model add two numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from paretune.cli.exits import OK
from paretune.cli.models.evaluate import Checkpoint
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Results
from paretune.errors import InputError


class CommandClass(TyperCommand):
    """Reads the arguments, and says so where a number is negative, which would pass for an unknown option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse negative numbers, and read the rest as typer does.

        Raises:
            InputError: an argument is a negative whole number.
        """
        for argument in args:
            if re.fullmatch(r"-\d+", argument):
                raise InputError(f"{argument} is negative; models add numbers from 0 up")
        return super().parse_args(ctx, args)


def add(
    checkpoint: Checkpoint,
    a: Annotated[int, typer.Argument(metavar="A", min=0, help="First number.")],
    b: Annotated[int, typer.Argument(metavar="B", min=0, help="Second number.")],
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Let a trained model add two numbers.

    The model writes its answer digit by digit; whether it is correct stands beside it. CHECKPOINT is a file,
    or the name of a search that has been retrained.

    \b
    Examples:
      paretune add quickstart 123 456
      paretune add results/quickstart/retrain/c000/seed-0/checkpoint.pt 123 456
    """
    import torch

    from paretune.confirm.finding import find_checkpoint
    from paretune.terminal.printing import print_json
    from trainables.abilities import ability
    from trainables.checkpoints import load_model

    path = find_checkpoint(checkpoint, results)
    loaded = load_model(path, torch.device("cpu"), allow_task_code=allow_task_code)
    answer = ability(loaded, "add")(loaded, a, b)
    if as_json:
        correct = answer == a + b
        print_json(
            {
                "checkpoint": str(path),
                "a": a,
                "b": b,
                "answer": answer,
                "truth": a + b,
                "correct": correct,
            }
        )
        return OK
    said = "no number" if answer is None else str(answer)
    verdict = "correct" if answer == a + b else f"not correct, it is {a + b}"
    typer.echo(f"{a} + {b} = {said}  ({verdict})")
    return OK
