"""``paretune watch``: TensorBoard on the trials of a search."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Annotated

import typer

from analysis.layout import TENSORBOARD_FOLDER
from paretune.commands.options import DEFAULT_RESULTS, Results, RunName
from paretune.exits import OK
from paretune.runs import RunFolder

_NOISE = ("TensorFlow installation not found", "reduced feature set")
"""What TensorBoard says of itself and nobody who watches a search can use."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch", help=_HELP, short_help=_SHORT)(watch)


_SHORT = "Watch the trials in TensorBoard."
_HELP = """Watch a search in TensorBoard: curves of every trial, and the table of hyperparameters.

Works while the search runs, from a second terminal, and afterwards. Ctrl-C ends it.

\b
Examples:
  paretune watch parameter-cliff
  paretune watch parameter-cliff --port 6010 --host 0.0.0.0
"""


def watch(
    name: RunName,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Port; the first free from 6006 if none."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to serve on.")] = "localhost",
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Run TensorBoard until it is interrupted; see the help text."""
    folder = RunFolder.open(results, name).path / TENSORBOARD_FOLDER
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", host]
    command += ["--reload_interval", "5", "--load_fast=false"] + (
        [] if port is None else ["--port", str(port)]
    )
    typer.echo(f"TensorBoard on {folder}; Ctrl-C ends it.")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    # However this process is asked to end, TensorBoard must not stay behind.
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() and not any(noise in line for noise in _NOISE):
                typer.echo(line, nl=False, err=True)
        return process.wait()
    except KeyboardInterrupt:
        return OK
    finally:
        process.terminate()
        process.wait(timeout=10)
