"""``paretune dashboard``: optuna-dashboard on what the sampler of a search was told."""

from __future__ import annotations

import importlib.util
import subprocess
from typing import Annotated

import typer

from paretune.cli.beside import beside, interrupt_on_signals
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AllowTaskCode, Results, RunName
from paretune.cli.searches.watch import Host
from paretune.errors import InputError
from paretune.record.run_folder import RunFolder

Port = Annotated[
    int | None,
    typer.Option(
        "--port", metavar="PORT", min=1, max=65535, help="Port; by default the first free from 8080."
    ),
]


def dashboard(
    name: RunName,
    port: Port = None,
    host: Host = "localhost",
    results: Results = DEFAULT_RESULTS,
    allow_task_code: AllowTaskCode = False,
) -> int:
    """Look at what the sampler was told, in optuna-dashboard.

    Shows the search as a study of Optuna's: one trial for each configuration, with its values, with what made
    it infeasible, and with the names of its seeds. Works while the search runs, from a second terminal, and
    afterwards; nothing can be changed there. Ctrl-C ends it. It needs optuna-dashboard, which is installed
    with: pip install 'paretune[dashboard]'

    \b
    Examples:
      paretune dashboard parameter-cliff
      paretune dashboard parameter-cliff --port 8090 --host 0.0.0.0
    """
    from paretune.plan.binding import bind

    folder = RunFolder.open(results, name)
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise InputError(
            "paretune dashboard needs optuna-dashboard, which is not installed; install it with: "
            "pip install 'paretune[dashboard]', or in a checkout: pip install -e '.[dashboard]'"
        )
    bind(folder.plan, allow_task_code=allow_task_code)
    options = ["--allow-task-code"] if allow_task_code else []
    interrupt_on_signals()
    try:
        with beside(
            "paretune.record.study.server",
            *(str(folder.path), host, str(port or 0), *options),
            stdout=subprocess.PIPE,
        ) as server:
            assert server.stdout is not None
            said = server.stdout.readline().strip()
            if not said.startswith("http"):
                raise InputError(said or "optuna-dashboard ended without a word")
            typer.echo(f"The study of {folder.name}: {said} (Ctrl-C ends it)")
            return server.wait()
    except KeyboardInterrupt:
        return OK
