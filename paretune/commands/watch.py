"""``paretune watch``: TensorBoard on the trials of a search."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Annotated

import typer

from analysis.layout import TENSORBOARD_FOLDER
from paretune.commands.options import DEFAULT_RESULTS, Results, RunName
from paretune.runs import RunFolder


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
        typer.Option("--port", min=1, max=65535, help="Port; by default the first free from 6006."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to serve on.")] = "localhost",
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Run TensorBoard until it is interrupted; see the help text."""
    folder = RunFolder.open(results, name).path / TENSORBOARD_FOLDER
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", host]
    command += ["--reload_interval", "5"] + ([] if port is None else ["--port", str(port)])
    typer.echo(f"TensorBoard on {folder}; Ctrl-C ends it.")
    process = subprocess.Popen(command)

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    # However this process is asked to end, TensorBoard must not stay behind.
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        process.terminate()
        process.wait(timeout=10)
