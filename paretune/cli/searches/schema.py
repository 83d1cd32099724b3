"""``paretune schema``: the JSON schema of space files, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.cli.options import AllowTaskCode

Write = Annotated[Path | None, typer.Option("--write", metavar="FILE", help="Write it to FILE instead.")]


Others = Annotated[
    list[str],
    typer.Option(
        "--task",
        metavar="TASK",
        help="A task whose parameters it shall know too, as space files name it. May be repeated.",
    ),
]


def schema(
    write: Write = None,
    task: Others = [],  # noqa: B006 typer needs a value, and makes a list of its own
    allow_task_code: AllowTaskCode = False,
) -> int:
    """Print the JSON schema of space files.

    Editors complete and check space files with it. This first line in a space file makes most editors use it:

    \b
      # yaml-language-server: $schema=schema.json

    \b
    Example:
      paretune schema --write search_spaces/schema.json
      paretune schema --task parity_task/parity.py:Parity --write schema.json
    """
    from paretune.plan.schema import space_file_schema
    from paretune.terminal.printing import print_json
    from trainables.tasks import get_task

    content = space_file_schema({name: get_task(name, allow_code=allow_task_code) for name in task})
    if write is None:
        print_json(content)
    else:
        import json

        write.write_text(json.dumps(content, indent=2) + "\n")
        typer.echo(f"written: {write}")
    return OK
