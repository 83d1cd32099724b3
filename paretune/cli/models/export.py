"""``paretune export``: write a trained model as a file that needs no paretune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK, OUR_FAILURE
from paretune.cli.models.evaluate import Checkpoint
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, AsJson, Results
from paretune.errors import InputError


def export(
    checkpoint: Checkpoint,
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
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
    as_json: AsJson = False,
) -> int:
    """Write a trained model as a file of its own.

    The file needs no paretune. --adderboard writes it for AdderBoard, a public challenge: which is the
    smallest transformer that adds numbers of ten digits? It is one Python module for people to read, with the
    weights in it, and needs torch only. Before it takes its place it is run by itself on edge cases and 100
    random problems, and must answer as the checkpoint does. The challenge asks for 99 % of its own 10,010
    problems; evaluate says more precisely how often a model is correct. CHECKPOINT is a file, or the name of
    a search that has been retrained.

    \b
    Example:
      paretune export checkpoint.pt --adderboard adder.py --name "Tiny adder" --author "Ada Lovelace"
    """
    if adderboard is None:
        raise InputError("say what to write; there is --adderboard FILE, for a challenge of 10-digit adders")
    _check_texts({"--name": name, "--author": author})
    _check_place(adderboard, force=force)

    import torch

    from paretune.confirm.finding import find_checkpoint
    from paretune.terminal.printing import print_json
    from trainables.abilities import Export, ability
    from trainables.checkpoints import load_model

    path = find_checkpoint(checkpoint, results)
    loaded = load_model(path, torch.device("cpu"), allow_task_code=allow_task_code)
    written: Export = ability(loaded, "adderboard")(loaded, adderboard, name=name, author=author)
    if as_json:
        print_json({"checkpoint": str(path), **written.content})
    if written.failure is not None:
        typer.echo(f"error: {written.failure}", err=True)
        return OUR_FAILURE
    if not as_json:
        for sentence in written.sentences:
            typer.echo(sentence)
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
