"""``paretune schema``: the JSON schema of space files, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.exits import OK
from paretune.plan.schema import space_file_schema
from paretune.terminal.printing import print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", help=_HELP, short_help=_SHORT)(schema)


_SHORT = "Print the JSON schema of space files."
_HELP = """Print the JSON schema of space files, with which editors complete and check them.

A first line in a space file makes most editors use it:
# yaml-language-server: $schema=schema.json

\b
Example:
  paretune schema --write search_spaces/schema.json
"""


def schema(
    write: Annotated[
        Path | None, typer.Option("--write", metavar="FILE", help="Write it to FILE instead.")
    ] = None,
) -> int:
    """Print or write the schema; see the help text."""
    if write is None:
        print_json(space_file_schema())
    else:
        import json

        write.write_text(json.dumps(space_file_schema(), indent=2) + "\n")
        typer.echo(f"written: {write}")
    return OK
