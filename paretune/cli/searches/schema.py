"""``paretune schema``: the JSON schema of space files, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK

Write = Annotated[Path | None, typer.Option("--write", metavar="FILE", help="Write it to FILE instead.")]


def schema(write: Write = None) -> int:
    """Print the JSON schema of space files.

    Editors complete and check space files with it. This first line in a space file makes most editors use it:

    \b
      # yaml-language-server: $schema=schema.json

    \b
    Example:
      paretune schema --write search_spaces/schema.json
    """
    from paretune.plan.schema import space_file_schema
    from paretune.terminal.printing import print_json

    if write is None:
        print_json(space_file_schema())
    else:
        import json

        write.write_text(json.dumps(space_file_schema(), indent=2) + "\n")
        typer.echo(f"written: {write}")
    return OK
