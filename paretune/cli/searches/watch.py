"""``paretune watch``: TensorBoard on the trials of a search and on what it has found."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from analysis.files.layout import TENSORBOARD_FOLDER
from paretune.cli.beside import beside, interrupt_on_signals
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, Results, RunName
from paretune.record.run_folder import RunFolder
from paretune.record.tensorboard_view import FINDINGS_RUN, first_view

_NOISE = ("TensorFlow installation not found", "reduced feature set")
"""What TensorBoard says of itself and nobody who watches a search can use."""

_MOST_RUNS = 500
"""TensorBoard draws none of more runs than that until some are chosen."""


Port = Annotated[
    int | None,
    typer.Option(
        "--port", metavar="PORT", min=1, max=65535, help="Port; by default the first free from 6006."
    ),
]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to serve on.")]


def watch(
    name: RunName,
    port: Port = None,
    host: Host = "localhost",
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Watch the trials and the findings in TensorBoard.

    Shows curves of every trial, the hyperparameters, and what was found. Opens on the metric that is searched
    for, with the success rate against size beside it. The answer is under Text; while trials end it is
    written anew, at most twice a minute. Works while the search runs, from a second terminal, and afterwards.
    Ctrl-C ends it.

    \b
    Examples:
      paretune watch parameter-cliff
      paretune watch parameter-cliff --port 6010 --host 0.0.0.0
    """
    folder = RunFolder.open(results, name)
    curves = folder.path / TENSORBOARD_FOLDER
    curves.mkdir(exist_ok=True)
    # What was found is told anew. Removed while TensorBoard looks on, it would not be shown again.
    shutil.rmtree(curves / FINDINGS_RUN, ignore_errors=True)
    interrupt_on_signals()
    typer.echo(f"TensorBoard on {curves}; Ctrl-C ends it.")
    if sum(path.is_dir() for path in curves.iterdir()) > _MOST_RUNS:
        typer.echo(f"Of more than {_MOST_RUNS} trials it draws only those that are ticked, at first none.")
    try:
        with (
            beside("paretune.record.findings_log", str(folder.path)),
            beside(
                "paretune.record.tensorboard_server",
                *_options(folder, curves, host, port),
                stderr=subprocess.PIPE,
            ) as server,
        ):
            assert server.stderr is not None
            for line in server.stderr:
                if line.strip() and not any(noise in line for noise in _NOISE):
                    typer.echo(line, nl=False, err=True)
            return server.wait()
    except KeyboardInterrupt:
        return OK


def _options(folder: RunFolder, curves: Path, host: str, port: int | None) -> list[str]:
    from analysis.rows import SearchRows

    view = first_view(folder.plan, SearchRows(folder.path).metrics)
    # Of findings only the last: what was said before more trials ended holds no more.
    options = [view, "--logdir", str(curves), "--host", host, "--samples_per_plugin", "text=1"]
    options += ["--reload_interval", "5", "--load_fast=false"]
    return options if port is None else [*options, "--port", str(port)]
