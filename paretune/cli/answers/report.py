"""``paretune report``: a search as one page to read, to send, and to publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.answers.findings import RunName, open_rows
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results

_SENTENCES = 3
"""Sentences of the answer that the terminal shows; the page has them all."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", help=_HELP, short_help=_SHORT)(report)


_SHORT = "The search as one page: question, answer, pictures, tables, method, limits."
_HELP = """Write a search as one page, and as Markdown beside it.

The page is a single file with everything in it: the answer in sentences, pictures, tables that can be sorted,
how it was made, what is not known, and published figures beside ours. It needs no network and makes no
request, so it can be mailed, put on a web server, or kept. The same rows give the same page. While a search
runs, it shows what is known so far.

\b
Examples:
  paretune report quickstart
  paretune report quickstart --output report/quickstart.html
"""

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Write the page to FILE, which ends in .html; by default results/NAME/report.html.",
    ),
]


def report(
    name: RunName, output: Output = None, results: Results = DEFAULT_RESULTS, as_json: AsJson = False
) -> int:
    """Write the report; see the help text."""
    from analysis.answer import answer
    from analysis.findings import findings_of
    from analysis.names import shown_name
    from analysis.report import write_report
    from paretune.terminal.printing import make_console, print_json

    rows = open_rows(results, name)
    findings = findings_of(rows)
    sentences = answer(rows, findings).sentences
    written = write_report(rows, output, findings)
    if as_json:
        print_json({"written": [str(path) for path in written], "sentences": list(sentences)})
        return OK
    console = make_console()
    for sentence in sentences[:_SENTENCES]:
        console.print(sentence)
    console.print(f"\nwritten: {', '.join(map(shown_name, written))}", soft_wrap=True)
    return OK
