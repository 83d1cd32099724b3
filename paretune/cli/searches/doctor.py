"""``paretune doctor``: what this machine has, what works, and what to install."""

from __future__ import annotations

from dataclasses import asdict

import typer

from paretune.cli.exits import OK
from paretune.cli.options import AsJson


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help=_HELP, short_help=_SHORT)(doctor)


_SHORT = "Say what this machine has, what works, and what to install."
_HELP = """Say what this machine has, what works, and what to install.

Looks at processor, memory, GPU, Ray and versions, and tries out what the tasks can use: for addition a
C++ compiler and the native engine that it builds. Whatever could be better is followed by what to do.

\b
Examples:
  paretune doctor
  paretune doctor --json
"""


def doctor(as_json: AsJson = False) -> int:
    """Evaluate the machine; see the help text."""
    from paretune.cli.health import diagnose_machine
    from paretune.terminal.printing import make_console, print_json

    console = make_console()
    findings = []
    for finding in diagnose_machine():
        findings.append(finding)
        if as_json:
            continue
        console.print(f"{finding.name}: {finding.state}", soft_wrap=True)
        if finding.advice is not None:
            console.print(f"    -> {finding.advice}", style="yellow", soft_wrap=True)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    elif all(finding.advice is None for finding in findings):
        console.print("All is well.", style="green")
    return OK
