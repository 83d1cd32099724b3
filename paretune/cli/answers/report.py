"""``paretune report``: a search as one page to read, to send, and to publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paretune.cli.answers.findings import Rows
from paretune.cli.exits import OK
from paretune.cli.options import DEFAULT_RESULTS, AsJson, Results, RunName

_SENTENCES = 3
"""Sentences of the answer that the terminal shows; the page has them all."""

Page = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Write the page to FILE, which ends in .html; by default results/NAME/report.html.",
    ),
]


def report(
    name: RunName, output: Page = None, results: Results = DEFAULT_RESULTS, as_json: AsJson = False
) -> int:
    """Write a search as one page, and as Markdown beside it.

    The page is a single file: the answer in sentences, figures, sortable tables, how it was made, what is not
    known, and published figures beside ours. It needs no network and makes no request, so it can be mailed,
    put on a web server, or kept. The same rows give the same page. While a search runs, it shows what is
    known so far.

    \b
    Examples:
      paretune report quickstart
      paretune report quickstart --output report/quickstart.html
    """
    from analysis.names import shown_name
    from paretune.terminal.printing import make_console, print_json

    search = Rows(results=results).open(name)
    sentences = search.answer().sentences
    written = search.report(output)
    if as_json:
        print_json({"written": [str(path) for path in written], "sentences": list(sentences)})
        return OK
    console = make_console()
    for sentence in sentences[:_SENTENCES]:
        console.print(sentence)
    console.print(f"\nwritten: {', '.join(map(shown_name, written))}", soft_wrap=True)
    return OK
