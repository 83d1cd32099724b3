"""``paretune export``: write a trained model as a file that needs no paretune."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK, OUR_FAILURE
from paretune.cli.models.evaluate import CheckpointPath
from paretune.cli.options import AsJson
from paretune.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", help=_HELP, short_help=_SHORT)(export)


_SHORT = "Write a trained model as a file of its own."
_HELP = """Write a trained model as a file that needs no paretune.

--adderboard writes it for AdderBoard, a public challenge: which is the smallest transformer that adds
numbers of ten digits? The file is one Python module for people to read, with the weights in it, and
needs torch only. Before it takes its place it is run by itself on edge cases and 100 random problems,
and must answer as the checkpoint does. The challenge asks for 99 % of its own 10,010 problems;
evaluate says more precisely how often a model is right.

\b
Example:
  paretune export checkpoint.pt --adderboard adder.py --name "Tiny adder" --author "Ada Lovelace"
"""

_RANDOM_PROBLEMS = 100


def export(
    checkpoint: CheckpointPath,
    adderboard: Annotated[
        Path | None,
        typer.Option(
            "--adderboard", metavar="FILE", help="Write a Python file for the AdderBoard challenge."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The model's name; by default paretune-PARAMETERS.")
    ] = None,
    author: Annotated[str, typer.Option("--author", help="The author to be named.")] = "unknown",
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    as_json: AsJson = False,
) -> int:
    """Write the file, try it, and say what it holds; see the help text."""
    if adderboard is None:
        raise InputError("say what to write; there is --adderboard FILE, for a challenge of 10-digit adders")
    _check_texts({"--name": name, "--author": author})
    _check_place(adderboard, force=force)

    import torch

    from paretune.terminal.printing import print_json
    from trainables.addition.adderboard.notation import DIGITS
    from trainables.addition.adderboard.submission import make_submission
    from trainables.addition.adderboard.trial import EDGE_CASES, random_problems, try_out
    from trainables.addition.config import AdditionConfig
    from trainables.addition.formats import make_format
    from trainables.checkpoints import load_model

    torch.set_num_threads(1)  # one answer at a time is too little for two threads
    loaded = load_model(checkpoint, torch.device("cpu"))
    config = loaded.config
    if not isinstance(config, AdditionConfig):
        raise InputError(f"{checkpoint} was trained on {loaded.task.name}, not on addition")
    if config.digits != DIGITS:
        raise InputError(
            f"the challenge needs a model for operands of {DIGITS} digits, but {checkpoint} was trained "
            f"with digits={config.digits}"
        )
    submission = make_submission(config, loaded.model, name=name, author=author)
    problems = [*EDGE_CASES, *random_problems(_RANDOM_PROBLEMS)]
    with _partial_file(adderboard) as partial:
        partial.write_text(submission.text, encoding="utf-8")
        trial = try_out(partial, problems, loaded.model, make_format(config.layout))
        is_faithful = trial.agreeing == len(problems) and trial.parameters == submission.parameters
        size = partial.stat().st_size
        if is_faithful:
            partial.replace(adderboard)
    if as_json:
        print_json(
            {
                "checkpoint": str(checkpoint),
                "written": str(adderboard) if is_faithful else None,
                "bytes": size,
                "name": submission.name,
                "author": submission.author,
                "parameters": submission.parameters,
                "architecture": submission.architecture,
                "tricks": submission.tricks,
                "problems": len(problems),
                "agreeing": trial.agreeing,
                "right": trial.right,
            }
        )
    if not is_faithful:
        typer.echo(
            f"error: {adderboard} was not written, for it would not hold the checkpoint's model: "
            f"{trial.agreeing} of {len(problems)} answers agree, and it has {trial.parameters:,} of "
            f"{submission.parameters:,} parameters; please report this",
            err=True,
        )
        return OUR_FAILURE
    if not as_json:
        edges = len(EDGE_CASES)
        typer.echo(f"written: {adderboard} ({submission.parameters:,} parameters, {size:,} bytes)")
        typer.echo(f"run by itself: {trial.agreeing} of {len(problems)} answers are the checkpoint's")
        typer.echo(f"right: {trial.right} of {len(problems)} ({edges} edge cases, {_RANDOM_PROBLEMS} random)")
    return OK


def _check_texts(texts: dict[str, str | None]) -> None:
    """Refuse what could not stand in a line of the file."""
    for option, text in texts.items():
        if text is not None and not (text.strip() and text.isprintable()):
            raise InputError(f"{option} must be a line of printable characters, but got {text!r}")


def _check_place(path: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written, or would replace another one without being asked to."""
    if path.suffix != ".py":
        raise InputError(f"{path} must end in .py, or Python cannot import it")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} to")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise InputError(f"{path} exists; replace it with --force, or name another file")


@contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file beside ``path``; nothing is left of it in the end."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
