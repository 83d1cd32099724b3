"""``paretune doctor``: what this machine has, what works, and what to install."""

from __future__ import annotations

from dataclasses import asdict

from paretune.cli.exits import OK
from paretune.cli.options import AsJson


def doctor(as_json: AsJson = False) -> int:
    """Say what this machine has, what works, and what to install.

    Looks at processor, memory, GPU, Ray, versions and caches, and tries out what the tasks can use: for
    addition a C++ compiler and the native engine that it builds. Whatever could be better is followed by what
    to do.

    \b
    Examples:
      paretune doctor
      paretune doctor --json
    """
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
